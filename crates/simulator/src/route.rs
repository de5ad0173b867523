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
    CspOrg(&'a str),
    Orgs,
    /// Something of one of VMC's organizations.
    InOrg(&'a str, OrgRead<'a>),
    /// A read whose document is written down.
    Read(&'static Read, ReadPlaces<'a>),
}

/// What is read of an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OrgRead<'a> {
    Itself,
    Sddcs,
    Sddc(&'a str),
    PrimaryCluster(&'a str),
    Tasks,
    Task(&'a str),
}

/// The paths without ids. Of several that lead to one endpoint the first is its name.
const FIXED: [(&str, Route<'static>); 9] = [
    ("/csp/gateway/am/api/auth/token", Route::Token),
    ("/csp/gateway/am/api/auth/authorize", Route::Authorize),
    ("/csp/gateway/am/api/auth/api-tokens/authorize", Route::ApiToken),
    ("/csp/gateway/am/api/auth/keys", Route::Keys),
    ("/csp/gateway/am/api/auth/token-public-key", Route::PublicKey),
    ("/csp/gateway/am/api/.well-known/openid-configuration", Route::OpenidConfiguration),
    ("/csp/gateway/am/api/loggedin/user/orgs", Route::UserOrgs),
    ("/csp/gateway/am/api/v2/loggedin/user/orgs", Route::UserOrgs),
    ("/vmc/api/orgs", Route::Orgs),
];

impl<'a> Route<'a> {
    /// The endpoint of a path; `None` for a path of neither service.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        // As on the real one, a slash at the end of VMC's paths does not count.
        let path = match Self::target(path) {
            Target::Csp => path,
            Target::Vmc => path.strip_suffix('/').unwrap_or(path),
        };
        if let Some((_, route)) = FIXED.iter().find(|(known, _)| *known == path) {
            return Some(*route);
        }
        if let Some(org) = path.strip_prefix("/csp/gateway/am/api/orgs/") {
            return (!org.is_empty() && !org.contains('/')).then_some(Self::CspOrg(org));
        }
        if let Some((read, places)) = Read::of(path) {
            return Some(Self::Read(read, places));
        }
        let segments: Vec<&str> = path.strip_prefix("/vmc/api/orgs/")?.split('/').collect();
        let (org, read) = match *segments {
            ["", ..] | [_, .., ""] => return None,
            [org] => (org, OrgRead::Itself),
            [org, "sddcs"] => (org, OrgRead::Sddcs),
            [org, "sddcs", sddc] => (org, OrgRead::Sddc(sddc)),
            [org, "sddcs", sddc, "primarycluster"] => (org, OrgRead::PrimaryCluster(sddc)),
            [org, "tasks"] => (org, OrgRead::Tasks),
            [org, "tasks", task] => (org, OrgRead::Task(task)),
            _ => return None,
        };
        Some(Self::InOrg(org, read))
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
            Self::CspOrg(_) => "/csp/gateway/am/api/orgs/{org}",
            Self::InOrg(_, OrgRead::Itself) => "/vmc/api/orgs/{org}",
            Self::InOrg(_, OrgRead::Sddcs) => "/vmc/api/orgs/{org}/sddcs",
            Self::InOrg(_, OrgRead::Sddc(_)) => "/vmc/api/orgs/{org}/sddcs/{sddc}",
            Self::InOrg(_, OrgRead::PrimaryCluster(_)) => {
                "/vmc/api/orgs/{org}/sddcs/{sddc}/primarycluster"
            }
            Self::InOrg(_, OrgRead::Tasks) => "/vmc/api/orgs/{org}/tasks",
            Self::InOrg(_, OrgRead::Task(_)) => "/vmc/api/orgs/{org}/tasks/{task}",
            Self::Read(read, _) => read.path(),
            fixed => FIXED.iter().find(|(_, route)| route == fixed).expect("it has no ids").0,
        }
    }
}
