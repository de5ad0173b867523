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

/// The OAuth app's secret, without the line ends at the end of its file. Any character may occur in it
/// that is no control character.
#[derive(Clone)]
pub struct ClientSecret(SecretString);

base::closed_set! {
    /// Why a text or a file's content is no client secret, as `/readyz` shows it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
    pub enum InvalidClientSecret {
        /// Nothing there, or white space only.
        #[error("is empty")]
        Empty = "empty",
        /// Some other encoding, or no text at all.
        #[error("is not UTF-8")]
        NotUtf8 = "not utf-8",
        /// Editors put one before a text, and it would be sent.
        #[error("starts with a byte order mark: save the file without it")]
        ByteOrderMark = "byte order mark",
        /// A text of two bytes per character has one in each.
        #[error("contains a NUL character")]
        Nul = "nul character",
        /// RFC 7617 section 2 forbids them; most often a line end in the middle.
        #[error("contains a control character, such as a tab, or a line end before its end")]
        Control = "control character",
    }
}

impl ClientSecret {
    /// Takes the text of a secret file or variable: see [`ClientSecret::from_bytes`].
    ///
    /// # Errors
    /// [`InvalidClientSecret`].
    pub fn from_text(text: &str) -> Result<Self, InvalidClientSecret> {
        let secret = text.trim_end_matches(['\r', '\n']);
        if secret.trim().is_empty() {
            Err(InvalidClientSecret::Empty)
        } else if secret.contains('\u{feff}') {
            Err(InvalidClientSecret::ByteOrderMark)
        } else if secret.contains('\0') {
            Err(InvalidClientSecret::Nul)
        } else if secret.chars().any(char::is_control) {
            Err(InvalidClientSecret::Control)
        } else {
            Ok(Self(secret.to_owned().into()))
        }
    }

    /// Takes the content of a secret file: line ends at its end are cut, blanks are part of it.
    ///
    /// # Errors
    /// [`InvalidClientSecret`]: what no secret holds, and an editor or a shell puts there. Nothing but
    /// white space is a file caught in the middle of a write, or a mistake.
    pub fn from_bytes(content: &[u8]) -> Result<Self, InvalidClientSecret> {
        const UTF_16: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];
        if UTF_16.iter().any(|mark| content.starts_with(mark)) {
            return Err(InvalidClientSecret::ByteOrderMark);
        }
        let text = std::str::from_utf8(content).map_err(|_| InvalidClientSecret::NotUtf8)?;
        Self::from_text(text)
    }

    /// The one place where the secret leaves its wrapper: for HTTP Basic on the token call, and to
    /// find it in a text.
    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether both hold the same secret; takes the same time wherever they differ.
    pub fn same_as(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq;
        self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
    }
}

base::opaque_debug!(ClientSecret);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_at_the_end_are_cut_and_nothing_else() {
        let read = |text: &str| {
            ClientSecret::from_bytes(text.as_bytes()).map(|secret| secret.expose().to_owned())
        };
        for text in ["s3cret", "s3cret\n", "s3cret\r\n", "s3cret\n\n", "s3cret\r\n\r\n"] {
            assert_eq!(read(text).as_deref(), Ok("s3cret"), "{text:?}");
        }
        assert_eq!(read(" :%&+=ü \n").as_deref(), Ok(" :%&+=ü "), "blanks are part of it");
        for nothing in ["", "\n", "\n\n", " \t\r\n"] {
            assert_eq!(read(nothing), Err(InvalidClientSecret::Empty));
        }
    }

    #[test]
    fn what_an_editor_adds_is_refused_with_its_name() {
        for (content, fault) in [
            (&b"\xef\xbb\xbfs3cret"[..], InvalidClientSecret::ByteOrderMark),
            (b"\xff\xfes\x003\x00", InvalidClientSecret::ByteOrderMark),
            (b"s3cret\xff", InvalidClientSecret::NotUtf8),
            (b"s\x003\x00", InvalidClientSecret::Nul),
            (b"s3cret\0", InvalidClientSecret::Nul),
            (b"s3\ncret", InvalidClientSecret::Control),
            (b"s3\tcret", InvalidClientSecret::Control),
            (b"s3cret\x7f", InvalidClientSecret::Control),
            ("s3\u{85}cret".as_bytes(), InvalidClientSecret::Control),
        ] {
            assert_eq!(ClientSecret::from_bytes(content).err(), Some(fault), "{content:?}");
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
