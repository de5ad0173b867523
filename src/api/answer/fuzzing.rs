//! Fuzz bodies: request fields that choose an answer. See [`crate::fuzzing`].

use std::time::Duration;

use http::{
    HeaderValue,
    header::{ACCEPT_ENCODING, CACHE_CONTROL, IF_NONE_MATCH},
};

use super::{coding::AcceptedCodings, directives::CacheDirectives, if_none_match::IfNoneMatch};
use crate::fuzzing::input::{Input, headers};

/// A tag and fields of `If-None-Match`: it is among them where a naive reading of the list says so.
pub(crate) fn if_none_match(data: &[u8]) {
    let mut input = Input::new(data);
    let tag = input.line();
    if tag.contains(&b'"') {
        return;
    }
    let quoted = [b"\"", tag, b"\""].concat();
    let weak = [b"W/", &quoted[..]].concat();
    let [Ok(strong), Ok(weak)] = [&quoted, &weak].map(|tag| HeaderValue::from_bytes(tag)) else {
        return;
    };
    let fields = input.fields();
    let known = IfNoneMatch::of(&headers(&IF_NONE_MATCH, &fields));
    let expected = fields.iter().any(|field| lists(field.as_bytes(), &quoted));
    assert_eq!(known.holds(&strong), expected);
    assert_eq!(known.holds(&weak), expected, "the comparison is weak");
    let own = IfNoneMatch::of(&headers(&IF_NONE_MATCH, fields.iter().chain([&weak])));
    assert!(own.holds(&strong), "a field of one's own spoils no other");
}

/// Elements between the commas that are outside quotes, read until one of them is no tag.
fn lists(field: &[u8], tag: &[u8]) -> bool {
    let mut quotes = 0;
    let elements = field.split(|byte| {
        quotes += u32::from(*byte == b'"');
        *byte == b',' && quotes % 2 == 0
    });
    let elements = elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty());
    let tags = elements.map(|element| element.strip_prefix(b"W/").unwrap_or(element));
    let is_tag = |text: &&[u8]| match text {
        [b'"', inside @ .., b'"'] => !inside.contains(&b'"'),
        _ => false,
    };
    field.trim_ascii() == b"*" || tags.take_while(is_tag).any(|other| other == tag)
}

/// Fields of a request's `Cache-Control`: neither their order, nor repeating them, nor writing them
/// in one line changes what they ask for.
pub(crate) fn cache_control(data: &[u8]) {
    let fields = Input::new(data).fields();
    let read = |fields: &[HeaderValue]| CacheDirectives::of(&headers(&CACHE_CONTROL, fields));
    let conditions = read(&fields);
    let most = Duration::from_secs(1 << 31);
    assert!(
        conditions.newest.into_iter().chain(conditions.stale_if_error).all(|span| span <= most)
    );
    assert_eq!(read(&reversed(&fields)), conditions);
    assert_eq!(read(&[&fields[..], &fields].concat()), conditions);
    // A quote that is not closed takes in what follows.
    if fields.iter().all(|field| !field.as_bytes().contains(&b'"')) {
        assert_eq!(read(&[joined(&fields)]), conditions);
    }
}

/// Fields of `Accept-Encoding`, with the same rules.
pub(crate) fn accept_encoding(data: &[u8]) {
    let fields = Input::new(data).fields();
    let read = |fields: &[HeaderValue]| AcceptedCodings::of(&headers(&ACCEPT_ENCODING, fields));
    let accepted = read(&fields);
    assert_eq!(read(&reversed(&fields)), accepted);
    assert_eq!(read(&[&fields[..], &fields].concat()), accepted);
    assert_eq!(read(&[joined(&fields)]), accepted);
    // Each is named, or all are by `*`.
    let text = joined(&fields).as_bytes().to_ascii_lowercase();
    for coding in accepted.iter() {
        let header = coding.header();
        let named = |name: &[u8]| text.windows(name.len()).any(|part| part == name);
        assert!(named(header.as_bytes()) || named(b"*"), "{header:?}");
    }
}

fn reversed(fields: &[HeaderValue]) -> Vec<HeaderValue> {
    fields.iter().rev().cloned().collect()
}

fn joined(fields: &[HeaderValue]) -> HeaderValue {
    let fields: Vec<&[u8]> = fields.iter().map(HeaderValue::as_bytes).collect();
    HeaderValue::from_bytes(&fields.join(&b", "[..])).expect("each of them is a value")
}
