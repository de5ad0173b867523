//! What the operating system says, in words: for logs, faults and `check`.

use std::{borrow::Cow, io};

/// The words for a kind of error, such as `permission denied` or `no such file or directory`: in
/// lower case, without a number.
pub fn in_words(kind: io::ErrorKind) -> Cow<'static, str> {
    use io::ErrorKind as Kind;
    Cow::Borrowed(match kind {
        Kind::NotFound => "no such file or directory",
        Kind::PermissionDenied => "permission denied",
        Kind::AddrInUse => "the address is already in use",
        Kind::AddrNotAvailable => "the address is not one of this machine",
        Kind::ConnectionRefused => "connection refused",
        Kind::ConnectionReset => "connection reset by peer",
        Kind::TimedOut => "timed out",
        Kind::UnexpectedEof => "unexpected end of file",
        Kind::IsADirectory => "is a directory",
        Kind::NotADirectory => "not a directory",
        Kind::ReadOnlyFilesystem => "read-only file system",
        Kind::StorageFull => "no space left on device",
        Kind::QuotaExceeded => "disk quota exceeded",
        Kind::BrokenPipe => "broken pipe",
        Kind::WriteZero => "nothing could be written",
        other => return Cow::Owned(other.to_string()),
    })
}

/// The words for an error: those of its kind where it has one, else the system's own text without
/// its number.
pub fn describe(error: &io::Error) -> Cow<'static, str> {
    let words = in_words(error.kind());
    if matches!(words, Cow::Borrowed(_)) && error.get_ref().is_none() {
        return words;
    }
    let text = without_number(&error.to_string());
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
    Cow::Owned(first + chars.as_str())
}

/// A text without any ` (os error 13)`, which means nothing to most readers.
pub fn without_number(text: &str) -> String {
    const MARK: &str = " (os error ";
    let mut words = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(MARK) {
        words.push_str(before);
        match after.split_once(')') {
            Some((number, after)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                rest = after;
            }
            _ => {
                words.push_str(MARK);
                rest = after;
            }
        }
    }
    words + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_are_told_in_words() {
        // ENOENT, EACCES, EADDRINUSE, EMFILE and ENAMETOOLONG are the same on every Linux.
        for (number, words) in [
            (2, "no such file or directory"),
            (13, "permission denied"),
            (98, "the address is already in use"),
            (24, "too many open files"),
            (36, "file name too long"),
        ] {
            assert_eq!(describe(&io::Error::from_raw_os_error(number)), words);
        }
        assert_eq!(describe(&io::Error::other("it panicked")), "it panicked");
        assert_eq!(in_words(io::ErrorKind::NotFound), "no such file or directory");
    }

    #[test]
    fn numbers_are_cut_and_nothing_else() {
        for (text, words) in [
            ("Permission denied (os error 13)", "Permission denied"),
            ("a (os error 2): b (os error 3)", "a: b"),
            ("a (os error", "a (os error"),
            ("a (os error x) b", "a (os error x) b"),
            ("", ""),
        ] {
            assert_eq!(without_number(text), words);
        }
    }
}
