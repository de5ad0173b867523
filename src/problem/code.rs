//! The closed set of failures: a table of codes with status, cause and remedy.

use http::StatusCode;

base::closed_set! {
    /// The closed set of failures, each with its code as clients see it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[expect(missing_docs, reason = "the table below says it in the words that users read")]
    pub enum Code {
        InvalidParameter = "invalid-parameter",
        BadRequest = "bad-request",
        Unauthenticated = "unauthenticated",
        Forbidden = "forbidden",
        Misdirected = "misdirected",
        NotFound = "not-found",
        SddcNotFound = "sddc-not-found",
        TaskNotFound = "task-not-found",
        OrgNotFound = "org-not-found",
        MethodNotAllowed = "method-not-allowed",
        TooLarge = "too-large",
        RateLimited = "rate-limited",
        Internal = "internal",
        UpstreamCredentialsRejected = "upstream-credentials-rejected",
        UpstreamContract = "upstream-contract",
        UpstreamUnavailable = "upstream-unavailable",
        Incomplete = "incomplete",
        Overloaded = "overloaded",
        AuditUnavailable = "audit-unavailable",
        ShuttingDown = "shutting-down",
        IssuerUnavailable = "issuer-unavailable",
        UpstreamTimeout = "upstream-timeout",
        NotCached = "not-cached",
    }
}

