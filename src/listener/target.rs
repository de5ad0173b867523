//! Whether a request's target can be read at all.

use http::{StatusCode, Uri};

use crate::problem::{Code, Problem};

const MOST_TARGET_BYTES: usize = 8 * 1024;

/// Refuses a target that is too long, or not correctly percent-encoded UTF-8.
///
/// # Errors
/// The problem to answer: 414 or 400.
pub(super) fn check(uri: &Uri) -> Result<(), Problem> {
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    let mark = usize::from(uri.query().is_some());
    if path.len() + mark + query.len() > MOST_TARGET_BYTES {
        let detail = "a target may have 8 KiB";
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
    // A control character in a name is nobody's honest question.
    std::str::from_utf8(&decoded).is_ok() && !decoded.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_must_be_whole_and_utf_8() {
        for good in ["/sddcs", "/sddcs/a%20b", "/%C3%BC", "/%2e%2E/", "/%25zz"] {
            assert!(check(&good.parse().unwrap()).is_ok(), "{good}");
        }
        for bad in ["/%", "/%2", "/%zz", "/%+1", "/%ff", "/%C3", "/a%00b", "/a?q=%zz", "/a?q=%ff"] {
            let problem = check(&bad.parse().unwrap()).unwrap_err();
            assert_eq!(problem.code(), Code::BadRequest, "{bad}");
        }
        let long = format!("/{}", "x".repeat(8 * 1024 + 1)).parse().unwrap();
        assert_eq!(check(&long).unwrap_err().code(), Code::TooLarge);
    }
}
