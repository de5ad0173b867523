//! Which path was probably meant: another case, a trailing slash, a slip of a letter or two.

use super::{all_templates, query::spelling};
use crate::{ids::is_plain, problem::Code};

/// The longest path that is looked at: no path that there is, with ids in it, is longer.
const MAX_PATH: usize = 128;

/// The path that is close to one that leads nowhere. Ids stay as they were sent.
pub(super) fn path_meant(path: &str) -> Option<String> {
    if path.len() > MAX_PATH {
        return None;
    }
    let sent: Vec<&str> = path.trim_matches('/').split('/').collect();
    let templates = all_templates().map(str::to_owned);
    // What the routes of pages take is a closed set.
    let pages = ["/docs/guide", "/docs/drop-in"].map(str::to_owned).into_iter();
    let problems = Code::ALL.iter().map(|code| format!("/problems/{}", code.as_str()));
    let known = templates.chain(pages).chain(problems);
    let meant = known.filter_map(|template| distance(&template, &sent));
    // Of equals the first: `/sddcs/events` stands before `/sddcs/{sddc_id}`.
    meant.min_by_key(|(distance, _)| *distance).map(|(_, meant)| meant)
}

/// How far what was sent is from a template, with the path that it then means; `None` if too far.
fn distance(template: &str, sent: &[&str]) -> Option<(usize, String)> {
    let wanted: Vec<&str> = template.trim_start_matches('/').split('/').collect();
    if wanted.len() != sent.len() || wanted == [""] {
        return None;
    }
    let (mut sum, mut meant) = (0, String::new());
    for (wanted, sent) in wanted.iter().zip(sent) {
        let is_id = wanted.ends_with("_id}");
        if wanted.starts_with('{') && !(is_id && is_plain(sent)) {
            return None;
        }
        if !is_id {
            let distance = strsim::damerau_levenshtein(&spelling(sent), &spelling(wanted));
            if distance > 1 && distance * 3 > wanted.len() {
                return None;
            }
            sum += distance;
        }
        meant.push('/');
        meant.push_str(if is_id { sent } else { wanted });
    }
    Some((sum, meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_leads_to_the_path_that_was_meant() {
        for (sent, meant) in [
            ("/SDDCS", "/sddcs"),
            ("/sddcs/", "/sddcs"),
            ("//sddcs", "/sddcs"),
            ("/sddc", "/sddcs"),
            ("/sdcds", "/sddcs"),
            ("/Sddcs/A-1/Host/", "/sddcs/A-1/hosts"),
            ("/sddcs/a-1/", "/sddcs/a-1"),
            ("/sddc/events", "/sddcs/events"),
            ("/sddc/a", "/sddcs/a"),
            ("/task/t-1", "/tasks/t-1"),
            ("/org/o/sddcs", "/orgs/o/sddcs"),
            ("/whoAmI", "/whoami"),
            ("/whoami/", "/whoami"),
            ("/sd/prometeus", "/sd/prometheus"),
            ("/openapi.yml", "/openapi.yaml"),
            ("/docs/guide/", "/docs/guide"),
            ("/docs/Guide", "/docs/guide"),
            ("/docs/dropin", "/docs/drop-in"),
            ("/problems/not_found", "/problems/not-found"),
            ("/healthz", ""),
            ("/", ""),
            ("", ""),
            ("/x", ""),
            ("/hosts/h-1", ""),
            ("/sddcs/a/b", ""),
            ("/sddc/%0a", ""),
            ("/sddcs/a//hosts", ""),
        ] {
            assert_eq!(path_meant(sent).unwrap_or_default(), meant, "{sent}");
        }
        assert_eq!(path_meant(&format!("/sddc/{}", "x".repeat(65))), None);
        assert_eq!(path_meant(&"/".repeat(8000)), None);
    }
}
