//! The OAuth app's id and secret: types that validate when built and cannot be printed.

use std::{fmt, str::FromStr};

use secrecy::{ExposeSecret, SecretString};

/// OAuth app id. RFC 7617 joins id and secret with a colon, so an id with one could not be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientId(String);

/// Why a text is no client id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClientId {
    /// Nothing there.
    #[error("must not be empty")]
    Empty,
    /// A colon would move the border between id and secret (RFC 7617 section 2).
    #[error("must not contain ':', because HTTP Basic ends the id there")]
    Colon,
    /// RFC 7617 section 2 forbids control characters.
    #[error("must not contain control characters")]
    Control,
}

impl ClientId {
    /// The id as sent to CSP.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClientId {
    type Err = InvalidClientId;
    fn from_str(text: &str) -> Result<Self, InvalidClientId> {
        if text.is_empty() {
            Err(InvalidClientId::Empty)
        } else if text.contains(':') {
            Err(InvalidClientId::Colon)
        } else if text.chars().any(char::is_control) {
            Err(InvalidClientId::Control)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The OAuth app's secret, without the newline that ends its file. Any other character may occur.
#[derive(Clone)]
pub struct ClientSecret(SecretString);

impl ClientSecret {
    /// Takes the content of a secret file or variable: one trailing newline (`\n` or `\r\n`) is
    /// cut. `None` when nothing is left, or nothing but white space: that is a file caught in the
    /// middle of a write, or a mistake.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        (!text.trim().is_empty()).then(|| Self(text.to_owned().into()))
    }

    /// The one place where the secret leaves its wrapper: for HTTP Basic on the token call, and to
    /// find it in a text.
    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether both hold the same secret; takes the same time wherever they differ.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq;
        self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trailing_newline_is_cut_and_nothing_else() {
        let read = |text| ClientSecret::from_text(text).map(|secret| secret.expose().to_owned());
        assert_eq!(read("s3cret\n").as_deref(), Some("s3cret"));
        assert_eq!(read("s3cret\r\n").as_deref(), Some("s3cret"));
        assert_eq!(read("s3cret\n\n").as_deref(), Some("s3cret\n"));
        assert_eq!(read(" :%&+=ü ").as_deref(), Some(" :%&+=ü "));
        for nothing in ["", "\n", "\n\n", " \t\r\n"] {
            assert_eq!(read(nothing), None);
        }
    }

    #[test]
    fn a_secret_cannot_be_printed() {
        let secret = ClientSecret::from_text("CANARY").expect("not empty");
        assert!(!format!("{secret:?}").contains("CANARY"));
    }

    #[test]
    fn a_client_id_with_a_colon_is_refused() {
        assert_eq!("a:b".parse::<ClientId>(), Err(InvalidClientId::Colon));
        assert_eq!("".parse::<ClientId>(), Err(InvalidClientId::Empty));
        assert_eq!("a\nb".parse::<ClientId>(), Err(InvalidClientId::Control));
    }
}
