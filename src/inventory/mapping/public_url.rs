//! Which upstream URLs are passed on to callers, who may open them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::vmc::OddCount;

/// The URL without query and fragment, if a caller may be shown it. Any other is counted; an empty
/// one is absent.
pub(super) fn shown(url: Option<Box<str>>, odd: &mut OddCount) -> Option<Box<str>> {
    let url = url.filter(|url| !url.is_empty())?;
    if is_public(&url) {
        let end = url.find(['?', '#']).unwrap_or(url.len());
        return Some(url[..end].into());
    }
    odd.fields += 1;
    None
}

/// `https`, without user info, to a DNS name or an address that is neither loopback, link-local nor
/// unspecified.
///
/// URL parsers differ in what they repair (spaces, backslashes, missing slashes, other alphabets):
/// what needs a repair is refused, so that every reader of the text sees the host checked here.
fn is_public(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    plain
        && scheme.eq_ignore_ascii_case("https")
        && !authority.is_empty()
        && !authority.contains(['@', '%'])
        && Url::parse(text).is_ok_and(|url| url.host().is_some_and(is_public_host))
}

#[expect(clippy::needless_pass_by_value, reason = "`Url::host` gives a value that borrows")]
fn is_public_host(host: Host<&str>) -> bool {
    match host {
        Host::Domain(name) => is_public_name(name),
        Host::Ipv4(address) => is_public_v4(address),
        Host::Ipv6(address) => is_public_v6(address),
    }
}

fn is_public_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let last = name.rsplit('.').next();
    name.len() <= 253
        && name.split('.').all(label)
        && last.is_some_and(|last| !last.eq_ignore_ascii_case("localhost"))
        && name.parse::<IpAddr>().is_err()
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !(address.is_loopback() || address.is_link_local() || address.is_unspecified())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4() {
        // Mapped (`::ffff:…`) and compatible (`::…`), which takes in `::` and `::1`.
        return address != Ipv6Addr::LOCALHOST && is_public_v4(inner);
    }
    !address.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_query_and_fragment() {
        for (url, path) in [
            ("https://vc.example/ui?token=abc", "https://vc.example/ui"),
            ("https://vc.example/ui#/a?b", "https://vc.example/ui"),
            ("https://vc.example?x=1#y", "https://vc.example"),
            ("https://vc.example./ui?x=@#a@b", "https://vc.example./ui"),
        ] {
            let mut odd = OddCount::default();
            assert_eq!(shown(Some(url.into()), &mut odd).as_deref(), Some(path));
            assert_eq!(odd.fields, 0);
        }
    }

    #[test]
    fn an_https_url_to_a_name_or_a_routable_address_is_shown_as_it_came() {
        for url in [
            "https://nsxManager.sddc-192-0-2-10.vmwarevmc.example/",
            "HTTPS://vcenter.example./ui/",
            "https://vcenter:8443",
            "https://10.72.32.4/",
            "https://192.0.2.10:443/",
            "https://[2001:db8::1]/",
            "https://[::ffff:192.0.2.1]/",
        ] {
            let mut odd = OddCount::default();
            assert_eq!(shown(Some(url.into()), &mut odd).as_deref(), Some(url));
            assert_eq!(odd.fields, 0);
        }
    }

    #[test]
    fn any_other_url_is_null_and_counted() {
        for url in [
            "http://vcenter.example/",
            "ftp://vcenter.example/",
            "javascript:alert(1)",
            "vcenter.example",
            "//vcenter.example/",
            "https:vcenter.example",
            "https:/vcenter.example",
            "https:///vcenter.example",
            "https://",
            "https://user@vcenter.example/",
            "https://user:password@vcenter.example/",
            "https://@vcenter.example/",
            "https://:@vcenter.example/",
            "https://localhost/",
            "https://LocalHost./",
            "https://a.localhost:8443/",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.0.0.1/",
            "https://0177.0.0.1/",
            "https://%6cocalhost/",
            "https://0.0.0.0/",
            "https://169.254.169.254/latest/meta-data",
            "https://[::]/",
            "https://[::1]/",
            "https://[fe80::1]/",
            "https://[febf::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:a9fe:a9fe]/",
            "https://[::127.0.0.1]/",
            "https://[::ffff:0.0.0.0]/",
            "https://vcenter .example/",
            " https://vcenter.example/",
            "https://vcenter.example/\n",
            "https://vcenter.example\\@localhost/",
            "https://b\u{fc}ro.example/",
            "https://a..example/",
            "https://vcenter.example:99999/",
            "https://.",
        ] {
            let mut odd = OddCount::default();
            assert_eq!(shown(Some(url.into()), &mut odd), None, "{url}");
            assert_eq!(odd.fields, 1, "{url}");
        }
    }

    #[test]
    fn no_url_is_not_odd() {
        let mut odd = OddCount::default();
        assert_eq!(shown(None, &mut odd), None);
        assert_eq!(shown(Some("".into()), &mut odd), None);
        assert_eq!(odd.fields, 0);
    }
}
