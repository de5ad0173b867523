//! Fuzz body: what a tool asks for. See [`crate::fuzzing`].

use std::sync::LazyLock;

use url::Url;

use super::{query, routes::ReadMatcher};

static MATCHER: LazyLock<ReadMatcher> = LazyLock::new(ReadMatcher::default);

/// A path and a query: what of them reaches VMware is a route of the table with keys of its list.
pub(crate) fn read_target(data: &[u8]) {
    let Ok(target) = std::str::from_utf8(data) else { return };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let Some(found) = MATCHER.find(path) else { return };
    let mut url = Url::parse("https://vmc.example/").expect("a URL");
    url.set_path(&found.path);
    assert_eq!(url.path(), path, "nothing of it means anything but itself");
    let slashes = path.strip_suffix('/').unwrap_or(path).matches('/').count();
    assert_eq!(slashes, found.route.template.matches('/').count());
    let Ok(checked) = query::check(found.route, query) else { return };
    url.set_query(checked.text.as_deref());
    assert!(url.fragment().is_none());
    for (key, value) in
        url.query_pairs().filter(|(key, value)| !(key.is_empty() && value.is_empty()))
    {
        assert!(found.route.query.contains(&&*key), "{key:?} of {target}");
        // Without the texts in it.
        let mut parts = value.split('\'').step_by(2);
        assert!(key != "$filter" || !parts.any(|part| part.contains("password")), "{value}");
    }
}
