//! Whether a request can be read at all: its target, its size, and where its body ends.

use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Uri,
    header::{ALLOW, CONNECTION, TRANSFER_ENCODING},
};
use http_body::Body;

use super::body::{MAX_BODY_BYTES, body_too_large};
use crate::problem::{Code, Problem};

const MAX_TARGET_BYTES: usize = 8 * 1024;
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Refuses what cannot be read, or asks about the server instead of a path (`OPTIONS *`).
///
/// # Errors
/// The problem to answer: 400, 405 or 414.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), Problem> {
    check_framing(request.headers())?;
    check_target(request.uri())?;
    if request.method() == Method::OPTIONS && request.uri().path() == "*" {
        let detail = "this server accepts only GET and HEAD";
        return Err(Problem::new(Code::MethodNotAllowed, detail)
            .with_header(ALLOW, HeaderValue::from_static("GET,HEAD")));
    }
    Ok(())
}

/// Refuses header fields that are too large together, and a body that is known to be.
///
/// # Errors
/// The problem to answer: 431 or 413.
pub(super) fn check_size(request: &Request<impl Body>) -> Result<(), Problem> {
    let fields = request.headers().iter();
    // As on the wire: the colon, the blank and the line's end count too.
    let size: usize = fields.map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if size > MAX_HEADER_BYTES {
        let detail = "all header fields together may have at most 16 KiB";
        return Err(Problem::new(Code::TooLarge, detail)
            .with_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
    }
    if request.body().size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(body_too_large());
    }
    Ok(())
}

/// Refuses every `Transfer-Encoding` but a single `chunked`. hyper looks at the last coding of the
/// last field only, and a proxy in front may look at another: where the two disagree about the end
/// of a body, the rest of it is a request that was not checked. So the connection ends too.
fn check_framing(headers: &HeaderMap) -> Result<(), Problem> {
    let mut fields = headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = |field: &HeaderValue| field.as_bytes().eq_ignore_ascii_case(b"chunked");
    match (fields.next(), fields.next()) {
        (None, _) => Ok(()),
        (Some(field), None) if is_chunked(field) => Ok(()),
        _ => {
            let detail = "the only Transfer-Encoding accepted is a single chunked";
            Err(Problem::new(Code::BadRequest, detail)
                .with_header(CONNECTION, HeaderValue::from_static("close")))
        }
    }
}

/// Refuses a target that is too long, or not correctly percent-encoded UTF-8.
pub(super) fn check_target(uri: &Uri) -> Result<(), Problem> {
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    let mark = usize::from(uri.query().is_some());
    if path.len() + mark + query.len() > MAX_TARGET_BYTES {
        let detail = "a target may have at most 8 KiB";
        return Err(Problem::new(Code::TooLarge, detail).with_status(StatusCode::URI_TOO_LONG));
    }
    if !(is_well_encoded(path) && is_well_encoded(query)) {
        let detail = "the target is not correctly percent-encoded UTF-8";
        return Err(Problem::new(Code::BadRequest, detail));
    }
    Ok(())
}

fn is_well_encoded(text: &str) -> bool {
    let Some(first) = text.find('%') else { return true };
    let mut rest = &text.as_bytes()[first..];
    let mut decoded = Vec::with_capacity(rest.len());
    while let [byte, after @ ..] = rest {
        if *byte != b'%' {
            decoded.push(*byte);
            rest = after;
            continue;
        }
        let [high, low, after @ ..] = after else { return false };
        let digit = |digit: &u8| char::from(*digit).to_digit(16);
        let (Some(high), Some(low)) = (digit(high), digit(low)) else { return false };
        decoded.push(u8::try_from(high * 16 + low).unwrap_or_default());
        rest = after;
    }
    // No honest client puts a NUL into a name.
    std::str::from_utf8(&decoded).is_ok() && !decoded.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_must_be_whole_and_utf_8() {
        for good in ["/sddcs", "/sddcs/a%20b", "/%C3%BC", "/%2e%2E/", "/%25zz"] {
            assert!(check_target(&good.parse().unwrap()).is_ok(), "{good}");
        }
        for bad in ["/%", "/%2", "/%zz", "/%+1", "/%ff", "/%C3", "/a%00b", "/a?q=%zz", "/a?q=%ff"] {
            let problem = check_target(&bad.parse().unwrap()).unwrap_err();
            assert_eq!(problem.code(), Code::BadRequest, "{bad}");
        }
        let long = format!("/{}", "x".repeat(8 * 1024 + 1)).parse().unwrap();
        assert_eq!(check_target(&long).unwrap_err().code(), Code::TooLarge);
    }

    #[test]
    fn of_transfer_encodings_only_one_chunked_is_taken() {
        let check = |fields: &[&str]| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(TRANSFER_ENCODING, HeaderValue::from_str(field).unwrap());
            }
            check_framing(&headers).is_ok()
        };
        for good in [&[][..], &["chunked"], &["Chunked"]] {
            assert!(check(good), "{good:?}");
        }
        for bad in [
            &["chunked", "chunked"][..],
            &["gzip", "chunked"],
            &["chunked", "identity"],
            &["gzip, chunked"],
            &["chunked, chunked"],
            &["chunked;q=1"],
            &["identity"],
            &["xchunked"],
            &[""],
        ] {
            assert!(!check(bad), "{bad:?}");
        }
    }
}
