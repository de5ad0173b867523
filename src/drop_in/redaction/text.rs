//! Texts within documents: what they say, and whether they carry a secret.

use std::char;

use super::names::looks_secret;

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

/// Whether a text that is no document carries a secret by its look: a signed URL, credentials in a URL, a private
/// key, or a piece of a document with a secret in it.
pub(super) fn carries_secret(text: &str) -> bool {
    text.contains("PRIVATE KEY-----")
        || text.split("://").skip(1).any(is_secret_url)
        || text.rsplit([':', '=']).skip(1).any(ends_with_secret_name)
}

/// Whether what follows `://` has a password in its authority, or a parameter that is as good as one.
fn is_secret_url(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let parameters = rest.split(['?', '&', ';', '#']).skip(1);
    let mut names =
        parameters.filter_map(|parameter| parameter.split_once('=')).map(|(name, _)| name);
    authority.split_once('@').is_some_and(|(user, _)| user.contains(':'))
        || names.any(|name| name.eq_ignore_ascii_case("sig") || looks_secret(name))
}

/// Whether a quoted name that looks secret stands at the end: what follows is its value.
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
        ] {
            assert!(carries_secret(secret), "{secret}");
        }
        for plain in [
            "https://vcenter.example/ui?locale=en",
            "ops@example.com",
            "https://ops@example.com/x",
            "what's up: nothing",
            r#"state of "prod": READY"#,
            r#"there is no "password""#,
            "2024-11-05T09:12:31.000705Z",
        ] {
            assert!(!carries_secret(plain), "{plain}");
        }
    }
}
