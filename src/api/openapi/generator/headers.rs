//! Header fields, of requests and of answers.

use utoipa::openapi::{
    Components, Header, HeaderBuilder, ObjectBuilder, Required, Response, Type,
    path::{Parameter, ParameterBuilder, ParameterIn},
};

use super::share::share;

/// What a request's header fields may say.
const ASKED: [(&str, &str); 6] = [
    ("Last-Event-ID", "The `id` of the last event that came"),
    ("If-None-Match", "`ETag`s that the caller has, or `*`: answered with 304 if one still holds"),
    (
        "Cache-Control",
        "`no-cache`, or `max-age=` seconds: what is older is read anew, six times a minute for each \
         caller and organization, beyond that the snapshot answers (`detail=budget` in `Cache-Status`). \
         `only-if-cached`: 504 rather than a read. `stale-if-error=` seconds: how much older than \
         fresh an answer may be if reading fails, never more than `inventory.stale`",
    ),
    (
        "Accept-Encoding",
        "`zstd`, `br` and `gzip` are known. An answer is compressed at the first demand: who asks \
         before that is done gets it plain",
    ),
    ("X-Request-Id", "1 to 64 characters of `[A-Za-z0-9._-]`: comes back, and is in the log"),
    ("traceparent", "Trace context (W3C): its trace id is in the log"),
];

/// Those of them that a stream of events takes. The first is for streams alone.
const ASKED_OF_STREAM: [&str; 3] = ["Last-Event-ID", "X-Request-Id", "traceparent"];

/// The request's header fields.
pub(super) fn asked(is_stream: bool) -> impl Iterator<Item = Parameter> {
    let takes = move |name: &str| {
        if is_stream { ASKED_OF_STREAM.contains(&name) } else { name != ASKED_OF_STREAM[0] }
    };
    ASKED.iter().filter(move |(name, _)| takes(name)).map(|(name, text)| {
        let schema = ObjectBuilder::new().schema_type(Type::String).build();
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
    text: &'static str,
}

impl Field {
    fn header(&self) -> Header {
        let schema = (self.kind)().build();
        HeaderBuilder::new().schema(Some(schema)).description(Some(self.text)).build()
    }
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn seconds() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0))
}

const fn text(name: &'static str, text: &'static str) -> Field {
    Field { shared: name, name, kind: string, text }
}

pub(super) const REQUEST_ID: Field =
    text("X-Request-Id", "The request's id: the caller's own if it sent a sane one");
pub(super) const NO_STORE: Field = Field {
    shared: "No-Store",
    ..text("Cache-Control", "`no-store`: another request may well have another answer")
};
pub(super) const RETRY_AFTER: Field = Field {
    kind: seconds,
    ..text("Retry-After", "Seconds after which asking again may help, where that is known")
};
pub(super) const WWW_AUTHENTICATE: Field =
    text("WWW-Authenticate", "How to authenticate (RFC 6750)");
pub(super) const RATELIMIT: Field = text(
    "RateLimit",
    "What is left of the caller's rate, and in how many seconds there is more: `\"caller\";r=599;t=1` \
     (draft-ietf-httpapi-ratelimit-headers). Only where the caller has one",
);
pub(super) const RATELIMIT_POLICY: Field = text(
    "RateLimit-Policy",
    "The caller's rate, as so many in so many seconds: `\"caller\";q=600;w=60`",
);
pub(super) const LINK: Field = text(
    "Link",
    "The next page, as a query alone that is relative to what was asked for, with `rel=\"next\"` \
     (RFC 8288); not on the last one",
);
pub(super) const CONTENT_ENCODING: Field =
    text("Content-Encoding", "`zstd`, `br` or `gzip`; not there if the answer came plain");

/// What a stream of events carries.
pub(super) const OF_STREAM: [Field; 5] = [
    NO_STORE,
    Field { shared: "Vary-Stream", ..text("Vary", "`Authorization, X-API-Key`") },
    RATELIMIT_POLICY,
    RATELIMIT,
    REQUEST_ID,
];

/// What an answer from the snapshot carries, 200 or 304.
pub(super) const FRESHNESS: [Field; 8] = [
    text(
        "ETag",
        "Weak validator: equal content has an equal one, on every replica and in every coding",
    ),
    Field {
        kind: seconds,
        ..text("Age", "Seconds since the oldest part of the answer was read from VMware Cloud")
    },
    text(
        "Cache-Control",
        "`private, max-age=` and `inventory.fresh`: younger than that an answer is fresh. `private, \
         no-cache` on an answer that is older, and on every answer to `wait`: no cache may repeat it",
    ),
    text(
        "Cache-Status",
        "How the answer was served (RFC 9211): `sddc-gateway; hit; ttl=48` is fresh for 48 s; a \
         negative `ttl` is stale, with why in `detail`; `fwd=miss` was read for this request, \
         `collapsed` together with others; `fwd=stale` could not be read anew",
    ),
    text("Vary", "`Accept-Encoding, Authorization, X-API-Key`"),
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
