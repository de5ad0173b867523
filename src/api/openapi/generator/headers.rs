//! Header fields, of requests and of answers.

use serde_json::json;
use utoipa::openapi::{
    Components, Header, HeaderBuilder, ObjectBuilder, Required, Response, Type,
    path::{Parameter, ParameterBuilder, ParameterIn},
};

use super::share::{STREAM, WHOAMI, share};

/// What a request's header fields may say.
const ASKED: [(&str, &str, &str); 6] = [
    (
        LAST_EVENT_ID,
        "W/\"XDGAyab19VyTjohvYIwFrA\"",
        "The `id` of the last event that the client received",
    ),
    (
        "If-None-Match",
        "W/\"XDGAyab19VyTjohvYIwFrA\"",
        "The `ETag`s that the caller has, or `*`: the answer is 304 if one of them still holds",
    ),
    (
        "Cache-Control",
        "max-age=10",
        "`no-cache`, or `max-age=` and a number of seconds: an older snapshot is read again first, \
         at most six times a minute for each caller and organization; beyond that the snapshot \
         answers (`detail=budget` in `Cache-Status`). `only-if-cached`: 504 instead of a read. \
         `stale-if-error=` and a number of seconds: how much older than fresh an answer may be if \
         reading fails, never more than `inventory.stale`",
    ),
    (
        "Accept-Encoding",
        "gzip",
        "`zstd`, `br` and `gzip` are supported. An answer is compressed when a client first asks \
         for it; until that is done, clients get it uncompressed",
    ),
    (
        "X-Request-Id",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "1 to 64 characters of `[A-Za-z0-9._-]`: the answer and the log have the same id",
    ),
    (
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "Trace context (W3C): the log has its trace id",
    ),
];

/// Resumes a stream of events.
const LAST_EVENT_ID: &str = "Last-Event-ID";
/// Those that every request may have.
const ASKED_OF_ANY: [&str; 2] = ["X-Request-Id", "traceparent"];

/// The request's header fields.
pub(super) fn asked(path: &str) -> impl Iterator<Item = Parameter> {
    let takes = move |name: &str| match path {
        STREAM => name == LAST_EVENT_ID || ASKED_OF_ANY.contains(&name),
        WHOAMI => ASKED_OF_ANY.contains(&name),
        _ => name != LAST_EVENT_ID,
    };
    ASKED.iter().filter(move |(name, ..)| takes(name)).map(|(name, example, text)| {
        let schema =
            ObjectBuilder::new().schema_type(Type::String).examples([json!(example)]).build();
        ParameterBuilder::new()
            .name(*name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(*text))
            .schema(Some(schema))
            .build()
    })
}

/// A header field of answers, and its name among what is shared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    shared: &'static str,
    name: &'static str,
    kind: fn() -> ObjectBuilder,
    /// As JSON where it is no text.
    example: &'static str,
    text: &'static str,
}

impl Field {
    fn header(&self) -> Header {
        let example = serde_json::from_str(self.example).unwrap_or_else(|_| json!(self.example));
        let schema = (self.kind)().examples([example]).build();
        HeaderBuilder::new().schema(Some(schema)).description(Some(self.text)).build()
    }
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn seconds() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0))
}

const fn text(name: &'static str, example: &'static str, text: &'static str) -> Field {
    Field { shared: name, name, kind: string, example, text }
}

pub(super) const REQUEST_ID: Field = text(
    "X-Request-Id",
    "0f8fad5b-d9cb-469f-a165-70867728950e",
    "The request's id: the caller's own if it sent a valid one",
);
pub(super) const NO_STORE: Field = Field {
    shared: "No-Store",
    ..text("Cache-Control", "no-store", "`no-store`: the next request may get a different answer")
};
pub(super) const RETRY_AFTER: Field = Field {
    kind: seconds,
    ..text(
        "Retry-After",
        "30",
        "Seconds after which the same request may succeed, where that is known",
    )
};
pub(super) const WWW_AUTHENTICATE: Field =
    text("WWW-Authenticate", "Bearer realm=\"sddc-gateway\"", "How to authenticate (RFC 6750)");
pub(super) const RATELIMIT: Field = text(
    "RateLimit",
    "\"caller\";r=599;t=1",
    "How many requests of the caller's rate are left, and in how many seconds there are more: \
     `\"caller\";r=599;t=1` (draft-ietf-httpapi-ratelimit-headers). Sent only where the caller has \
     a rate",
);
pub(super) const RATELIMIT_POLICY: Field = text(
    "RateLimit-Policy",
    "\"caller\";q=600;w=60",
    "The caller's rate, as a number of requests in a number of seconds: `\"caller\";q=600;w=60`",
);
pub(super) const LINK: Field = text(
    "Link",
    "<?limit=50&cursor=eyJrIjoiYSJ9>; rel=\"next\"",
    "The next page with `rel=\"next\"` (RFC 8288), as a query that is relative to the request's \
     path. The last page has none",
);

/// What an answer carries that is not to be stored.
pub(super) const NOT_STORED: [Field; 5] = [
    NO_STORE,
    Field {
        shared: "Vary-No-Store",
        ..text("Vary", "Authorization, X-API-Key", "`Authorization, X-API-Key`")
    },
    RATELIMIT_POLICY,
    RATELIMIT,
    REQUEST_ID,
];

/// What an answer from the snapshot carries, 200 or 304.
pub(super) const FRESHNESS: [Field; 8] = [
    text(
        "ETag",
        "W/\"XDGAyab19VyTjohvYIwFrA\"",
        "Weak validator: equal content has an equal `ETag`, on every replica and in every coding",
    ),
    Field {
        kind: seconds,
        ..text(
            "Age",
            "12",
            "Seconds since the oldest part of the answer was read from VMware Cloud",
        )
    },
    text(
        "Cache-Control",
        "private, max-age=60",
        "`private, max-age=` with the seconds of `inventory.fresh`: an answer below that age is \
         fresh. `private, no-cache` on an older answer and on every answer to `wait`: no cache may \
         reuse it without asking again",
    ),
    text(
        "Cache-Status",
        "sddc-gateway; hit; ttl=48",
        "How the answer was served (RFC 9211): `sddc-gateway; hit; ttl=48` is fresh for 48 s; a \
         negative `ttl` is stale, with the reason in `detail`; `fwd=miss` was read for this request, with \
         `collapsed` together with others; `fwd=stale` could not be read again",
    ),
    text(
        "Vary",
        "Accept-Encoding, Authorization, X-API-Key",
        "`Accept-Encoding, Authorization, X-API-Key`",
    ),
    RATELIMIT_POLICY,
    RATELIMIT,
    REQUEST_ID,
];

/// Tells which header fields an answer has.
pub(super) fn describe(shared: &mut Components, response: &mut Response, fields: &[Field]) {
    for field in fields {
        let header = share("headers", &mut shared.headers, field.shared, field.header());
        response.headers.insert(field.name.to_owned(), header);
    }
}
