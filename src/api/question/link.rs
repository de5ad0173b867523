//! `Link: <…>; rel="next"` (RFC 8288).

use http::HeaderValue;
use url::form_urlencoded;

use super::{Query, takes::Parameter};

impl Query {
    /// The same question, from that cursor on, as a relative link.
    pub(in crate::api) fn next_link(&self, cursor: &str) -> HeaderValue {
        let name = Parameter::Cursor.name();
        let same = self.pairs().filter(|(given, _)| given != name);
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(same)
            .append_pair(name, cursor)
            .finish();
        let link = format!("<{}?{query}>; rel=\"next\"", escaped(self.path()));
        HeaderValue::from_str(&link).expect("what is not visible ASCII is escaped")
    }
}

/// A path without what would end the link, or is no visible ASCII.
fn escaped(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for byte in path.as_bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"') {
            escaped.push(char::from(*byte));
        } else {
            escaped.push_str(form_urlencoded::byte_serialize(&[*byte]).next().unwrap_or_default());
        }
    }
    escaped
}
