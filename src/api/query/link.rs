//! `Link: <…>; rel="next"` (RFC 8288).

use http::HeaderValue;
use url::form_urlencoded;

use super::{RawQuery, allowed_params::Parameter};

impl RawQuery {
    /// The same question, from that cursor on: a query alone, which holds on the path that was asked
    /// for, whatever a proxy has stripped of it.
    pub(in crate::api) fn next_link(&self, cursor: &str) -> HeaderValue {
        let name = Parameter::Cursor.name();
        let same = self.pairs().filter(|(given, _)| given != name);
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(same)
            .append_pair(name, cursor)
            .finish();
        let link = format!("<?{query}>; rel=\"next\"");
        HeaderValue::from_str(&link).expect("what is not visible ASCII is escaped")
    }
}
