//! Event streams, as a client reads them.

use serde_json::Value;

/// What came on an event stream, a comment too.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// `comment` where it is one.
    pub name: String,
    pub id: Option<String>,
    /// Milliseconds until a client is to come back.
    pub retry: Option<String>,
    pub data: String,
}

/// Makes events of what comes.
#[derive(Debug, Default)]
pub struct EventReader(Vec<u8>);

impl EventReader {
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Whether nothing is left that was no event yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is next, once it is there whole.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn next_event(&mut self) -> Option<Result<Event, String>> {
        // A comment between events is a line by itself.
        let is_comment = self.0.first() == Some(&b':');
        let end: &[u8] = if is_comment { b"\n" } else { b"\n\n" };
        let at = self.0.windows(end.len()).position(|part| part == end)? + end.len();
        let taken: Vec<u8> = self.0.drain(..at).collect();
        let text = String::from_utf8(taken).map_err(|error| error.to_string());
        Some(match text {
            Ok(_) if is_comment => Ok(Event::comment()),
            Ok(text) => Event::read(&text).ok_or_else(|| format!("no event of ours: {text:?}")),
            Err(error) => Err(error),
        })
    }
}

impl Event {
    pub fn comment() -> Self {
        Self { name: "comment".to_owned(), id: None, retry: None, data: String::new() }
    }

    fn read(text: &str) -> Option<Self> {
        let mut event = Self { name: String::new(), ..Self::comment() };
        for line in text.lines().filter(|line| !line.is_empty()) {
            match line.split_once(": ")? {
                ("event", name) => name.clone_into(&mut event.name),
                ("id", id) => event.id = Some(id.to_owned()),
                ("data", data) => event.data.push_str(data),
                ("retry", retry) => event.retry = Some(retry.to_owned()),
                _ => return None,
            }
        }
        (!event.name.is_empty()).then_some(event)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}
