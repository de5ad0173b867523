//! From a path to its route's template: the label of metrics and log lines.

use std::sync::Arc;

/// The templates of all routes, a closed set.
#[derive(Debug)]
pub struct Routes {
    templates: matchit::Router<Arc<str>>,
    unmatched: Arc<str>,
    nobody: Arc<str>,
}

impl Routes {
    /// Takes the router's own templates (`/sddcs/{sddc_id}`).
    ///
    /// # Panics
    /// If two templates conflict; the router has refused such before.
    #[must_use]
    pub fn new(templates: impl IntoIterator<Item = String>) -> Self {
        let mut router = matchit::Router::new();
        for template in templates {
            let label = template.as_str().into();
            router.insert(template, label).expect("the router took these templates");
        }
        Self { templates: router, unmatched: "unmatched".into(), nobody: "none".into() }
    }

    /// The template that a path matches, or `unmatched`.
    #[must_use]
    pub fn template(&self, path: &str) -> Arc<str> {
        self.templates.at(path).map_or_else(|_| self.unmatched.clone(), |found| found.value.clone())
    }

    /// The caller's label where nobody is known.
    #[must_use]
    pub fn nobody(&self) -> Arc<str> {
        self.nobody.clone()
    }

    /// Whether a template is a probe's: never shed, and asked by address.
    #[must_use]
    pub fn is_probe(template: &str) -> bool {
        matches!(template, "/livez" | "/readyz")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_labelled_by_its_template_and_any_other_alike() {
        let routes = Routes::new(["/sddcs", "/sddcs/{sddc_id}"].map(str::to_owned));
        assert_eq!(&*routes.template("/sddcs/abc"), "/sddcs/{sddc_id}");
        assert_eq!(&*routes.template("/sddcs"), "/sddcs");
        for other in ["/sddcs/", "/x", "/sddcs/a/b"] {
            assert_eq!(&*routes.template(other), "unmatched", "{other}");
        }
    }
}
