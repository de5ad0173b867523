//! Whether a request comes from a web page of another origin: it could break a demo, or read it,
//! through its visitor's browser.

use std::net::IpAddr;

use http::{HeaderMap, Uri};

/// Whether a browser says so. Programs send none of these fields.
pub(super) fn is_foreign_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = text("host").unwrap_or_default();
    let (site, origin) = (text("sec-fetch-site"), text("origin"));
    if site.is_none() && origin.is_none() {
        return false;
    }
    let is_visit = text("sec-fetch-mode") == Some("navigate") && origin.is_none();
    let is_other_site = site.is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let is_other_origin = origin.is_some_and(|origin| origin_host(origin) != Some(host));
    // A page's own name may have come to lead here.
    let is_renamed = !is_own_name(host);
    (is_other_site && !is_visit) || is_other_origin || is_renamed
}

/// Host and port of `http://host:port`.
fn origin_host(origin: &str) -> Option<&str> {
    origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))
}

/// Whether a host is an address or a loopback name: what no other site can be called.
fn is_own_name(host: &str) -> bool {
    let uri: Option<Uri> = format!("http://{host}/").parse().ok();
    let Some(name) = uri.as_ref().and_then(Uri::host) else { return false };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
        || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_foreign(fields: &[(&'static str, &str)]) -> bool {
        let fields = fields
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
        is_foreign_page(&fields.collect())
    }

    #[test]
    fn programs_and_own_pages_are_let_in_and_other_pages_are_not() {
        let own = ("host", "127.0.0.1:8081");
        assert!(!is_foreign(&[]));
        assert!(!is_foreign(&[("host", "demo:8081")]), "a program in another container");
        assert!(!is_foreign(&[own, ("sec-fetch-site", "none")]), "typed by hand");
        assert!(!is_foreign(&[own, ("sec-fetch-site", "same-origin")]));
        assert!(!is_foreign(&[own, ("origin", "http://127.0.0.1:8081")]));
        assert!(!is_foreign(&[("host", "localhost:8081"), ("origin", "http://localhost:8081")]));
        let visit = ("sec-fetch-mode", "navigate");
        assert!(!is_foreign(&[own, ("sec-fetch-site", "cross-site"), visit]), "a link");
        assert!(is_foreign(&[own, ("sec-fetch-site", "cross-site")]));
        assert!(is_foreign(&[own, ("sec-fetch-site", "same-site")]), "another port");
        assert!(is_foreign(&[own, ("origin", "http://127.0.0.1:8080")]));
        assert!(is_foreign(&[own, ("origin", "https://evil.example"), visit]), "a form");
        assert!(is_foreign(&[own, ("origin", "null")]));
        let renamed = ("host", "evil.example:8081");
        assert!(is_foreign(&[renamed, ("origin", "http://evil.example:8081")]));
        assert!(is_foreign(&[renamed, ("sec-fetch-site", "same-origin")]));
    }
}
