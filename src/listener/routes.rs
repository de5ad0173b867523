//! The one table of the API listener's routes, and the way from a path to its row.

use std::sync::LazyLock;

use http::Uri;

use crate::{
    drop_in::{
        CSP_ROUTES, Endpoint, Shape, is_plain_path,
        reads::{self, routes::READ_ROUTES},
    },
    ids::{OrgId, SddcId},
};

/// Every route of the API listener. A test compares the table with the router's own templates.
pub static ROUTES: [Route; 26] = [
    facade("/sddcs").which_may_wait(),
    facade("/sddcs/events").which_may_wait(),
    facade("/sddcs/{sddc_id}").which_may_wait(),
    facade("/sddcs/{sddc_id}/clusters"),
    facade("/sddcs/{sddc_id}/hosts"),
    facade("/sddcs/{sddc_id}/tasks").which_may_wait(),
    facade("/clusters"),
    facade("/hosts"),
    facade("/tasks").which_may_wait(),
    facade("/tasks/{task_id}").which_may_wait(),
    facade("/orgs"),
    facade("/orgs/{org_id}"),
    facade("/orgs/{org_id}/sddcs").which_may_wait(),
    facade("/sd/prometheus"),
    facade("/whoami"),
    page("/"),
    page("/home/{asset}"),
    page("/docs"),
    page("/docs/{asset}"),
    page("/openapi.json"),
    page("/openapi.yaml"),
    page("/problems"),
    page("/problems/{code}"),
    page("/.well-known/security.txt"),
    probe("/livez"),
    probe("/readyz"),
];

static UNMATCHED: Route = Route { kind: RouteKind::Unmatched, ..page("unmatched") };

/// The routes of VMware's own API, where it is offered.
static DROP_IN_ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let csp = CSP_ROUTES.iter().map(|(template, csp)| drop_in(template, Endpoint::Csp(*csp)));
    let reads = READ_ROUTES.iter().map(|read| drop_in(read.template, Endpoint::Read));
    csp.chain(reads).collect()
});

static UNMATCHED_CSP: Route = drop_in("unmatched", Endpoint::Nothing(Shape::Csp));
static UNMATCHED_VMC: Route = drop_in("unmatched", Endpoint::Nothing(Shape::Vmc));

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Route {
    /// As the router has it (`/sddcs/{sddc_id}`), or `unmatched`: the label of metrics and log lines.
    pub template: &'static str,
    kind: RouteKind,
    may_wait: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RouteKind {
    /// Answers authenticated callers: each request is allowed or denied.
    Facade,
    /// Pages and docs: answers everybody.
    Page,
    /// Never shed, and asked by address.
    Probe,
    /// VMware's own API.
    DropIn(Endpoint),
    /// Nothing is there.
    Unmatched,
}

const fn facade(template: &'static str) -> Route {
    Route { template, kind: RouteKind::Facade, may_wait: false }
}

const fn page(template: &'static str) -> Route {
    Route { template, kind: RouteKind::Page, may_wait: false }
}

const fn probe(template: &'static str) -> Route {
    Route { template, kind: RouteKind::Probe, may_wait: false }
}

const fn drop_in(template: &'static str, endpoint: Endpoint) -> Route {
    Route { template, kind: RouteKind::DropIn(endpoint), may_wait: false }
}

impl Route {
    const fn which_may_wait(self) -> Self {
        Self { may_wait: true, ..self }
    }

    /// Whether it is a probe's.
    pub fn is_probe(&self) -> bool {
        self.kind == RouteKind::Probe
    }

    /// Whether a request to it may wait for a change, by `wait` or as an event stream.
    pub fn may_wait(&self) -> bool {
        self.may_wait
    }

    /// Whether it answers authenticated callers only.
    pub fn asks_for_caller(&self) -> bool {
        match self.kind {
            RouteKind::Facade => true,
            RouteKind::DropIn(endpoint) => endpoint.asks_for_caller(),
            RouteKind::Page | RouteKind::Probe | RouteKind::Unmatched => false,
        }
    }

    /// What it leads to in VMware's own API, if it is there.
    pub fn drop_in(&self) -> Option<Endpoint> {
        match self.kind {
            RouteKind::DropIn(endpoint) => Some(endpoint),
            _ => None,
        }
    }

    /// The org and the SDDC that a path of this route names, or its query, if they are ids at all.
    pub fn ids(&self, uri: &Uri) -> (Option<OrgId>, Option<SddcId>) {
        let named = |name| {
            let mut segments = self.template.split('/').zip(uri.path().split('/'));
            segments.find_map(|(segment, value)| (segment == name).then_some(value))
        };
        let org = named("{org_id}").and_then(|id| id.parse().ok());
        let org = org.or_else(|| reads::named_org(self.template, self.drop_in().and(uri.query())?));
        (org, named("{sddc_id}").and_then(|id| id.parse().ok()))
    }
}

/// Finds the route that a path leads to.
#[derive(Debug)]
pub struct RouteMatcher {
    own: matchit::Router<&'static Route>,
    drop_in: Option<matchit::Router<&'static Route>>,
}

impl RouteMatcher {
    /// With or without the routes of VMware's own API.
    pub fn new(has_drop_in: bool) -> Self {
        let drop_in = has_drop_in.then(|| matcher(DROP_IN_ROUTES.iter()));
        Self { own: matcher(ROUTES.iter()), drop_in }
    }

    /// What a path leads to. It is matched as it came: no way of writing it leads elsewhere.
    #[must_use]
    pub fn find(&self, path: &str) -> &'static Route {
        if let Some(drop_in) = &self.drop_in
            && let Some(shape) = Shape::of(path)
        {
            return Self::find_drop_in(drop_in, path).unwrap_or(match shape {
                Shape::Csp => &UNMATCHED_CSP,
                Shape::Vmc => &UNMATCHED_VMC,
            });
        }
        self.own.at(path).map_or(&UNMATCHED, |found| *found.value)
    }

    /// Some of VMware's tools put a slash at a path's end.
    fn find_drop_in(
        drop_in: &matchit::Router<&'static Route>,
        path: &str,
    ) -> Option<&'static Route> {
        if !is_plain_path(path) {
            return None;
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        drop_in.at(path).ok().map(|found| *found.value)
    }
}

