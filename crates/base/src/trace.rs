//! Which trace a task works for (W3C Trace Context): the request that it answers, or the read that it
//! makes.
//!
//! ```text
//! traceparent ─► TraceContext ─► Span::begin ─► within(span, work) ─► current(): parent of the next span
//! ```
//!
//! A context is a value of 25 bytes; where nothing is traced there is none, and nothing is paid for it.

use std::{fmt, ops::Deref};

use tokio::task::futures::TaskLocalFuture;

tokio::task_local! {
    static CURRENT: Option<TraceContext>;
}

/// A place in a trace: what `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace, never 0.
    pub trace_id: u128,
    /// The span, never 0.
    pub span_id: u64,
    /// Whether spans of this trace are recorded: who began the trace has decided that.
    pub is_sampled: bool,
}

/// A span that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its own place.
    pub context: TraceContext,
    /// The span that it is a part of; `None` where the trace begins.
    pub parent: Option<u64>,
}

/// The trace that the current task works for; `None` where it works for none.
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(|context| *context).ok().flatten()
}

/// Does work as a part of a trace, or of none.
pub fn within<F: Future>(
    context: Option<TraceContext>,
    work: F,
) -> TaskLocalFuture<Option<TraceContext>, F> {
    CURRENT.scope(context, work)
}

impl Span {
    /// A span below `parent`; without one it begins a trace, which is sampled.
    pub fn begin(parent: Option<TraceContext>) -> Self {
        let span_id = rand::random_range(1..=u64::MAX);
        match parent {
            Some(parent) => {
                Self { context: TraceContext { span_id, ..parent }, parent: Some(parent.span_id) }
            }
            None => {
                let trace_id = rand::random_range(1..=u128::MAX);
                let context = TraceContext { trace_id, span_id, is_sampled: true };
                Self { context, parent: None }
            }
        }
    }
}

impl TraceContext {
    /// Reads a `traceparent` (W3C Trace Context section 3.2); `None` if it is not valid.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let version = hex(version, 2).filter(|version| *version != 0xff)?;
        // Later versions may have more parts.
        if version == 0 && parts.next().is_some() {
            return None;
        }
        let trace_id = hex(trace, 32).filter(|id| *id != 0)?;
        let span_id = hex(span, 16).filter(|id| *id != 0)?;
        let is_sampled = hex(flags, 2)? & 1 == 1;
        Some(Self { trace_id, span_id: u64::try_from(span_id).ok()?, is_sampled })
    }

    /// The trace's number as it is written everywhere.
    pub fn trace_id_text(&self) -> TraceIdText {
        let mut text = [b'0'; 32];
        for (at, digit) in text.iter_mut().rev().enumerate() {
            let nibble = usize::try_from(self.trace_id >> (4 * at) & 0xf).expect("four bits");
            *digit = b"0123456789abcdef"[nibble];
        }
        TraceIdText(text)
    }
}

/// A trace's number in hexadecimal.
#[derive(Debug, Clone, Copy)]
pub struct TraceIdText([u8; 32]);

impl Deref for TraceIdText {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits are ASCII")
    }
}

/// As a `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace_id, span_id, is_sampled } = self;
        write!(f, "00-{trace_id:032x}-{span_id:016x}-{:02x}", u8::from(*is_sampled))
    }
}

/// A number of so many digits in lower case.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    u128::from_str_radix(text, 16).ok().filter(|_| is_hex && text.len() == digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::BackgroundJobs;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_traceparent_is_read_as_it_is_written() {
        for flags in ["00", "01"] {
            let text = format!("00-{TRACE}-00f067aa0ba902b7-{flags}");
            let context = TraceContext::parse(&text).unwrap();
            assert_eq!(context.to_string(), text);
            assert_eq!(context.is_sampled, flags == "01");
            assert_eq!(&*context.trace_id_text(), TRACE);
        }
        let later = TraceContext::parse(&format!("01-{TRACE}-00f067aa0ba902b7-03-more")).unwrap();
        assert!(later.is_sampled, "a later version has more flags and parts");
    }

    #[test]
    fn what_is_not_valid_is_no_context() {
        for odd in [
            "",
            "00",
            &format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            &format!("00-{TRACE}-00f067aa0ba902b7-01-x"),
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            &format!("00-{TRACE}-{}-01", "0".repeat(16)),
            &format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            &format!("00-+{}-00f067aa0ba902b7-01", &TRACE[1..]),
            &format!("00-{TRACE}-00f067aa0ba902b7-1"),
        ] {
            assert_eq!(TraceContext::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_span_is_of_its_parents_trace_and_sampled_like_it() {
        let parent = TraceContext { trace_id: 7, span_id: 8, is_sampled: false };
        let child = Span::begin(Some(parent));
        assert_eq!((child.context.trace_id, child.parent), (7, Some(8)));
        assert!(!child.context.is_sampled && child.context.span_id != 8);
        let root = Span::begin(None);
        assert!(root.parent.is_none() && root.context.is_sampled);
    }

    #[tokio::test]
    async fn a_job_works_for_the_trace_of_the_task_that_started_it() {
        let jobs = BackgroundJobs::new(());
        let context = Span::begin(None).context;
        let (sender, seen) = tokio::sync::oneshot::channel();
        let job = async move { sender.send(current()).unwrap() };
        within(Some(context), async { jobs.spawn("job", job) }).await;
        assert_eq!((seen.await.unwrap(), current()), (Some(context), None));
    }
}
