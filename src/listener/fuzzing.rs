//! Fuzz bodies: what the edge reads of a request's head. See [`crate::fuzzing`].

use std::{net::IpAddr, sync::LazyLock};

use axum::{Router, body::Body, routing::get};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Request, Uri, Version, header::HOST};
use tower::ServiceExt;
use url::Url;

use super::{
    head::check_target,
    host::HostRule,
    request_id::{TRACEPARENT, X_REQUEST_ID, accept_or_new, trace_context},
    routes::{ROUTES, RouteMatcher},
};
use crate::fuzzing::input::{Input, headers};

/// The request's target: refused as a naive reading of the rule does, and labelled with the route
/// that the router takes it to.
pub(crate) fn request_target(data: &[u8]) {
    let mut input = Input::new(data);
    // An input is short: this is how it gets long.
    let filler = usize::from(input.byte().wrapping_sub(b'0')) * 64;
    let mut text = input.rest().to_vec();
    text.resize(text.len() + filler, b'x');
    let Ok(uri) = Uri::try_from(text) else { return };
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    let is_short = uri.path_and_query().is_none_or(|target| target.as_str().len() <= 8 * 1024);
    let is_good = is_short && is_encoded(path) && is_encoded(query);
    assert_eq!(check_target(&uri).is_ok(), is_good, "{uri}");
    if is_good {
        assert_eq!(MATCHER.find(path).template, routed(&uri), "{uri}");
    }
    let offered = WITH_DROP_IN.find(path);
    assert!(
        offered.drop_in().is_none()
            || offered.template == "unmatched"
            || spells(offered.template, path),
        "{uri}"
    );
}

/// Whether a path is a template's, letter by letter, with plain ids in its places.
fn spells(template: &str, path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    let is_id = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
            && !matches!(text, "" | "." | "..")
    };
    template.split('/').count() == path.split('/').count()
        && template
            .split('/')
            .zip(path.split('/'))
            .all(|(place, text)| if place.starts_with('{') { is_id(text) } else { place == text })
}

static MATCHER: LazyLock<RouteMatcher> = LazyLock::new(|| RouteMatcher::new(false));
static WITH_DROP_IN: LazyLock<RouteMatcher> = LazyLock::new(|| RouteMatcher::new(true));
static ROUTER: LazyLock<Router> = LazyLock::new(|| {
    let routes = ROUTES.iter().fold(Router::new(), |router, route| {
        router.route(route.template, get(async || route.template))
    });
    routes.fallback(async || "unmatched")
});

/// The template of the route that the router takes.
fn routed(uri: &Uri) -> &'static str {
    let path = Uri::builder().path_and_query(uri.path()).build().expect("it was a path");
    let request = Request::builder().uri(path).body(Body::empty()).expect("it has a good path");
    let Ok(response) =
        ROUTER.clone().oneshot(request).now_or_never().expect("no handler waits for anything");
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).now_or_never();
    let body = body.expect("it is there").expect("it is whole");
    let known = ROUTES.iter().map(|route| route.template).chain(["unmatched"]);
    known.into_iter().find(|template| template.as_bytes() == body).expect("a handler of ours")
}

/// Whether each `%` has its two digits, and all of it is UTF-8 without a NUL.
fn is_encoded(text: &str) -> bool {
    let mut pieces = text.split('%');
    let mut decoded = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let Some(digits) = piece.get(..2) else { return false };
        let Some(byte) = u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))
        else {
            return false;
        };
        decoded.push(byte);
        decoded.extend_from_slice(&piece.as_bytes()[2..]);
    }
    String::from_utf8(decoded).is_ok_and(|decoded| !decoded.contains('\0'))
}

/// `Host`: what an open listener on loopback answers for is loopback to a browser too, and no
/// spelling of a name is judged otherwise than another.
pub(crate) fn host(data: &[u8]) {
    const LISTED: &str = "gateway.test";
    let mut input = Input::new(data);
    let target = Uri::try_from(input.line()).unwrap_or_default();
    let fields = input.fields();
    let listed = [LISTED.to_owned()];
    let loopback = HostRule::new(IpAddr::from([127, 0, 0, 1]), true, &listed);
    let any = HostRule::new(IpAddr::from([0, 0, 0, 0]), false, &[]);
    let head = headers(&HOST, &fields);
    let status = |rule: &HostRule, uri: &Uri, head: &HeaderMap| {
        rule.check(Version::HTTP_11, uri, head)
            .map_or_else(|problem| problem.status().as_u16(), |()| 200)
    };
    let judged = status(&loopback, &target, &head);
    let [field] = &fields[..] else {
        assert_eq!((judged, status(&any, &target, &head)), (400, 400));
        return;
    };
    match status(&any, &target, &head) {
        200 => {}
        // Signs that no host has are refused whatever is listed.
        refused => {
            assert_eq!((refused, judged), (400, 400));
            return;
        }
    }
    assert!(matches!(judged, 200 | 421), "{judged}");
    let Some(named) = target.authority().map(http::uri::Authority::as_str).or(field.to_str().ok())
    else {
        assert_eq!(judged, 421, "a name that is no ASCII");
        return;
    };
    // Of punycode one part is good and another is not, and both are below `localhost`.
    if judged == 200 && !named.to_ascii_lowercase().contains("xn--") {
        let url = Url::parse(&format!("http://{named}/")).expect("a name that we answer for");
        assert!(url.username().is_empty() && url.password().is_none(), "{named}");
        assert!(is_ours(&url, LISTED), "{named}");
    }
    if target.authority().is_none() {
        for same in [named.to_ascii_uppercase(), named.to_ascii_lowercase()] {
            let same = HeaderValue::from_str(&same).expect("it was one");
            let head = headers(&HOST, [&same]);
            assert_eq!(status(&loopback, &target, &head), judged, "{named}");
        }
    }
}

fn is_ours(url: &Url, listed: &str) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == listed || name == "localhost" || name.ends_with(".localhost")
        }
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

/// `X-Request-Id` and `traceparent`: what goes into log lines and answers has a form.
pub(crate) fn request_ids(data: &[u8]) {
    let mut input = Input::new(data);
    let traceparent = HeaderValue::from_bytes(input.line()).ok();
    let given = headers(&TRACEPARENT, &traceparent);
    if let Some((header, context)) = traceparent.as_ref().zip(trace_context(&given)) {
        assert!(context.trace_id != 0 && context.span_id != 0);
        // What is sent on names the same place; of the flags it has the one that counts.
        assert_eq!(header.as_bytes()[3..52], context.to_string().as_bytes()[3..52]);
        assert_eq!(context.trace_id_text().as_bytes(), &header.as_bytes()[3..35]);
        assert!(header.len() == 55 || !header.as_bytes().starts_with(b"00"));
    }
    let fields = input.fields();
    let id = accept_or_new(&headers(&X_REQUEST_ID, &fields));
    let text = id.to_str().expect("it is ASCII");
    assert!((1..=64).contains(&text.len()), "{text}");
    assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)), "{text}");
    if !matches!(&fields[..], [only] if only == id) {
        assert!(uuid::Uuid::parse_str(text).is_ok(), "{text}");
    }
    // An id that was accepted is accepted again.
    assert_eq!(accept_or_new(&headers(&X_REQUEST_ID, [&id])), id);
}
