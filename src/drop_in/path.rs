//! Which paths may lead anywhere.

/// Whether every segment is plain: letters, digits, `.`, `_` and `-`, and neither empty nor `.` or `..`.
/// One slash may stand at the end.
///
/// VMware's paths need nothing else, and what another program might read in another way (`%2f`, `;`, `\`,
/// `//`, `..`) leads nowhere.
pub fn is_plain_path(path: &str) -> bool {
    let Some(path) = path.strip_prefix('/') else { return false };
    let path = path.strip_suffix('/').unwrap_or(path);
    let is_plain = |segment: &str| {
        let may = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        !matches!(segment, "" | "." | "..") && segment.bytes().all(may)
    };
    path.split('/').all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_segments_lead_anywhere() {
        for good in ["/vmc/api/orgs", "/vmc/api/orgs/", "/csp/.well-known/openid-configuration"] {
            assert!(is_plain_path(good), "{good}");
        }
        for odd in [
            "",
            "/",
            "//",
            "vmc/api",
            "/vmc//api",
            "/vmc/api/orgs//",
            "/vmc/./api",
            "/vmc/../api",
            "/vmc/api/..",
            "/vmc/%2e%2e/api",
            "/vmc/api%2forgs",
            "/vmc/api;a=b/orgs",
            "/vmc\\api",
            "/vmc/api/orgs/a b",
            "/vmc/api/ö",
        ] {
            assert!(!is_plain_path(odd), "{odd}");
        }
    }
}
