//! One line per request.
//!
//! Names of fields are OpenTelemetry's. Raw paths and queries are not logged: they are a caller's
//! text, and may be a secret pasted in the wrong place.

use std::{cell::RefCell, fmt, io::Write, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::Serialize;

use super::{audit::Decision, settings::Format};

/// Where access lines go. Cheap to clone; writing never blocks the request.
#[derive(Clone)]
pub struct AccessLog(Option<Arc<LogSink>>);

struct LogSink {
    format: Format,
    write: Box<WriteLine>,
}

type WriteLine = dyn Fn(&[u8]) + Send + Sync;

/// What one line says.
#[derive(Debug, Clone, Copy, Serialize)]
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
    #[serde(rename = "http.request_id")]
    pub request_id: &'a str,
    /// The trace that the caller's `traceparent` names.
    #[serde(rename = "trace_id", skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<&'a str>,
    /// The caller's name; `none` when no caller is known.
    pub caller: &'a str,
    /// The client's address.
    #[serde(rename = "client.address")]
    pub client: std::net::IpAddr,
    /// The method; `other` for an unusual one.
    #[serde(rename = "http.request.method")]
    pub method: &'static str,
    /// The route's template; `unmatched` for no route.
    #[serde(rename = "http.route")]
    pub route: &'a str,
    /// The status.
    #[serde(rename = "http.response.status_code")]
    pub status: u16,
    /// From the request's head to the answer's.
    pub duration_ms: f64,
    /// Bytes of the body; absent where they are not known beforehand.
    #[serde(rename = "http.response.body.size", skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// How the cache served it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<&'static str>,
    /// `Age` of the answer.
    #[serde(rename = "age_s", skip_serializing_if = "Option::is_none")]
    pub age_s: Option<u64>,
    /// Whether the caller was let in; absent where that was not decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// The problem's code, or why the caller was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Subject alternative names of a client certificate that is good and names no caller, separated by
    /// blanks; `none` if it has none that a caller can be known by.
    #[serde(rename = "tls.client.san", skip_serializing_if = "Option::is_none")]
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
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Whether lines are written at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Writes one line.
    pub fn write(&self, record: &AccessRecord<'_>) {
        let Some(sink) = &self.0 else { return };
        LINE.with_borrow_mut(|line| {
            line.clear();
            match sink.format {
                Format::Json => {
                    // A record of numbers and plain text always serializes.
                    let _ = serde_json::to_writer(&mut *line, record);
                    line.push(b'\n');
                }
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
