//! A collector of traces: an OTLP/HTTP server that reads what it is sent by the numbers of
//! OpenTelemetry's protocol files, and by nothing of the gateway's.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

const PROTOBUF: &str = "application/x-protobuf";

/// It listens as long as the process lives.
#[derive(Clone)]
pub struct Collector {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
    is_silent: bool,
    held: Option<Receiver<()>>,
    requests: usize,
    raw: Vec<u8>,
    spans: Vec<Span>,
    resource: BTreeMap<String, String>,
}

/// A span as it came; ids in hexadecimal.
#[derive(Debug, Clone, Default)]
pub struct Span {
    pub trace_id: String,
    pub span_id: String,
    pub parent_id: String,
    pub name: String,
    /// 1: internal, 2: server, 3: client.
    pub kind: u64,
    pub start: u64,
    pub end: u64,
    pub attributes: BTreeMap<String, String>,
    pub is_error: bool,
}

/// A field of a protobuf message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl Collector {
    /// One that takes everything.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let collector = Self { address, state: Arc::default() };
        collector.answer(200);
        let serving = collector.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let collector = serving.clone();
                thread::spawn(move || collector.serve(stream));
            }
        });
        collector
    }

    /// As `telemetry.otlp_endpoint` wants it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers so from now on, and keeps only what it answers 2xx.
    pub fn answer(&self, status: u16) {
        self.answer_with(status, PROTOBUF, &[]);
    }

    /// The same with a body.
    pub fn answer_with(&self, status: u16, content_type: &'static str, body: &[u8]) {
        let mut state = self.state();
        (state.status, state.content_type, state.body) = (status, content_type, body.to_vec());
    }

    /// Says from now on that it has not taken so many spans, and why (`ExportTracePartialSuccess`).
    pub fn reject(&self, spans: u8, why: &str) {
        let why_length = u8::try_from(why.len()).unwrap();
        let partial = [&[0x08, spans, 0x12, why_length], why.as_bytes()].concat();
        let length = u8::try_from(partial.len()).unwrap();
        assert!(spans < 0x80 && length < 0x80, "varints of one byte");
        self.answer_with(200, PROTOBUF, &[&[0x0a, length], &*partial].concat());
    }

    /// Takes requests from now on and answers none.
    pub fn fall_silent(&self) {
        self.state().is_silent = true;
    }

    /// Answers the next request when what this gives is dropped, although it has taken the spans.
    pub fn hold_next(&self) -> Sender<()> {
        let (release, held) = channel();
        self.state().held = Some(held);
        release
    }

    /// Requests that came.
    pub fn requests(&self) -> usize {
        self.state().requests
    }

    /// What it has taken.
    pub fn spans(&self) -> Vec<Span> {
        self.state().spans.clone()
    }

    /// Of the last batch: which process sent it.
    pub fn resource(&self) -> BTreeMap<String, String> {
        self.state().resource.clone()
    }

    /// All bytes that came, heads too.
    pub fn raw(&self) -> Vec<u8> {
        self.state().raw.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        while let Some((head, body)) = read_request(&mut reader) {
            let mut state = self.state();
            state.requests += 1;
            state.raw.extend_from_slice(head.as_bytes());
            state.raw.extend_from_slice(&body);
            let is_good = head.starts_with("POST /v1/traces HTTP/1.1\r\n")
                && head
                    .to_ascii_lowercase()
                    .contains("\r\ncontent-type: application/x-protobuf\r\n");
            let status = if is_good { state.status } else { 400 };
            if state.is_silent {
                drop(state);
                // Until the other side gives up.
                let _ = reader.read_to_end(&mut Vec::new());
                return;
            }
            if (200..300).contains(&status) {
                state.take(&body);
            }
            let answer = [&*state.head(status).into_bytes(), &state.body].concat();
            let held = state.held.take();
            drop(state);
            if let Some(held) = held {
                let _ = held.recv();
            }
            if stream.write_all(&answer).is_err() {
                return;
            }
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).ok().filter(|read| *read > 0)?;
    }
    let lower = head.to_ascii_lowercase();
    let length = lower.split("\r\ncontent-length: ").nth(1)?.split("\r\n").next()?;
    let mut body = vec![0; length.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

impl State {
    fn head(&self, status: u16) -> String {
        let (content_type, length) = (self.content_type, self.body.len());
        format!(
            "HTTP/1.1 {status} -\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
        )
    }

    /// `ExportTraceServiceRequest`.
    fn take(&mut self, request: &[u8]) {
        for resource_spans in messages(request, 1) {
            for resource in messages(resource_spans, 1) {
                self.resource = attributes(resource, 1);
            }
            for scope_spans in messages(resource_spans, 2) {
                self.spans.extend(messages(scope_spans, 2).map(span));
            }
        }
    }
}

fn span(message: &[u8]) -> Span {
    let mut span = Span { attributes: attributes(message, 9), ..Span::default() };
    for (number, field) in fields(message) {
        match (number, field) {
            (1, Field::Bytes(id)) => span.trace_id = hex(id),
            (2, Field::Bytes(id)) => span.span_id = hex(id),
            (4, Field::Bytes(id)) => span.parent_id = hex(id),
            (5, Field::Bytes(name)) => span.name = text(name),
            (6, Field::Number(kind)) => span.kind = kind,
            (7, Field::Number(nanos)) => span.start = nanos,
            (8, Field::Number(nanos)) => span.end = nanos,
            (15, Field::Bytes(status)) => {
                span.is_error = fields(status).any(|it| matches!(it, (3, Field::Number(2))));
            }
            _ => {}
        }
    }
    span
}

/// The `KeyValue`s of a field.
fn attributes(message: &[u8], number: u64) -> BTreeMap<String, String> {
    let pairs = messages(message, number).map(|pair| {
        let key = messages(pair, 1).next().map(text).unwrap_or_default();
        let value = messages(pair, 2).next().and_then(|value| fields(value).next());
        let value = match value {
            Some((1, Field::Bytes(value))) => text(value),
            Some((3, Field::Number(value))) => value.to_string(),
            _ => panic!("{key} has a value of another kind"),
        };
        (key, value)
    });
    pairs.collect()
}

/// What a field holds that has a length, each time that it occurs.
fn messages(message: &[u8], number: u64) -> impl Iterator<Item = &[u8]> {
    fields(message).filter_map(move |field| match field {
        (it, Field::Bytes(bytes)) if it == number => Some(bytes),
        _ => None,
    })
}

/// The fields of a message, by their numbers (protobuf's wire format).
fn fields(mut message: &[u8]) -> impl Iterator<Item = (u64, Field<'_>)> {
    std::iter::from_fn(move || {
        if message.is_empty() {
            return None;
        }
        let tag = varint(&mut message);
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut message)),
            1 => Field::Number(u64::from_le_bytes(take(&mut message, 8).try_into().unwrap())),
            2 => {
                let length = varint(&mut message);
                Field::Bytes(take(&mut message, usize::try_from(length).unwrap()))
            }
            5 => {
                Field::Number(u32::from_le_bytes(take(&mut message, 4).try_into().unwrap()).into())
            }
            other => panic!("wire type {other}"),
        };
        Some((tag >> 3, field))
    })
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
