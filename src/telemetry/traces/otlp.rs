//! Spans as a collector wants them: the messages of OTLP that are needed (`opentelemetry/proto/trace/v1`),
//! with their field numbers.

use prost::{Message, Oneof};
use vmware_cloud::upstream::Kind;

use super::{FinishedSpan, SpanDetail};

const SERVICE: &str = "sddc-gateway";

/// `ExportTraceServiceRequest`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

/// `ExportTraceServiceResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<PartialSuccess>,
}

/// What of a batch was not taken, although the status is 200.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(super) rejected_spans: i64,
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Value", tags = "1, 3")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Value {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "3")]
    Number(i64),
}

const INTERNAL: i32 = 1;
const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const STATUS_ERROR: i32 = 2;

/// Attributes under their names; what is not known is left out.
#[derive(Default)]
struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn value(mut self, key: &str, value: Option<Value>) -> Self {
        if let Some(value) = value {
            let value = Some(AnyValue { value: Some(value) });
            self.0.push(KeyValue { key: key.to_owned(), value });
        }
        self
    }

    fn text(self, key: &str, text: impl Into<Option<&'static str>>) -> Self {
        self.value(key, text.into().map(|text| Value::Text(text.to_owned())))
    }

    fn owned(self, key: &str, text: &str) -> Self {
        self.value(key, Some(Value::Text(text.to_owned())))
    }

    fn number(self, key: &str, number: Option<u64>) -> Self {
        self.value(key, number.map(|number| Value::Number(number.try_into().unwrap_or(i64::MAX))))
    }
}

impl ExportRequest {
    /// A batch of one process, which `instance` tells apart from others.
    pub(super) fn of(instance: &str, spans: &[FinishedSpan]) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let resource = Attributes::default()
            .text("service.name", SERVICE)
            .text("service.version", version)
            .owned("service.instance.id", instance);
        let scope = Scope { name: SERVICE.to_owned(), version: version.to_owned() };
        let spans = spans.iter().map(Span::of).collect();
        Self {
            resource_spans: vec![ResourceSpans {
                resource: Some(Resource { attributes: resource.0 }),
                scope_spans: vec![ScopeSpans { scope: Some(scope), spans }],
            }],
        }
    }
}

impl Span {
    fn of(finished: &FinishedSpan) -> Self {
        let FinishedSpan { span, ended, took, detail } = finished;
        let end = u64::try_from(ended.as_nanosecond()).unwrap_or_default();
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let (kind, name, attributes, failed) = describe(detail);
        let attributes = attributes.value("error.type", failed.clone().map(Value::Text));
        Self {
            trace: span.context.trace_id.to_be_bytes().to_vec(),
            id: span.context.span_id.to_be_bytes().to_vec(),
            parent: span.parent.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default(),
            name,
            kind,
            start_time_unix_nano: end.saturating_sub(took),
            end_time_unix_nano: end,
            attributes: attributes.0,
            status: failed.map(|_| Status { code: STATUS_ERROR }),
        }
    }
}

/// Kind, name, attributes, and how it failed, if it did.
fn describe(detail: &SpanDetail) -> (i32, String, Attributes, Option<String>) {
    let attributes = Attributes::default();
    match detail {
        SpanDetail::Request { method, route, status, caller, request_id, cache, age_s, reason } => {
            let attributes = attributes
                .text("http.request.method", *method)
                .text("http.route", *route)
                .number("http.response.status_code", Some((*status).into()))
                .owned("http.request_id", request_id.to_str().unwrap_or_default())
                .owned("caller", caller)
                .text("cache", *cache)
                .number("age_s", *age_s)
                .text("reason", *reason);
            // What the caller did wrong is no failure of the gateway's.
            let failed = (*status >= 500).then(|| match reason {
                Some(reason) => (*reason).to_owned(),
                None => status.to_string(),
            });
            (SERVER, format!("{method} {route}"), attributes, failed)
        }
        SpanDetail::Work { name, endpoint, failed } => {
            let attributes = attributes.text("endpoint", *endpoint);
            let failed = failed.map(|kind| kind.as_str().to_owned());
            (INTERNAL, format!("{name} {endpoint}"), attributes, failed)
        }
        SpanDetail::Try { upstream, method, endpoint, status, failed } => {
            let attributes = attributes
                .owned("http.request.method", method.as_str())
                .text("peer.service", *upstream)
                .text("endpoint", *endpoint)
                .number("http.response.status_code", status.map(|it| it.as_u16().into()));
            let failed = match (failed, status) {
                (Some(Kind::Timeout), _) => Some("timeout".to_owned()),
                (_, Some(status)) if !status.is_success() => Some(status.as_u16().to_string()),
                (Some(Kind::Unavailable), _) => Some("connection".to_owned()),
                (Some(kind), _) => Some(kind.as_str().to_owned()),
                (None, _) => None,
            };
            (CLIENT, format!("{method} {endpoint}"), attributes, failed)
        }
    }
}
