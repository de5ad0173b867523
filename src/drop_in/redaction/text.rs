//! Texts within documents: what they say, and whether they carry a secret.

use std::{borrow::Cow, char};

use memchr::{memchr, memchr3_iter};
use percent_encoding::percent_decode_str;

use super::names::{looks_secret, names_secret};

/// Layers of percent-encoding that are undone.
const MAX_LAYERS: usize = 3;

/// Characters before a `=`, `:` or `@` that are looked at.
const MAX_NAME_CHARS: usize = 200;

/// What a text says whose escapes are well-formed. Half of a surrogate pair becomes U+FFFD.
pub(super) fn decode(written: &str) -> String {
    let mut said = String::with_capacity(written.len());
    let mut rest = written;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        said.push_str(plain);
        let (letter, after) = escaped.split_at(1);
        rest = after;
        match letter {
            "u" => {
                let (decoded, after) = code_point(after);
                said.push(decoded);
                rest = after;
            }
            "b" => said.push('\u{8}'),
            "f" => said.push('\u{c}'),
            "n" => said.push('\n'),
            "r" => said.push('\r'),
            "t" => said.push('\t'),
            itself => said.push_str(itself),
        }
    }
    said.push_str(rest);
    said
}

/// The character of `XXXX` or `XXXX\uXXXX`, and what follows it.
fn code_point(digits: &str) -> (char, &str) {
    let unit =
        |digits: &str| digits.get(..4).and_then(|digits| u16::from_str_radix(digits, 16).ok());
    let (first, rest) = (unit(digits).unwrap_or(0xfffd), digits.get(4..).unwrap_or_default());
    let second = rest.strip_prefix("\\u").and_then(unit);
    let pair = char::decode_utf16([first].into_iter().chain(second)).next();
    match pair {
        Some(Ok(decoded)) if decoded.len_utf16() == 2 => (decoded, &rest[6..]),
        Some(Ok(decoded)) => (decoded, rest),
        _ => (char::REPLACEMENT_CHARACTER, rest),
    }
}

/// Whether a text begins as nearly all do: it is no document, and none that is cut off.
pub(super) fn begins_plainly(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_alphanumeric())
}