fn matcher(routes: impl Iterator<Item = &'static Route>) -> matchit::Router<&'static Route> {
    let mut matcher = matchit::Router::new();
    for route in routes {
        matcher.insert(route.template, route).expect("the router takes these templates too");
    }
    matcher
}

/// What metrics have series for from the start: every route, and what leads nowhere.
pub fn labelled(has_drop_in: bool) -> impl Iterator<Item = &'static Route> {
    let drop_in = has_drop_in.then(|| DROP_IN_ROUTES.iter()).into_iter().flatten();
    ROUTES.iter().chain(drop_in).chain([&UNMATCHED])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api;

    #[test]
    fn the_table_has_the_routers_routes() {
        let sorted = |mut templates: Vec<String>| {
            templates.sort_unstable();
            templates
        };
        let of_table = |asks| {
            let routes = ROUTES.iter().filter(|route| route.asks_for_caller() == asks);
            sorted(routes.map(|route| route.template.to_owned()).collect())
        };
        let (facade, pages) = api::templates();
        assert_eq!(of_table(true), sorted(facade));
        assert_eq!(of_table(false), sorted(pages));
    }

    #[test]
    fn a_path_is_labelled_by_its_template_and_any_other_alike() {
        let matcher = RouteMatcher::new(false);
        let label = |path| matcher.find(path).template;
        assert_eq!(label("/sddcs/abc"), "/sddcs/{sddc_id}");
        assert_eq!(label("/sddcs"), "/sddcs");
        assert_eq!(label("/sddcs/events"), "/sddcs/events");
        for other in ["/sddcs/", "/x", "/sddcs/a/b"] {
            assert_eq!(label(other), "unmatched", "{other}");
        }
    }

    #[test]
    fn a_route_knows_whether_it_asks_for_a_caller() {
        let matcher = RouteMatcher::new(false);
        for (path, asks, probe) in [
            ("/sddcs/a", true, false),
            ("/docs", false, false),
            ("/livez", false, true),
            ("/x", false, false),
        ] {
            let route = matcher.find(path);
            assert_eq!((route.asks_for_caller(), route.is_probe()), (asks, probe), "{path}");
        }
    }

    #[test]
    fn vmwares_api_is_there_only_where_it_is_offered_and_no_odd_path_leads_to_it() {
        let token = "/csp/gateway/am/api/auth/token";
        let (without, with) = (RouteMatcher::new(false), RouteMatcher::new(true));
        assert_eq!(without.find(token), &UNMATCHED);
        assert_eq!(with.find(token).template, token);
        assert_eq!(with.find("/csp/gateway/am/api/auth/token/").template, token);
        for (odd, expected) in [
            ("/csp/gateway/am/api/auth/token//", &UNMATCHED_CSP),
            ("/csp/gateway/am/api/auth//token", &UNMATCHED_CSP),
            ("/csp/gateway/am/api/auth/./token", &UNMATCHED_CSP),
            ("/csp/gateway/am/api/auth/x/../token", &UNMATCHED_CSP),
            ("/csp/gateway/am/api/auth/%74oken", &UNMATCHED_CSP),
            ("/csp/gateway/am/api/auth%2ftoken", &UNMATCHED_CSP),
            ("/csp/gateway/am/api/auth/token;a", &UNMATCHED_CSP),
            ("/csp/gateway/am/api/auth/token\\", &UNMATCHED_CSP),
            ("/vmc/../csp/gateway/am/api/auth/token", &UNMATCHED_VMC),
            ("/api/", &UNMATCHED_VMC),
            ("/vmc", &UNMATCHED),
            ("//vmc/api/orgs", &UNMATCHED),
            ("/VMC/api/orgs", &UNMATCHED),
        ] {
            assert!(std::ptr::eq(with.find(odd), expected), "{odd}");
        }
    }

    #[test]
    fn ids_are_told_only_of_what_is_one() {
        let matcher = RouteMatcher::new(true);
        let ids = |target: &str| {
            let uri: Uri = target.parse().unwrap();
            let (org, sddc) = matcher.find(uri.path()).ids(&uri);
            (org.map(|id| id.to_string()), sddc.map(|id| id.to_string()))
        };
        assert_eq!(ids("/orgs/o-1/sddcs"), (Some("o-1".to_owned()), None));
        assert_eq!(ids("/sddcs/s-1"), (None, Some("s-1".to_owned())));
        assert_eq!(ids("/sddcs/s-1/hosts"), (None, Some("s-1".to_owned())));
        let inputs = "/vmc/api/customer-support/inputs?userId=u&orgId=o-1";
        assert_eq!(ids(inputs), (Some("o-1".to_owned()), None));
        assert_eq!(ids(&inputs.replace("orgId", "%6frgId")), (Some("o-1".to_owned()), None));
        assert_eq!(ids("/vmc/api/orgs/o-2?orgId=o-1"), (Some("o-2".to_owned()), None));
        assert_eq!(ids("/vmc/api/orgs?orgId=o-1"), (None, None));
        for odd in ["/sddcs", "/sddcs?orgId=o-1", "/x", "/sddcs/%0a", "/sddcs/a%22b"] {
            assert_eq!(ids(odd), (None, None), "{odd}");
        }
    }
}
