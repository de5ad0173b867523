//! From a path to its route: the label of metrics and log lines, and what kind it is.

use std::sync::Arc;

use crate::ids::{OrgId, SddcId};

/// Routes that take `wait`, or answer by an event stream.
pub const WATCHED: [&str; 3] = ["/sddcs", "/sddcs/events", "/orgs/{org_id}/sddcs"];

/// The routes of a router, a closed set.
#[derive(Debug)]
pub struct Routes {
    templates: matchit::Router<Route>,
    labels: Vec<Arc<str>>,
    unmatched: Route,
    nobody: Arc<str>,
}

/// What a path leads to. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its template (`/sddcs/{sddc_id}`), or `unmatched`.
    pub label: Arc<str>,
    kind: Kind,
    may_wait: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Answers a caller: whether it may is judged.
    Facade,
    /// Docs: answer everybody.
    Page,
    /// Never shed, and asked by address.
    Probe,
    /// Nothing is there.
    Unmatched,
}

impl Routes {
    /// Takes the router's own templates (`/sddcs/{sddc_id}`): those that ask for a caller, and those
    /// that do not.
    ///
    /// # Panics
    /// If two templates conflict; the router has refused such before.
    #[must_use]
    pub fn new(
        facade: impl IntoIterator<Item = String>,
        pages: impl IntoIterator<Item = String>,
    ) -> Self {
        let mut router = matchit::Router::new();
        let mut labels = Vec::new();
        let facade = facade.into_iter().map(|template| (template, Kind::Facade));
        let pages = pages.into_iter().map(|template| {
            let is_probe = matches!(template.as_str(), "/livez" | "/readyz");
            (template, if is_probe { Kind::Probe } else { Kind::Page })
        });
        for (template, kind) in facade.chain(pages) {
            let label: Arc<str> = template.as_str().into();
            labels.push(label.clone());
            let may_wait = WATCHED.contains(&&*label);
            router
                .insert(template, Route { label, kind, may_wait })
                .expect("the router took these templates");
        }
        let unmatched = Route { label: "unmatched".into(), kind: Kind::Unmatched, may_wait: false };
        labels.push(unmatched.label.clone());
        Self { templates: router, labels, unmatched, nobody: "none".into() }
    }

    /// The label of each.
    pub fn labels(&self) -> impl Iterator<Item = &Arc<str>> {
        self.labels.iter()
    }

    /// What a path leads to.
    #[must_use]
    pub fn find(&self, path: &str) -> Route {
        self.templates.at(path).map_or_else(|_| self.unmatched.clone(), |found| found.value.clone())
    }

    /// The org and the SDDC that a path names, if they are ids at all.
    #[must_use]
    pub fn ids(&self, path: &str) -> (Option<OrgId>, Option<SddcId>) {
        let Ok(found) = self.templates.at(path) else { return (None, None) };
        let named = |name| found.params.get(name);
        let org = named("org_id").and_then(|id| id.parse().ok());
        (org, named("sddc_id").and_then(|id| id.parse().ok()))
    }

    /// The caller's label where nobody is known.
    #[must_use]
    pub fn nobody(&self) -> Arc<str> {
        self.nobody.clone()
    }
}

impl Route {
    /// Whether it is a probe's.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.kind == Kind::Probe
    }

    /// Whether a request to it may wait for a change.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        self.may_wait
    }

    /// Whether it asks who calls.
    #[must_use]
    pub fn asks_for_caller(&self) -> bool {
        self.kind == Kind::Facade
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let facade = ["/sddcs", "/sddcs/{sddc_id}", "/orgs/{org_id}/sddcs"].map(str::to_owned);
        Routes::new(facade, ["/docs", "/livez"].map(str::to_owned))
    }

    #[test]
    fn a_path_is_labelled_by_its_template_and_any_other_alike() {
        let label = |path: &str| routes().find(path).label.to_string();
        assert_eq!(label("/sddcs/abc"), "/sddcs/{sddc_id}");
        assert_eq!(label("/sddcs"), "/sddcs");
        for other in ["/sddcs/", "/x", "/sddcs/a/b"] {
            assert_eq!(label(other), "unmatched", "{other}");
        }
    }

    #[test]
    fn a_route_knows_whether_it_asks_for_a_caller() {
        for (path, asks, probe) in [
            ("/sddcs/a", true, false),
            ("/docs", false, false),
            ("/livez", false, true),
            ("/x", false, false),
        ] {
            let route = routes().find(path);
            assert_eq!((route.asks_for_caller(), route.is_probe()), (asks, probe), "{path}");
        }
    }

    #[test]
    fn ids_are_told_only_of_what_is_one() {
        let ids = |path: &str| {
            let (org, sddc) = routes().ids(path);
            (org.map(|id| id.to_string()), sddc.map(|id| id.to_string()))
        };
        assert_eq!(ids("/orgs/o-1/sddcs"), (Some("o-1".to_owned()), None));
        assert_eq!(ids("/sddcs/s-1"), (None, Some("s-1".to_owned())));
        for odd in ["/sddcs", "/x", "/sddcs/%0a", "/sddcs/a%22b"] {
            assert_eq!(ids(odd), (None, None), "{odd}");
        }
    }
}
