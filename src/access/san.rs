//! Names in certificates: the subject alternative names that a caller is known by.

use std::{fmt, str::FromStr};

use rustls::pki_types::DnsName;

/// A subject alternative name (RFC 5280 section 4.2.1.6). Two are the same only if all of it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SanName {
    /// A URI, such as a SPIFFE id, compared byte by byte.
    Uri(Box<str>),
    /// A DNS name in lower case, never a wildcard.
    Dns(Box<str>),
}

/// A text that names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSanName {
    /// Neither kind.
    #[error("must begin with uri: or dns:")]
    Kind,
    /// No URI.
    #[error("must be a URI with a scheme after uri:, such as uri:spiffe://example.org/billing")]
    Uri,
    /// No DNS name.
    #[error("must be a DNS name after dns:, without wildcard and final dot")]
    Dns,
}

impl SanName {
    /// `None` for what could not be configured either.
    pub(super) fn uri(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        let has_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(in_scheme);
        let sound = has_scheme && !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic());
        sound.then(|| Self::Uri(text.into()))
    }

    /// `None` for a wildcard and what is no name.
    pub(super) fn dns(text: &str) -> Option<Self> {
        let sound = !text.ends_with('.') && DnsName::try_from(text).is_ok();
        sound.then(|| Self::Dns(text.to_ascii_lowercase().into()))
    }
}

impl FromStr for SanName {
    type Err = InvalidSanName;

    /// `uri:spiffe://…` or `dns:…`.
    fn from_str(text: &str) -> Result<Self, InvalidSanName> {
        match text.split_once(':') {
            Some(("uri", uri)) => Self::uri(uri).ok_or(InvalidSanName::Uri),
            Some(("dns", name)) => Self::dns(name).ok_or(InvalidSanName::Dns),
            _ => Err(InvalidSanName::Kind),
        }
    }
}

impl fmt::Display for SanName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri(uri) => write!(f, "uri:{uri}"),
            Self::Dns(name) => write!(f, "dns:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_a_uri_or_a_dns_name_and_reads_back() {
        for (text, shown) in [
            ("uri:spiffe://example.org/billing", "uri:spiffe://example.org/billing"),
            ("uri:urn:uuid:1-2", "uri:urn:uuid:1-2"),
            ("uri:SPIFFE://A/b", "uri:SPIFFE://A/b"),
            ("dns:Billing.Example.org", "dns:billing.example.org"),
            ("dns:billing", "dns:billing"),
        ] {
            let name: SanName = text.parse().unwrap();
            assert_eq!(name.to_string(), shown);
            assert_eq!(shown.parse(), Ok(name));
        }
    }

    #[test]
    fn what_names_nobody_is_refused_in_words() {
        for (text, fault) in [
            ("", InvalidSanName::Kind),
            ("billing", InvalidSanName::Kind),
            ("URI:a:b", InvalidSanName::Kind),
            ("email:a@b", InvalidSanName::Kind),
            ("uri:", InvalidSanName::Uri),
            ("uri:nothing", InvalidSanName::Uri),
            ("uri:1a:b", InvalidSanName::Uri),
            ("uri::b", InvalidSanName::Uri),
            ("uri:a:", InvalidSanName::Uri),
            ("uri:spiffe://a b", InvalidSanName::Uri),
            ("uri:spiffe://ü", InvalidSanName::Uri),
            ("dns:", InvalidSanName::Dns),
            ("dns:*.example.org", InvalidSanName::Dns),
            ("dns:example.org.", InvalidSanName::Dns),
            ("dns:a b", InvalidSanName::Dns),
            ("dns:a:80", InvalidSanName::Dns),
            ("dns:..", InvalidSanName::Dns),
        ] {
            assert_eq!(text.parse::<SanName>(), Err(fault), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused_and_what_is_taken_reads_back(text in "(uri:|dns:)?.{0,40}") {
            if let Ok(name) = text.parse::<SanName>() {
                prop_assert_eq!(name.to_string().parse(), Ok(name));
            }
        }
    }
}
