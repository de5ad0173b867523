//! One line per request.
//!
//! Names of fields are OpenTelemetry's. Raw paths and queries are not logged: they are a caller's
//! text, and may be a secret pasted in the wrong place.

use std::{cell::RefCell, fmt, io::Write, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{audit::Decision, json_line::JsonLine, settings::Format};

/// Where access lines go. Cheap to clone; writing never blocks the request.
#[derive(Clone)]
pub struct AccessLog(Option<Arc<LogSink>>);

struct LogSink {
    format: Format,
    write: Box<WriteLine>,
}

type WriteLine = dyn Fn(&[u8]) + Send + Sync;

/// What one line says, in this order.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct AccessRecord<'a> {
    /// When the answer's head was ready.
    pub timestamp: Timestamp,
    /// Always `INFO`.
    pub level: &'static str,
    /// Always `sddc_gateway::access`.
    pub target: &'static str,
    /// Always `request`.
    pub message: &'static str,
    /// `X-Request-Id` of the answer.
    #[cfg_attr(test, serde(rename = "http.request_id"))]
    pub request_id: &'a str,
    /// The trace that it is a part of: the caller's, or where there are traces also one that begins here.
    #[cfg_attr(test, serde(rename = "trace_id", skip_serializing_if = "Option::is_none"))]
    pub trace_id: Option<&'a str>,
    /// The caller's name; `none` when no caller is known.
    pub caller: &'a str,
    /// The client's address.
    #[cfg_attr(test, serde(rename = "client.address"))]
    pub client: std::net::IpAddr,
    /// The method; `other` for an unusual one.
    #[cfg_attr(test, serde(rename = "http.request.method"))]
    pub method: &'static str,
    /// The route's template; `unmatched` for no route.
    #[cfg_attr(test, serde(rename = "http.route"))]
    pub route: &'static str,
    /// The status.
    #[cfg_attr(test, serde(rename = "http.response.status_code"))]
    pub status: u16,
    /// From the request's head to the answer's.
    pub duration_ms: f64,
    /// Bytes of the body; absent where they are not known beforehand.
    #[cfg_attr(
        test,
        serde(rename = "http.response.body.size", skip_serializing_if = "Option::is_none")
    )]
    pub bytes: Option<u64>,
    /// How the cache served it.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub cache: Option<&'static str>,
    /// `Age` of the answer.
    #[cfg_attr(test, serde(rename = "age_s", skip_serializing_if = "Option::is_none"))]
    pub age_s: Option<u64>,
    /// Whether the caller was let in; absent where that was not decided.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub decision: Option<Decision>,
    /// The problem's code, or why the caller was refused.
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    pub reason: Option<&'static str>,
    /// Subject alternative names of a client certificate that is good and names no caller, separated by
    /// blanks; `none` if it has none that a caller can be known by.
    #[cfg_attr(test, serde(rename = "tls.client.san", skip_serializing_if = "Option::is_none"))]
    pub client_san: Option<&'a str>,
}

thread_local! {
    static LINE: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(512));
}

impl AccessLog {
    /// A log whose lines, each whole, are given to `write`, which must not block.
    pub fn new(format: Format, write: impl Fn(&[u8]) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(LogSink { format, write: Box::new(write) })))
    }

    /// No lines: `telemetry.log` is above `info`.
    pub fn off() -> Self {
        Self(None)
    }

    /// Whether lines are written at all.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Writes one line.
    pub fn write(&self, record: &AccessRecord<'_>) {
        let Some(sink) = &self.0 else { return };
        LINE.with_borrow_mut(|line| {
            line.clear();
            match sink.format {
                Format::Json => record.write_json(line),
                Format::Text => {
                    let _ = writeln!(line, "{}", TextLine(record));
                }
            }
            (sink.write)(line);
        });
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog").field("on", &self.is_on()).finish()
    }
}

impl AccessRecord<'_> {
    /// By hand: a line is written for each request, and generic serializing costs more than an answer.
    fn write_json(&self, line: &mut Vec<u8>) {
        let mut line = JsonLine::begin(line);
        line.timestamp("timestamp", self.timestamp);
        line.plain("level", self.level);
        line.plain("target", self.target);
        line.plain("message", self.message);
        line.plain("http.request_id", self.request_id);
        line.optional("trace_id", self.trace_id, JsonLine::plain);
        line.plain("caller", self.caller);
        line.address("client.address", self.client);
        line.plain("http.request.method", self.method);
        line.plain("http.route", self.route);
        line.number("http.response.status_code", self.status);
        line.float("duration_ms", self.duration_ms);
        line.optional("http.response.body.size", self.bytes, JsonLine::number);
        line.optional("cache", self.cache, JsonLine::plain);
        line.optional("age_s", self.age_s, JsonLine::number);
        line.optional("decision", self.decision.map(Decision::as_str), JsonLine::plain);
        line.optional("reason", self.reason, JsonLine::plain);
        // Of a certificate's making: the one text that may need to be escaped.
        line.optional("tls.client.san", self.client_san, JsonLine::escaped);
        line.end();
    }
}

struct TextLine<'a>(&'a AccessRecord<'a>);

impl fmt::Display for TextLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AccessRecord { timestamp, level, method, route, status, .. } = self.0;
        write!(f, "{timestamp:.6}  {level} {method} {route} {status}")?;
        write!(f, " {:?}", Duration::from_secs_f64(self.0.duration_ms.max(0.0) / 1000.0))?;
        if let Some(bytes) = self.0.bytes {
            write!(f, " {bytes} B")?;
        }
        write!(f, " caller={} client={}", self.0.caller, self.0.client)?;
        if let (Some(cache), Some(age)) = (self.0.cache, self.0.age_s) {
            write!(f, " cache={cache} age={age}s")?;
        }
        if let Some(decision) = self.0.decision {
            write!(f, " decision={decision}")?;
        }
        if let Some(reason) = self.0.reason {
            write!(f, " reason={reason}")?;
        }
        write!(f, " request_id={}", self.0.request_id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_line_is_what_a_serializer_would_write(
            nanos in 0..1_000_000_000_i64,
            seconds in prop_oneof![0..3_i64, 1_764_547_199..1_764_547_202_i64],
            client in any::<std::net::IpAddr>(),
            duration_ms in 0.0..30_000.0,
            bytes in prop::option::of(any::<u64>()),
            cache in prop::option::of(Just("hit")),
            decision in prop::option::of(prop_oneof![Just(Decision::Allow), Just(Decision::Deny)]),
            trace_id in prop::option::of("[0-9a-f]{32}"),
            client_san in prop::option::of(".{0,20}"),
        ) {
            let timestamp = Timestamp::from_second(seconds).unwrap();
            let record = AccessRecord {
                timestamp: timestamp + jiff::SignedDuration::from_nanos(nanos),
                level: "INFO",
                target: "sddc_gateway::access",
                message: "request",
                request_id: "job-7",
                trace_id: trace_id.as_deref(),
                caller: "tester",
                client,
                method: "GET",
                route: "/sddcs/{sddc_id}",
                status: 200,
                duration_ms,
                bytes,
                cache,
                age_s: bytes,
                decision,
                reason: cache,
                client_san: client_san.as_deref(),
            };
            let mut line = Vec::new();
            record.write_json(&mut line);
            let mut expected = serde_json::to_string(&record).unwrap();
            expected.push('\n');
            prop_assert_eq!(String::from_utf8(line).unwrap(), expected);
        }
    }
}