/// Whether a text may be a document by itself.
pub(super) fn looks_like_document(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[', '"'])
}

/// Whether a text begins as a document with a name or a text in it does: if it cannot be read, it may be cut off.
pub(super) fn begins_document(text: &str) -> bool {
    let inside = text
        .trim_start_matches(|letter: char| "{[".contains(letter) || letter.is_ascii_whitespace());
    inside.starts_with('"') && !text.trim_start().starts_with('"')
}

/// Whether a text that is no document carries a secret by its look: a private key, a token, credentials in a URL, a
/// parameter of a signed URL, or a name that looks secret with a value behind it. Looked at as it is, and with up
/// to three layers of percent-encoding undone. `may_have_mark`: see [`has_mark`].
pub(super) fn carries_secret(text: &str, may_have_mark: bool) -> bool {
    if (may_have_mark && shows_mark(text)) || shows_named(text) {
        return true;
    }
    let mut text = Cow::Borrowed(text);
    for _ in 0..MAX_LAYERS {
        if memchr(b'%', text.as_bytes()).is_none() {
            return false;
        }
        let undone = percent_decode_str(&text).decode_utf8_lossy();
        if undone == text {
            return false;
        }
        text = Cow::Owned(undone.into_owned());
        if shows_mark(&text) || shows_named(&text) {
            return true;
        }
    }
    false
}

/// Whether there is in a text what each private key ends with, and each second part of a token begins with. Searched
/// for in the whole of a document, since hardly one has any.
pub(super) fn has_mark(text: &str) -> bool {
    text.contains("KEY-----") || text.contains(".eyJ")
}

fn shows_mark(text: &str) -> bool {
    text.contains("KEY-----") || (text.contains(".eyJ") && text.split(is_outside_jwt).any(is_jwt))
}

/// Whether a sign has the name of a secret before it, and a value behind it.
fn shows_named(text: &str) -> bool {
    memchr3_iter(b'=', b':', b'@', text.as_bytes()).any(|at| {
        let (before, rest) = (&text[..at], &text[at..]);
        if rest.starts_with('@') {
            return ends_with_password(before);
        }
        let before = last_part(before);
        let has_value = !rest[1..].trim_start().is_empty();
        let is_parameter = rest.starts_with('=') && ends_with_secret_parameter(before);
        has_value
            && (is_parameter || ends_with_secret_word(before) || ends_with_secret_name(before))
    })
}

/// As much of the end of a text as names take, so that a long text is not read again for each of its signs.
fn last_part(before: &str) -> &str {
    if before.len() <= MAX_NAME_CHARS {
        return before;
    }
    let first = before.char_indices().nth_back(MAX_NAME_CHARS - 1);
    &before[first.map_or(0, |(at, _)| at)..]
}

fn is_outside_jwt(letter: char) -> bool {
    !letter.is_ascii_alphanumeric() && !"-_.".contains(letter)
}

/// Whether a word ends in a token of RFC 7519: two JSON objects in Base64, with a dot between them.
fn is_jwt(word: &str) -> bool {
    word.split_once("eyJ").is_some_and(|(_, rest)| rest.contains(".eyJ"))
}

/// Whether the authority of a URL, up to its first `@`, ends with a password.
fn ends_with_password(before: &str) -> bool {
    let start = before.rfind(['/', '?', '#', ' ', '@']).map_or(0, |at| at + 1);
    before[..start].ends_with("://") && before[start..].contains(':')
}

/// Whether a URL's parameter that is as good as a password stands at the end.
fn ends_with_secret_parameter(before: &str) -> bool {
    let name = before.rsplit_once(['?', '&', ';', '#']).map(|(_, name)| name);
    name.is_some_and(|name| {
        name.eq_ignore_ascii_case("sig") || (!name.contains(' ') && looks_secret(name))
    })
}

/// Whether a word stands at the end that is the name of a secret, as in `password=…`.
fn ends_with_secret_word(before: &str) -> bool {
    let is_outside = |letter: char| !letter.is_alphanumeric() && !"-_".contains(letter);
    before.trim_end().rsplit(is_outside).next().is_some_and(names_secret)
}

/// Whether a quoted name that looks secret stands at the end.
fn ends_with_secret_name(before: &str) -> bool {
    let before = before.trim_end();
    let Some(quote @ ('"' | '\'')) = before.chars().next_back() else { return false };
    let inside = before[..before.len() - 1].trim_end_matches('\\');
    let start = inside.rfind(quote).map_or(0, |at| at + 1);
    looks_secret(&inside[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        for (written, said) in [
            (r"pass\u0077ord", "password"),
            (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r"\ud83d\ude00!", "😀!"),
            (r"\ud83dx\ude00", "\u{fffd}x\u{fffd}"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            ("ä", "ä"),
        ] {
            assert_eq!(decode(written), said, "{written}");
        }
    }

    /// It would take minutes if a text were read again from its beginning for each of its signs.
    #[test]
    fn long_texts_of_signs_hold_no_secret() {
        let length = 128 * 1024;
        for unit in ["a=", "'a:", "@", "%25", "%", "eyJ", "?&", "ü:", "-----", "\\\"="] {
            let text = unit.repeat(length / unit.len());
            assert!(!carries_secret(&text, true), "{unit}");
        }
    }

    #[test]
    fn secrets_are_known_by_their_look() {
        for secret in [
            "https://bucket.s3.example/a?X-Amz-Date=1&X-Amz-Signature=abc",
            "see https://account.blob.example/x?sv=1&sig=abc for more",
            "https://user:word@host.example/",
            "-----BEGIN RSA PRIVATE KEY-----\nMII",
            r#"request {"user": "a", "password" : "b"} failed"#,
            r#"{"a": "{\"client_secret\":\"b\"}", "cut"#,
            "{'api_token': 'b'}",
            "-----BEGIN PRIVATE KEY-----",
            "login failed for password=b",
            "the clientSecret: b was refused",
            "bucket.s3.example/a?X-Amz-Signature=abc",
            "/a;sig=abc",
            "/a#access_token=abc",
            "https://h.example/?sig%6eature=abc",
            "https://user%3Aword@host.example/",
            "https://h.example/?sig%256eature=abc",
            &format!("https://user:{}@host.example/", "x".repeat(300)),
            "pre_shared_key: abc",
            "the secretKey=abc was refused",
            "Authorization: Bearer abc",
            "Set-Cookie: JSESSIONID=abc",
            "session.id/session_id: abc",
            "token.eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln",
            "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln",
        ] {
            assert!(carries_secret(secret, has_mark(secret)), "{secret}");
        }
        for plain in [
            "https://vcenter.example/ui?locale=en",
            "ops@example.com",
            "https://ops@example.com/x",
            "what's up: nothing",
            r#"state of "prod": READY"#,
            r#"there is no "password""#,
            "2024-11-05T09:12:31.000705Z",
            "arn:aws:iam::123456789012:role/vmware-sddc-formation",
            "02:11:22:33:44:55",
            "the key = value pairs of this password",
            "password: ",
            "3:eyJ",
        ] {
            assert!(!carries_secret(plain, true), "{plain}");
        }
    }
}
