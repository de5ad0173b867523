//! The paths of both services.

use http::Method;

use super::{
    documents::{Read, ReadPlaces},
    faults::Target,
};

/// An endpoint, with the ids of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'a> {
    Token,
    Authorize,
    ApiToken,
    Keys,
    PublicKey,
    OpenidConfiguration,
    UserOrgs,
    CspOrg {
        org: &'a str,
    },
    Orgs,
    Org {
        org: &'a str,
    },
    Sddcs {
        org: &'a str,
    },
    Sddc {
        org: &'a str,
        sddc: &'a str,
    },
    PrimaryCluster {
        org: &'a str,
        sddc: &'a str,
    },
    Tasks {
        org: &'a str,
    },
    Task {
        org: &'a str,
        task: &'a str,
    },
    /// A read whose document is written down.
    Read {
        read: &'static Read,
        places: ReadPlaces<'a>,
    },
}

impl<'a> Route<'a> {
    /// The endpoint of a path; `None` for a path of neither service.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        if let Some(rest) = path.strip_prefix("/csp/gateway/am/api/") {
            return Self::of_csp(rest);
        }
        // As on the real one, a slash at the end does not count.
        let path = path.strip_suffix('/').unwrap_or(path);
        if let Some((read, places)) = Read::of(path) {
            return Some(Self::Read { read, places });
        }
        let segments: Vec<&str> = path.strip_prefix("/vmc/api/orgs")?.split('/').collect();
        // What follows `orgs` starts with a slash or is nothing: the first segment is empty.
        match *segments {
            [""] => Some(Self::Orgs),
            ["", _, .., ""] | ["", "", ..] => None,
            ["", org] => Some(Self::Org { org }),
            ["", org, "sddcs"] => Some(Self::Sddcs { org }),
            ["", org, "sddcs", sddc] => Some(Self::Sddc { org, sddc }),
            ["", org, "sddcs", sddc, "primarycluster"] => Some(Self::PrimaryCluster { org, sddc }),
            ["", org, "tasks"] => Some(Self::Tasks { org }),
            ["", org, "tasks", task] => Some(Self::Task { org, task }),
            _ => None,
        }
    }

    fn of_csp(rest: &'a str) -> Option<Self> {
        match rest {
            "auth/token" => Some(Self::Token),
            "auth/authorize" => Some(Self::Authorize),
            "auth/api-tokens/authorize" => Some(Self::ApiToken),
            "auth/keys" => Some(Self::Keys),
            "auth/token-public-key" => Some(Self::PublicKey),
            ".well-known/openid-configuration" => Some(Self::OpenidConfiguration),
            "loggedin/user/orgs" | "v2/loggedin/user/orgs" => Some(Self::UserOrgs),
            _ => {
                let org = rest.strip_prefix("orgs/")?;
                (!org.is_empty() && !org.contains('/')).then_some(Self::CspOrg { org })
            }
        }
    }

    /// The service a path belongs to.
    pub(super) fn target(path: &str) -> Target {
        if path.starts_with("/csp/") { Target::Csp } else { Target::Vmc }
    }

    /// The one method of the endpoint.
    pub(super) fn method(&self) -> Method {
        match self {
            Self::Token | Self::Authorize | Self::ApiToken => Method::POST,
            _ => Method::GET,
        }
    }

    /// The path with names for the ids.
    pub(super) fn template(&self) -> &'static str {
        match self {
            Self::Token => "/csp/gateway/am/api/auth/token",
            Self::Authorize => "/csp/gateway/am/api/auth/authorize",
            Self::ApiToken => "/csp/gateway/am/api/auth/api-tokens/authorize",
            Self::Keys => "/csp/gateway/am/api/auth/keys",
            Self::PublicKey => "/csp/gateway/am/api/auth/token-public-key",
            Self::OpenidConfiguration => "/csp/gateway/am/api/.well-known/openid-configuration",
            Self::UserOrgs => "/csp/gateway/am/api/loggedin/user/orgs",
            Self::CspOrg { .. } => "/csp/gateway/am/api/orgs/{org}",
            Self::Orgs => "/vmc/api/orgs",
            Self::Org { .. } => "/vmc/api/orgs/{org}",
            Self::Sddcs { .. } => "/vmc/api/orgs/{org}/sddcs",
            Self::Sddc { .. } => "/vmc/api/orgs/{org}/sddcs/{sddc}",
            Self::PrimaryCluster { .. } => "/vmc/api/orgs/{org}/sddcs/{sddc}/primarycluster",
            Self::Tasks { .. } => "/vmc/api/orgs/{org}/tasks",
            Self::Task { .. } => "/vmc/api/orgs/{org}/tasks/{task}",
            Self::Read { read, .. } => read.path(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_they_are() {
        assert_eq!(Route::of("/vmc/api/orgs"), Some(Route::Orgs));
        assert_eq!(Route::of("/vmc/api/orgs/"), Some(Route::Orgs));
        assert_eq!(Route::of("/vmc/api/orgs/a/sddcs/"), Some(Route::Sddcs { org: "a" }));
        assert_eq!(Route::of("/vmc/api/orgs/a/sddcs/b"), Some(Route::Sddc { org: "a", sddc: "b" }));
        assert_eq!(Route::of("/csp/gateway/am/api/orgs/a"), Some(Route::CspOrg { org: "a" }));
        for unknown in [
            "/",
            "/vmc/api/orgs//",
            "/vmc/api/orgsx",
            "/vmc/api/orgs/a//sddcs",
            "/vmc/api/orgs/a/b",
        ] {
            assert_eq!(Route::of(unknown), None, "{unknown}");
        }
    }
}
