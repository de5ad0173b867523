//! The closed set of failures: a table of codes with status, cause and remedy.

use http::StatusCode;

/// The closed set of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the table below says it in the words that users read")]
pub enum Code {
    InvalidParameter,
    BadRequest,
    Unauthenticated,
    Forbidden,
    Misdirected,
    NotFound,
    SddcNotFound,
    TaskNotFound,
    OrgNotFound,
    MethodNotAllowed,
    TooLarge,
    RateLimited,
    Internal,
    UpstreamCredentialsRejected,
    UpstreamContract,
    UpstreamUnavailable,
    Incomplete,
    Overloaded,
    AuditUnavailable,
    ShuttingDown,
    IssuerUnavailable,
    UpstreamTimeout,
    NotCached,
}

/// What is fixed for a code.
#[derive(Debug)]
pub struct Entry {
    /// The code as clients see it.
    pub code: &'static str,
    /// The status; `too-large` has three, of which this is one.
    pub status: StatusCode,
    /// A short summary, the same for each occurrence.
    pub title: &'static str,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// What has happened, for people.
    pub cause: &'static str,
    /// What to do about it, for people.
    pub remedy: &'static str,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 23] = [
        Self::InvalidParameter,
        Self::BadRequest,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::Misdirected,
        Self::NotFound,
        Self::SddcNotFound,
        Self::TaskNotFound,
        Self::OrgNotFound,
        Self::MethodNotAllowed,
        Self::TooLarge,
        Self::RateLimited,
        Self::Internal,
        Self::UpstreamCredentialsRejected,
        Self::UpstreamContract,
        Self::UpstreamUnavailable,
        Self::Incomplete,
        Self::Overloaded,
        Self::AuditUnavailable,
        Self::ShuttingDown,
        Self::IssuerUnavailable,
        Self::UpstreamTimeout,
        Self::NotCached,
    ];

    /// What is fixed for this code.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub const fn entry(self) -> &'static Entry {
        match self {
            Self::InvalidParameter => &Entry {
                code: "invalid-parameter",
                status: StatusCode::BAD_REQUEST,
                title: "Invalid parameter",
                retryable: false,
                cause: "The query holds a parameter that this path does not know, or a value that it does not allow: one that is neither documented for the field, nor of its form, nor shown to you now or since the gateway started. So a misspelt `state=REDY` is an error and not an empty list.",
                remedy: "Look at `errors`: it names every fault of the query at once, what is allowed instead, and the nearest name where one is near. A cursor belongs to the query that it came from: if you change the query, begin again without it. /docs lists every parameter.",
            },
            Self::BadRequest => &Entry {
                code: "bad-request",
                status: StatusCode::BAD_REQUEST,
                title: "Bad request",
                retryable: false,
                cause: "The request is not well-formed HTTP: no `Host` or more than one, a `Host` with characters that no host has, a target that is not correctly percent-encoded, a `Transfer-Encoding` other than a single `chunked`, or more than one `Authorization` or `X-API-Key`.",
                remedy: "Send one `Host` header and one credential header, and encode the target with your HTTP library instead of by hand. `detail` says what is wrong.",
            },
            Self::Unauthenticated => &Entry {
                code: "unauthenticated",
                status: StatusCode::UNAUTHORIZED,
                title: "Not authenticated",
                retryable: false,
                cause: "The request has no credential, or one that the gateway does not know, that has expired, or that fits several callers; or it has two credentials that belong to different callers. `detail` says which. `Authorization` of another scheme than `Bearer` is no credential here.",
                remedy: "Send your caller key as `Authorization: Bearer <key>` or `X-API-Key: <key>`, or a token of the configured issuer as `Authorization: Bearer <token>`. An operator makes a key with `sddc-gateway key NAME`.",
            },
            Self::Forbidden => &Entry {
                code: "forbidden",
                status: StatusCode::FORBIDDEN,
                title: "Forbidden",
                retryable: false,
                cause: "The caller is known but lacks the scope that this path needs; or, where no key is asked for, a web page of another site sent the request through a browser.",
                remedy: "Ask the operator for the scope named in `detail`. From a browser, open the page of the gateway itself.",
            },
            Self::Misdirected => &Entry {
                code: "misdirected",
                status: StatusCode::MISDIRECTED_REQUEST,
                title: "Misdirected request",
                retryable: false,
                cause: "The Host header names a host that this gateway does not answer for. A loopback listener that asks for no key answers only for loopback names and those of `api.hosts`, so that no web page can reach it under a name of its own.",
                remedy: "Use localhost or 127.0.0.1, or have the operator add the name to `api.hosts`.",
            },
            Self::NotFound => &Entry {
                code: "not-found",
                status: StatusCode::NOT_FOUND,
                title: "No such path",
                retryable: false,
                cause: "The gateway has no such path. A trailing slash makes another path.",
                remedy: "/docs lists every path.",
            },
            Self::SddcNotFound => &Entry {
                code: "sddc-not-found",
                status: StatusCode::NOT_FOUND,
                title: "No such SDDC",
                retryable: false,
                cause: "No SDDC that you may see has this id. A deleted SDDC is shown in lists that ask for it only.",
                remedy: "Take the id from `GET /sddcs`. Ask `GET /sddcs?include_deleted=true` for deleted SDDCs, and `GET /tasks?sddc_id=` for their tasks.",
            },
            Self::TaskNotFound => &Entry {
                code: "task-not-found",
                status: StatusCode::NOT_FOUND,
                title: "No such task",
                retryable: false,
                cause: "No task that you may see has this id, or the gateway does not keep it: it keeps the newest 1000 of each organization, the newest 50 of each SDDC, and all that have not ended. Tasks that belong to no SDDC are shown only to callers who may see every SDDC.",
                remedy: "Take the id from `GET /tasks`.",
            },
            Self::OrgNotFound => &Entry {
                code: "org-not-found",
                status: StatusCode::NOT_FOUND,
                title: "No such organization",
                retryable: false,
                cause: "No organization that you may see has this id.",
                remedy: "Take the id from `GET /orgs`.",
            },
            Self::MethodNotAllowed => &Entry {
                code: "method-not-allowed",
                status: StatusCode::METHOD_NOT_ALLOWED,
                title: "Method not allowed",
                retryable: false,
                cause: "The gateway only reads: every path takes GET and HEAD, and nothing else; there is no CORS, so no OPTIONS either.",
                remedy: "Use GET. The `Allow` header lists what the path takes.",
            },
            Self::TooLarge => &Entry {
                code: "too-large",
                status: StatusCode::PAYLOAD_TOO_LARGE,
                title: "Request too large",
                retryable: false,
                cause: "The body is over 64 KiB (413), the target over 8 KiB (414), or all header fields together over 16 KiB (431).",
                remedy: "Send less. The gateway's reads need no body; large headers are often forgotten cookies.",
            },
            Self::RateLimited => &Entry {
                code: "rate-limited",
                status: StatusCode::TOO_MANY_REQUESTS,
                title: "Too many requests",
                retryable: true,
                cause: "The caller has sent more requests than its `rate` allows; or this client address has sent too many bad credentials. `detail` says which. A 304 does not count.",
                remedy: "Try again after `Retry-After` seconds; `RateLimit` and `RateLimit-Policy` say how much is left and of what. Send `If-None-Match`, or watch instead of polling. A good credential is never refused for bad ones from the same address.",
            },
            Self::Internal => &Entry {
                code: "internal",
                status: StatusCode::INTERNAL_SERVER_ERROR,
                title: "Internal error",
                retryable: false,
                cause: "The gateway itself has failed.",
                remedy: "Give the operator the `request_id`: the log has the rest.",
            },
            Self::UpstreamCredentialsRejected => &Entry {
                code: "upstream-credentials-rejected",
                status: StatusCode::BAD_GATEWAY,
                title: "VMware Cloud refuses the gateway's credentials",
                retryable: false,
                cause: "VMware Cloud refused the gateway's OAuth app, or the token that the gateway got for it. Your own credential was accepted.",
                remedy: "Operator: run `sddc-gateway check`; it says which setting, secret or role is wrong. A corrected secret file is used within seconds, once VMware Cloud accepts it.",
            },
            Self::UpstreamContract => &Entry {
                code: "upstream-contract",
                status: StatusCode::BAD_GATEWAY,
                title: "VMware Cloud answered something unexpected",
                retryable: true,
                cause: "An answer of VMware Cloud was whole but not what it should be: another content type, broken JSON, a list without a usable id, too large, a redirect; or it no longer lists any organization.",
                remedy: "Operator: check `csp.url`, `vmc.url` and any proxy between; the log names the call and the reason.",
            },
            Self::UpstreamUnavailable => &Entry {
                code: "upstream-unavailable",
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "VMware Cloud cannot be reached",
                retryable: true,
                cause: "VMware Cloud cannot be reached or answers with errors, and the gateway has no snapshot that is young enough to show.",
                remedy: "Try again after `Retry-After` seconds. Operator: `/readyz` on the ops listener says what fails.",
            },
            Self::Incomplete => &Entry {
                code: "incomplete",
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "Some organizations cannot be shown",
                retryable: true,
                cause: "The organizations in `missing` have no snapshot that is young enough to show, so the answer would be a part that looks like the whole. An id that is not found is answered like this too, for it may be in one of them.",
                remedy: "Try again after `Retry-After` seconds. If a part will do, ask a list with `partial=allow`: it then says `\"completeness\": \"partial\"`. Service discovery never answers with a part; Prometheus keeps the targets that it has.",
            },
            Self::Overloaded => &Entry {
                code: "overloaded",
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "The gateway is overloaded",
                retryable: true,
                cause: "More requests are being worked on than the gateway takes at once (`api.max_in_flight`), or as many long polls and event streams are open as it takes (`api.max_watchers`, of which one caller holds at most three quarters). `detail` says which.",
                remedy: "Try again after `Retry-After` seconds, with fewer requests or watchers at a time; a list without `wait` needs no place of a watcher.",
            },
            Self::AuditUnavailable => &Entry {
                code: "audit-unavailable",
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "The audit cannot be written",
                retryable: true,
                cause: "The gateway records every decision about a caller (`telemetry.audit`), and the record cannot be written. Without a record no request is answered.",
                remedy: "Try again after `Retry-After` seconds: the gateway tries to write each second, and goes on once it can. Operator: `/readyz` on the ops listener says why it cannot, in `audit`; make room on the disk, or restore the file's directory and its permissions.",
            },
            Self::ShuttingDown => &Entry {
                code: "shutting-down",
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "The gateway is shutting down",
                retryable: true,
                cause: "The gateway is ending, and the request was not answered within the time that requests in flight have then (`api.drain`).",
                remedy: "Try again after `Retry-After` seconds, on a new connection: another replica or the gateway's successor answers it.",
            },
            Self::IssuerUnavailable => &Entry {
                code: "issuer-unavailable",
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "The token cannot be verified now",
                retryable: true,
                cause: "The token may be good, but the gateway does not have the keys to verify it: it has never had the issuer's key set, or the token names a key that is not in it, and the set cannot be fetched again yet.",
                remedy: "Try again after `Retry-After` seconds with the same token. Operator: `oidc` of `/readyz` on the ops listener says why the keys of `access.oidc.jwks_url` cannot be fetched.",
            },
            Self::UpstreamTimeout => &Entry {
                code: "upstream-timeout",
                status: StatusCode::GATEWAY_TIMEOUT,
                title: "VMware Cloud does not answer in time",
                retryable: true,
                cause: "VMware Cloud gave no whole answer in time, and the gateway has no snapshot that is young enough to show.",
                remedy: "Try again later. Operator: `vmc.timeout` bounds one try.",
            },
            Self::NotCached => &Entry {
                code: "not-cached",
                status: StatusCode::GATEWAY_TIMEOUT,
                title: "Not cached",
                retryable: true,
                cause: "The request says `Cache-Control: only-if-cached`, and nothing is cached that may be shown and is as new as the request wants it.",
                remedy: "Ask without `only-if-cached`: the gateway then reads VMware Cloud. Tasks and deleted SDDCs are kept only while somebody asks for them.",
            },
        }
    }

    /// The code as clients see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.entry().code
    }
}
