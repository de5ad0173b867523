//! A caller who waits, or watches, on a connection of its own: nothing has to be polled meanwhile.

use std::fmt::Write;

use serde_json::Value;
pub use support::events::Event;
use support::events::EventReader;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::harness::{DEADLINE, TestGateway};

/// One request on its connection, and what came of its answer so far.
pub struct Client {
    stream: TcpStream,
    came: Vec<u8>,
}

/// An event stream.
pub struct Watcher {
    client: Client,
    pub head: String,
    events: EventReader,
}

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names are in lower case.
    pub head: String,
    pub body: String,
}

impl Client {
    /// Sends a request, and waits for nothing.
    pub async fn send(
        gateway: &TestGateway,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Self {
        let stream = TcpStream::connect(gateway.api).await.unwrap();
        Self::send_on(stream, gateway, method, path, headers).await
    }

    /// Waits for any other answer than there is, or watches, and sends these bytes behind that.
    pub async fn pipelined(gateway: &TestGateway, path: &str, behind: &[u8]) -> Self {
        let mut stream = TcpStream::connect(gateway.api).await.unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: *\r\nX-API-Key: {}\r\n\r\n",
            gateway.key()
        );
        let bytes = [head.as_bytes(), behind].concat();
        stream.write_all(&bytes).await.unwrap();
        Self { stream, came: Vec::new() }
    }

    pub async fn send_more(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The same, taking little that was not read.
    async fn send_narrow(gateway: &TestGateway, path: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = socket.connect(gateway.api).await.unwrap();
        Self::send_on(stream, gateway, "GET", path, &[]).await
    }

    async fn send_on(
        mut stream: TcpStream,
        gateway: &TestGateway,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Self {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        write!(request, "Authorization: Bearer {}\r\n", gateway.key()).unwrap();
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Self { stream, came: Vec::new() }
    }

    /// Reads more; false at the end.
    async fn read(&mut self) -> bool {
        let read = tokio::time::timeout(DEADLINE, self.stream.read_buf(&mut self.came)).await;
        // A connection that is cut may be reset.
        read.expect("something in time").is_ok_and(|read| read > 0)
    }

    /// Takes what comes before `end`, and `end`.
    async fn take_until(&mut self, end: &str) -> Option<String> {
        loop {
            let bytes = end.as_bytes();
            if let Some(at) = self.came.windows(bytes.len()).position(|part| part == bytes) {
                let taken: Vec<u8> = self.came.drain(..at + bytes.len()).collect();
                return Some(String::from_utf8(taken[..at].to_vec()).unwrap());
            }
            if !self.read().await {
                return None;
            }
        }
    }

    async fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.came.len() < length {
            if !self.read().await {
                return None;
            }
        }
        Some(self.came.drain(..length).collect())
    }

    async fn head(&mut self) -> String {
        self.take_until("\r\n\r\n").await.expect("a head")
    }

    /// Reads the answer, whose length its head must tell; that of `HEAD` is its head.
    pub async fn answer(mut self, method: &str) -> Answer {
        let head = self.head().await;
        let status = head[9..12].parse().unwrap();
        let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        let length = if method == "HEAD" || status == 304 { 0 } else { length };
        let body = self.take(length).await.expect("the whole answer");
        Answer { status, head, body: String::from_utf8(body).unwrap() }
    }
}

/// The value of a header.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        field(&self.head, name).unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// Status and problem code.
    pub fn told(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap_or_default().to_owned())
    }
}

impl Watcher {
    /// Opens `/sddcs/events`; `query` with its `?`.
    pub async fn open(gateway: &TestGateway, query: &str) -> Self {
        Self::open_with(gateway, query, &[]).await
    }

    /// The same of who has seen the event of that id.
    pub async fn again(gateway: &TestGateway, query: &str, last: &str) -> Self {
        Self::open_with(gateway, query, &[("Last-Event-ID", last)]).await
    }

    pub async fn open_with(gateway: &TestGateway, query: &str, headers: &[(&str, &str)]) -> Self {
        let path = format!("/sddcs/events{query}");
        Self::of(Client::send(gateway, "GET", &path, headers).await).await
    }

    /// One that takes little that was not read.
    pub async fn narrow(gateway: &TestGateway) -> Self {
        Self::of(Client::send_narrow(gateway, "/sddcs/events").await).await
    }

    async fn of(mut client: Client) -> Self {
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert_eq!(field(&head, "content-type"), Some("text/event-stream"));
        assert_eq!(field(&head, "cache-control"), Some("no-store"));
        Self { client, head, events: EventReader::default() }
    }

    /// What comes next, a comment too; `None` at the end of the stream.
    pub async fn anything(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.next_event() {
                return Some(event.unwrap());
            }
            let length = self.client.take_until("\r\n").await?;
            let length = usize::from_str_radix(&length, 16).unwrap();
            let chunk = self.client.take(length + 2).await?;
            if length == 0 {
                assert!(self.events.is_empty(), "the stream ends between events");
                return None;
            }
            self.events.push(&chunk[..length]);
        }
    }

    /// The next event.
    pub async fn next(&mut self) -> Event {
        loop {
            match self.anything().await {
                Some(event) if event.name == "comment" => {}
                Some(event) => return event,
                None => panic!("the stream has ended"),
            }
        }
    }

    /// The first event, which must be the list.
    pub async fn sync(&mut self) -> Event {
        let event = self.next().await;
        assert_eq!(event.name, "sync");
        event
    }

    /// Events up to one that is wanted, which is the last of them.
    pub async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await;
            let is_wanted = wanted(&event);
            events.push(event);
            if is_wanted {
                return events;
            }
        }
    }
}

/// What the tests of events ask of one.
pub trait EventFacts {
    /// What happened to which SDDC: the event's name, the SDDC's, and the fields that differ.
    fn told(&self) -> (String, String, Vec<String>);
    /// `old` and `partial`, as far as they hold, of a status.
    fn status(&self) -> Option<(Option<u64>, String)>;
}

impl EventFacts for Event {
    fn told(&self) -> (String, String, Vec<String>) {
        let data = self.json();
        let changed = data["changed"].as_array().unwrap_or_else(|| panic!("{self:?}"));
        let changed = changed.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
        (self.name.clone(), data["sddc"]["name"].as_str().unwrap_or("null").to_owned(), changed)
    }

    fn status(&self) -> Option<(Option<u64>, String)> {
        let data = self.json();
        let completeness = data["completeness"].as_str().unwrap_or_default().to_owned();
        (self.name == "status").then(|| (data["age_s"].as_u64(), completeness))
    }
}

/// The value of a figure of one series.
pub async fn figure(gateway: &TestGateway, name: &str) -> f64 {
    let page = gateway.ops("/metrics").await.text();
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
}

/// Waits until so many watch.
pub async fn watched_by(gateway: &TestGateway, watchers: u32) {
    let watch = async |gateway: &TestGateway| {
        (figure(gateway, "sddc_gateway_watchers").await - f64::from(watchers)).abs() < 0.5
    };
    gateway.until(&format!("{watchers} watchers"), watch).await;
}

/// Lets the poller read all of the cloud once more: what has changed there is known then.
pub async fn poll(gateway: &TestGateway) {
    gateway.advance(30);
    let is_new = async |gateway: &TestGateway| {
        let state = gateway.ops("/readyz").await.json();
        let orgs = state["orgs"].as_array().unwrap().clone();
        !orgs.is_empty() && orgs.iter().all(|org| org["inventory"]["age_s"] == 0)
    };
    gateway.until("a poll", is_new).await;
}
