//! Whom callers ask for a key: `api.contact`.

use std::{fmt, str::FromStr, sync::Arc};

use url::Url;

/// The longest text.
const MAX_CHARS: usize = 200;

/// Whom to ask: a sentence, a name, an address of a page or of mail. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact(Arc<str>);

/// A text that is no contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a text of 1 to 200 characters, none of them a control character")]
pub struct InvalidContact;

impl Contact {
    /// As it was configured.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it leads to, if it is an `https` URL, a `mailto:` URL or a mail address.
    pub fn link(&self) -> Option<Url> {
        if let Some(address) = self.mail() {
            return Url::parse(&format!("mailto:{address}")).ok();
        }
        Url::parse(&self.0).ok().filter(|url| url.scheme() == "https")
    }

    /// The mail address that it is.
    pub fn mail(&self) -> Option<&str> {
        let address = self.0.strip_prefix("mailto:").unwrap_or(&self.0);
        let (user, host) = address.split_once('@')?;
        let is_of = |text: &str, more: &[u8]| {
            let is_good = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
            !text.is_empty() && text.bytes().all(is_good)
        };
        (is_of(user, b".+_-") && is_of(host, b".-") && host.contains('.')).then_some(address)
    }
}

impl FromStr for Contact {
    type Err = InvalidContact;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let is_good = (1..=MAX_CHARS).contains(&text.chars().count());
        let is_good = is_good && !text.chars().any(char::is_control);
        is_good.then(|| Self(text.into())).ok_or(InvalidContact)
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_mail_addresses_lead_somewhere() {
        for (text, link, mail) in [
            ("cloud@example.org", "mailto:cloud@example.org", "cloud@example.org"),
            ("mailto:cloud@example.org", "mailto:cloud@example.org", "cloud@example.org"),
            ("https://example.org/keys?a=b", "https://example.org/keys?a=b", ""),
            ("http://example.org/", "", ""),
            ("javascript:alert(1)", "", ""),
            ("the platform team, #cloud", "", ""),
            ("ask a@b.example", "", ""),
            ("a@b", "", ""),
            ("@example.org", "", ""),
        ] {
            let contact: Contact = text.parse().unwrap();
            let found = contact.link().map(|url| url.to_string()).unwrap_or_default();
            assert_eq!((&*found, contact.mail().unwrap_or_default()), (link, mail), "{text}");
        }
        for odd in ["", "  ", "a\nb", &"x".repeat(201)] {
            assert_eq!(odd.parse::<Contact>(), Err(InvalidContact), "{odd:?}");
        }
    }
}
