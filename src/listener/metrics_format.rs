//! Which of its two formats `/metrics` answers in.

use http::{HeaderMap, header::ACCEPT};

/// A format of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetricsFormat {
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
    /// The Prometheus text format 0.0.4, which every scraper reads.
    Text,
}

impl MetricsFormat {
    /// `OpenMetrics` where `Accept` names it, and prefers no other to it; else the text format, also
    /// where `Accept` allows neither: a scraper would rather have a page than a 406.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let (mut open, mut text) = (0, FormatPreference { specificity: 0, q: 0 });
        let fields = headers.get_all(ACCEPT).iter().filter_map(|field| field.to_str().ok());
        for range in fields.flat_map(|field| field.split(',')) {
            let Some(range) = MediaRange::parse(range) else { continue };
            match range.media_type.as_str() {
                "application/openmetrics-text" if range.is_version("1.0.0") => {
                    open = open.max(range.q);
                }
                "text/plain" if range.is_version("0.0.4") => text.consider(3, range.q),
                "text/*" => text.consider(2, range.q),
                "*/*" => text.consider(1, range.q),
                _ => {}
            }
        }
        if open > 0 && open >= text.q { Self::OpenMetrics } else { Self::Text }
    }

    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// How much the text format is wanted: the most specific range counts (RFC 9110 section 12.5.1).
struct FormatPreference {
    specificity: u8,
    q: u16,
}

impl FormatPreference {
    fn consider(&mut self, specificity: u8, q: u16) {
        if specificity > self.specificity {
            *self = Self { specificity, q };
        } else if specificity == self.specificity {
            self.q = self.q.max(q);
        }
    }
}

/// One media range of `Accept`.
struct MediaRange {
    /// In lower case.
    media_type: String,
    version: Option<String>,
    /// In thousandths.
    q: u16,
}

impl MediaRange {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let media_type = parts.next().filter(|text| !text.is_empty())?.to_ascii_lowercase();
        let mut range = Self { media_type, version: None, q: 1000 };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "version" => range.version = Some(value.to_owned()),
                "q" => range.q = thousandths(value)?,
                _ => {}
            }
        }
        Some(range)
    }

    fn is_version(&self, version: &str) -> bool {
        self.version.as_deref().is_none_or(|named| named == version)
    }
}

fn thousandths(text: &str) -> Option<u16> {
    let q: f64 = text.parse().ok().filter(|q| (0.0..=1.0).contains(q))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
    let q = (q * 1000.0).round() as u16;
    Some(q)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::{MetricsFormat::*, *};

    #[test]
    fn openmetrics_is_for_who_names_it_and_prefers_nothing_to_it() {
        let accepted = |accept: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for field in accept {
                headers.append(ACCEPT, HeaderValue::from_static(field));
            }
            MetricsFormat::accepted(&headers)
        };
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,\
            application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,\
            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for accept in [
            &[prometheus_2][..],
            &[prometheus_3],
            &["application/openmetrics-text"],
            &["Application/OpenMetrics-Text; Version=\"1.0.0\"; charset=utf-8"],
            &["text/plain;q=0.5, application/openmetrics-text;q=0.6"],
            &["text/plain; q=0.2", "application/openmetrics-text; q=0.3"],
            &["application/openmetrics-text;q=0.5, text/plain;q=0.1, */*"],
        ] {
            assert_eq!(accepted(accept), OpenMetrics, "{accept:?}");
        }
        for accept in [
            &[][..],
            &["*/*"],
            &["text/plain"],
            &["text/plain;version=0.0.4"],
            &["application/json"],
            &["application/openmetrics-text;q=0"],
            &["application/openmetrics-text;version=2.0.0"],
            &["application/openmetrics-text;q=0.5, text/plain"],
            &["application/openmetrics-text;q=0.5, text/plain;q=0.6"],
            &["application/openmetrics-text;q=0.2, */*;q=0.8"],
            &["application/openmetrics-text;q=x"],
            &["application/*"],
            &[""],
        ] {
            assert_eq!(accepted(accept), Text, "{accept:?}");
        }
    }
}