/// What is fixed for a code.
#[derive(Debug)]
pub struct CodeEntry {
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
    /// What is fixed for this code.
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub const fn entry(self) -> &'static CodeEntry {
        match self {
            Self::InvalidParameter => &CodeEntry {
                status: StatusCode::BAD_REQUEST,
                title: "Invalid parameter",
                retryable: false,
                cause: "The query has a parameter that this path does not support, or a value that is not allowed. A filter value must be documented for its field, or have the field's format, or have occurred in what you may see since the gateway started. A misspelt `state=REDY` is therefore an error and not an empty list.",
                remedy: "Read `errors`: it lists every fault of the query at once, what is allowed instead, and the closest valid name where there is one. A cursor belongs to the query that returned it: if you change the query, start again without the cursor. /docs lists every parameter.",
            },
            Self::BadRequest => &CodeEntry {
                status: StatusCode::BAD_REQUEST,
                title: "Bad request",
                retryable: false,
                cause: "The request is not well-formed: it has no `Host` or more than one, a `Host` with characters that no host name has, a target that is not correctly percent-encoded, a `Transfer-Encoding` other than a single `chunked`, or more than one `Authorization` or `X-API-Key`.",
                remedy: "Send one `Host` header and one credential header, and let your HTTP library encode the target. `detail` says what is wrong.",
            },
            Self::Unauthenticated => &CodeEntry {
                status: StatusCode::UNAUTHORIZED,
                title: "Not authenticated",
                retryable: false,
                cause: "The request has no credential; or its credential is unknown, has expired or matches several callers; or it has two credentials that belong to different callers. `detail` says which. An `Authorization` header with a scheme other than `Bearer` is not a credential here.",
                remedy: "Send your caller key as `Authorization: Bearer <key>` or `X-API-Key: <key>`, or a token of the configured issuer as `Authorization: Bearer <token>`. An operator creates a key with `sddc-gateway key NAME`.",
            },
            Self::Forbidden => &CodeEntry {
                status: StatusCode::FORBIDDEN,
                title: "Forbidden",
                retryable: false,
                cause: "The caller is known but lacks the scope that this path requires. Or, where the gateway requires no key, a web page of another site sent the request through a browser.",
                remedy: "Ask the operator for the scope that `detail` names. In a browser, open the gateway's own page.",
            },
            Self::Misdirected => &CodeEntry {
                status: StatusCode::MISDIRECTED_REQUEST,
                title: "Misdirected request",
                retryable: false,
                cause: "The `Host` header names a host that this gateway does not answer for. A loopback listener that requires no key answers only for loopback names and the names in `api.hosts`, so that no web page can reach it under a name of its own.",
                remedy: "Use localhost or 127.0.0.1, or have the operator add the name to `api.hosts`.",
            },
            Self::NotFound => &CodeEntry {
                status: StatusCode::NOT_FOUND,
                title: "No such path",
                retryable: false,
                cause: "The gateway has no such path. A trailing slash makes it a different path.",
                remedy: "/docs lists every path.",
            },
            Self::SddcNotFound => &CodeEntry {
                status: StatusCode::NOT_FOUND,
                title: "No such SDDC",
                retryable: false,
                cause: "No SDDC that you may see has this id. Deleted SDDCs appear only in lists that ask for them.",
                remedy: "Take the id from `GET /sddcs`. `GET /sddcs?include_deleted=true` lists deleted SDDCs, and `GET /tasks?sddc_id=` lists their tasks.",
            },
            Self::TaskNotFound => &CodeEntry {
                status: StatusCode::NOT_FOUND,
                title: "No such task",
                retryable: false,
                cause: "No task that you may see has this id, or the gateway does not keep that task. It keeps the newest 1000 tasks of each organization, the newest 50 of each SDDC, and all that have not ended. Tasks that belong to no SDDC are shown only to callers that may see every SDDC.",
                remedy: "Take the id from `GET /tasks`.",
            },
            Self::OrgNotFound => &CodeEntry {
                status: StatusCode::NOT_FOUND,
                title: "No such organization",
                retryable: false,
                cause: "No organization that you may see has this id.",
                remedy: "Take the id from `GET /orgs`.",
            },
            Self::MethodNotAllowed => &CodeEntry {
                status: StatusCode::METHOD_NOT_ALLOWED,
                title: "Method not allowed",
                retryable: false,
                cause: "The gateway is read-only: every path accepts GET and HEAD and nothing else. There is no CORS, so OPTIONS is not accepted either.",
                remedy: "Use GET. The `Allow` header lists the methods that the path accepts.",
            },
            Self::TooLarge => &CodeEntry {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                title: "Request too large",
                retryable: false,
                cause: "The body is larger than 64 KiB (413), the target is longer than 8 KiB (414), or all header fields together are larger than 16 KiB (431).",
                remedy: "Send less. No request to the gateway needs a body; large headers are often cookies of other applications on the same host.",
            },
            Self::RateLimited => &CodeEntry {
                status: StatusCode::TOO_MANY_REQUESTS,
                title: "Too many requests",
                retryable: true,
                cause: "The caller has sent more requests than its `rate` allows, or this client address has sent too many invalid credentials. `detail` says which. A 304 does not count.",
                remedy: "Try again after `Retry-After` seconds. `RateLimit-Policy` says what the limit is, and `RateLimit` how much of it is left. Send `If-None-Match`, or watch instead of polling. A valid credential is never refused because of invalid ones from the same address.",
            },
            Self::Internal => &CodeEntry {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                title: "Internal error",
                retryable: false,
                cause: "The gateway itself failed.",
                remedy: "Give the operator the `request_id`: the log has the details.",
            },
            Self::UpstreamCredentialsRejected => &CodeEntry {
                status: StatusCode::BAD_GATEWAY,
                title: "VMware Cloud rejected the gateway's credentials",
                retryable: false,
                cause: "VMware Cloud rejected the gateway's OAuth app, or the access token that the gateway obtained with it. Your own credential was accepted.",
                remedy: "Operator: run `sddc-gateway check`; it says which setting, secret or role is wrong. A corrected secret file is used within seconds, once VMware Cloud accepts it.",
            },
            Self::UpstreamContract => &CodeEntry {
                status: StatusCode::BAD_GATEWAY,
                title: "VMware Cloud sent an unexpected answer",
                retryable: true,
                cause: "VMware Cloud sent a complete answer that is not what it should be: another content type, broken JSON, a list without any usable id, a body that is too large, or a redirect. Or it no longer lists any organization.",
                remedy: "Operator: check `csp.url`, `vmc.url` and any proxy in between. The log names the call and the reason.",
            },
            Self::UpstreamUnavailable => &CodeEntry {
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "VMware Cloud cannot be reached",
                retryable: true,
                cause: "VMware Cloud cannot be reached or answers with errors, and the gateway has no snapshot that is recent enough to show.",
                remedy: "Try again after `Retry-After` seconds. Operator: `/readyz` on the ops listener says what is failing.",
            },
            Self::Incomplete => &CodeEntry {
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "Some organizations cannot be shown",
                retryable: true,
                cause: "The organizations in `missing` have no snapshot that is recent enough to show. A list without them would look complete although it is not. An unknown id gets this answer too, because it may belong to one of them.",
                remedy: "Try again after `Retry-After` seconds. If an incomplete list will do, ask for it with `partial=allow`: the answer then says `\"completeness\": \"partial\"`. Service discovery never answers with an incomplete list; Prometheus then keeps the targets that it has.",
            },
            Self::Overloaded => &CodeEntry {
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "The gateway is overloaded",
                retryable: true,
                cause: "As many requests are in flight as the gateway accepts at once (`api.max_in_flight`), or as many long polls and event streams are open as it accepts (`api.max_watchers`, of which one caller holds at most three quarters). `detail` says which.",
                remedy: "Try again after `Retry-After` seconds, with fewer requests or watchers at a time. A list without `wait` does not count as a watcher.",
            },
            Self::AuditUnavailable => &CodeEntry {
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "The audit record cannot be written",
                retryable: true,
                cause: "The gateway records every decision about a caller (`telemetry.audit`), and the record cannot be written now. Without a record no request is answered.",
                remedy: "Try again after `Retry-After` seconds: the gateway tries to write every second, and answers again as soon as it can. Operator: `audit` in `/readyz` on the ops listener says why it cannot. Free space on the disk, or restore the file's directory and its permissions.",
            },
            Self::ShuttingDown => &CodeEntry {
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "The gateway is shutting down",
                retryable: true,
                cause: "The gateway is shutting down, and the request was not answered within the time that requests in flight then have (`api.drain`).",
                remedy: "Try again after `Retry-After` seconds on a new connection: another replica or the restarted gateway will answer.",
            },
            Self::IssuerUnavailable => &CodeEntry {
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "The token cannot be verified now",
                retryable: true,
                cause: "The token may be valid, but the gateway lacks the key to verify it: it has never obtained the issuer's key set, or the token names a key that is not in the set, and the set cannot be fetched again yet.",
                remedy: "Try again after `Retry-After` seconds with the same token. Operator: `oidc` in `/readyz` on the ops listener says why the keys of `access.oidc.jwks_url` cannot be fetched.",
            },
            Self::UpstreamTimeout => &CodeEntry {
                status: StatusCode::GATEWAY_TIMEOUT,
                title: "VMware Cloud did not answer in time",
                retryable: true,
                cause: "VMware Cloud sent no complete answer in time, and the gateway has no snapshot that is recent enough to show.",
                remedy: "Try again later. Operator: `vmc.timeout` limits the time of one try.",
            },
            Self::NotCached => &CodeEntry {
                status: StatusCode::GATEWAY_TIMEOUT,
                title: "Not cached",
                retryable: true,
                cause: "The request has `Cache-Control: only-if-cached`, and nothing is cached that may be shown and is as recent as the request requires.",
                remedy: "Send the request without `only-if-cached`: the gateway then reads VMware Cloud. Tasks and deleted SDDCs are cached only while somebody asks for them.",
            },
        }
    }
}
