//! From when and until when the certificates and CRLs that the configuration names are valid.
//!
//! Flow: [`DatedFile`] (a key and its path) → [`FileDates`] (every certificate or list of the file)
//! → [`FileDates::not_after`] for the metric, [`FileDates::findings`] for `check` and the start.
//!
//! Only the dates are read here. Whether a certificate is good for anything else is for the TLS
//! library to say, so a file that it takes is never refused for a field that has nothing to do with
//! time.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use der::{
    Decode, Reader, SliceReader, Tag, TagNumber,
    asn1::{GeneralizedTime, UtcTime},
};
use jiff::{Timestamp, tz::TimeZone};
use parking_lot::Mutex;
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, pem::PemObject};

use crate::{gauges, reload::LoadedFile};

/// How long before its end a certificate is warned of.
const WARNED_BEFORE: Duration = Duration::from_secs(14 * 24 * 3600);

/// The times between which a certificate, or a CRL, is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// `notBefore`; a CRL's `thisUpdate`.
    pub not_before: Timestamp,
    /// `notAfter`, or a CRL's `nextUpdate`, which may be absent.
    pub not_after: Option<Timestamp>,
}

impl Validity {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// [`NoDates`].
    pub fn of_certificate(certificate: &[u8]) -> Result<Self, NoDates> {
        certificate_dates(certificate).map_err(|_| NoDates)
    }

    /// Reads a CRL in DER.
    ///
    /// # Errors
    /// [`NoDates`].
    pub fn of_crl(list: &[u8]) -> Result<Self, NoDates> {
        crl_dates(list).map_err(|_| NoDates)
    }

    /// Whether the end has passed. RFC 5280 counts the last second in.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.not_after.is_some_and(|end| now > end)
    }

    fn has_begun(&self, now: Timestamp) -> bool {
        now >= self.not_before
    }
}

/// The dates of a file cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("contains no certificate or CRL whose dates can be read")]
pub struct NoDates;

/// What a dated file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatedKind {
    /// The listener's certificate first, then those between it and its CA.
    Pair,
    /// CAs, each of which stands for itself.
    Authorities,
    /// CRLs, in PEM or one in DER.
    Lists,
}

/// A file of the configuration whose content has dates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatedFile {
    /// The configuration key that names it.
    pub key: &'static str,
    /// What it holds.
    pub kind: DatedKind,
    /// The file itself.
    pub file: LoadedFile,
}

impl DatedFile {
    /// A file by its key.
    pub fn new(key: &'static str, kind: DatedKind, file: &LoadedFile) -> Self {
        Self { key, kind, file: file.clone() }
    }

    /// The file's dates.
    ///
    /// # Errors
    /// [`NoDates`].
    pub fn dates(&self) -> Result<FileDates, NoDates> {
        FileDates::of(self.kind, self.file.content())
    }
}

/// The dates of each certificate or list of one file, in its order; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDates {
    kind: DatedKind,
    each: Vec<Validity>,
}

/// How bad what was found is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file is of no use.
    Failure,
    /// It is, but not all of it or not for long.
    Warning,
}

/// Something about a file's dates that its operator should know: a sentence that follows its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// `has expired on 2026-11-30T10:00:00Z`.
    pub text: String,
}

impl FileDates {
    /// Reads a file's content.
    ///
    /// # Errors
    /// [`NoDates`] when it holds nothing with dates, or something that cannot be read.
    pub fn of(kind: DatedKind, content: &[u8]) -> Result<Self, NoDates> {
        let each = match kind {
            DatedKind::Pair | DatedKind::Authorities => CertificateDer::pem_slice_iter(content)
                .map(|found| Validity::of_certificate(&found.map_err(|_| NoDates)?))
                .collect::<Result<Vec<_>, _>>()?,
            DatedKind::Lists if is_der(content) => vec![Validity::of_crl(content)?],
            DatedKind::Lists => CertificateRevocationListDer::pem_slice_iter(content)
                .map(|found| Validity::of_crl(&found.map_err(|_| NoDates)?))
                .collect::<Result<Vec<_>, _>>()?,
        };
        if each.is_empty() { Err(NoDates) } else { Ok(Self { kind, each }) }
    }

    /// The date of the metric: of a pair or of CRLs the earliest end in the file, of CAs the latest.
    /// `None` for CRLs without `nextUpdate`.
    pub fn not_after(&self) -> Option<Timestamp> {
        let ends = self.each.iter().filter_map(|validity| validity.not_after);
        match self.kind {
            DatedKind::Pair | DatedKind::Lists => ends.min(),
            DatedKind::Authorities => ends.max(),
        }
    }

    /// What is to be said of the dates, the worst first. A CRL is not warned of ahead of its end: many
    /// are issued daily.
    pub fn findings(&self, now: Timestamp) -> Vec<Finding> {
        let all_over = self.each.iter().all(|validity| validity.is_over(now));
        let mut findings: Vec<_> = self
            .each
            .iter()
            .enumerate()
            .filter_map(|(at, validity)| {
                let (severity, text) = self.finding(at, *validity, now)?;
                let severity = match self.kind {
                    DatedKind::Pair if at == 0 => severity,
                    DatedKind::Authorities if all_over => severity,
                    _ => Severity::Warning,
                };
                Some(Finding { severity, text })
            })
            .collect();
        findings.sort_by_key(|finding| finding.severity != Severity::Failure);
        findings
    }

    fn finding(&self, at: usize, validity: Validity, now: Timestamp) -> Option<(Severity, String)> {
        let what = match (self.kind, at) {
            (DatedKind::Pair, 0) => "the certificate".to_owned(),
            (DatedKind::Pair | DatedKind::Authorities, _) if self.each.len() > 1 => {
                format!("certificate number {}", at + 1)
            }
            (DatedKind::Pair | DatedKind::Authorities, _) => "the CA".to_owned(),
            (DatedKind::Lists, _) => format!("CRL number {}", at + 1),
        };
        if !validity.has_begun(now) {
            let begin = date(validity.not_before);
            return Some((Severity::Warning, format!("{what} is not valid before {begin}")));
        }
        let not_after = validity.not_after?;
        let end = date(not_after);
        if validity.is_over(now) {
            return Some((Severity::Failure, format!("{what} expired on {end}")));
        }
        let left = Duration::try_from(not_after.duration_since(now)).unwrap_or_default();
        let days = left.as_secs() / (24 * 3600);
        (self.kind != DatedKind::Lists && left <= WARNED_BEFORE)
            .then(|| (Severity::Warning, format!("{what} expires in {days} days, on {end}")))
    }
}

fn date(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Whether a file is DER instead of PEM: DER begins with the tag of a sequence, which is the digit `0`
/// in ASCII, followed by a length, while PEM has text before its first line at most.
pub fn is_der(content: &[u8]) -> bool {
    matches!(content, [0x30, length, ..] if *length >= 0x80)
}

/// `Certificate` of RFC 5280 section 4.1: its times follow version, serial number, algorithm, issuer.
fn certificate_dates(certificate: &[u8]) -> der::Result<Validity> {
    signed(certificate, |fields| {
        if Tag::peek(fields)? == VERSION {
            fields.tlv_bytes()?;
        }
        for _ in ["serialNumber", "signature", "issuer"] {
            fields.tlv_bytes()?;
        }
        let (not_before, not_after) =
            within(fields.tlv_bytes()?, |times| Ok((time(times)?, time(times)?)))?;
        Ok(Validity { not_before, not_after: Some(not_after) })
    })
}

/// `CertificateList` of RFC 5280 section 5.1: its times follow version, algorithm and issuer.
fn crl_dates(list: &[u8]) -> der::Result<Validity> {
    signed(list, |fields| {
        if Tag::peek(fields)? == Tag::Integer {
            fields.tlv_bytes()?;
        }
        for _ in ["signature", "issuer"] {
            fields.tlv_bytes()?;
        }
        let not_before = time(fields)?;
        let has_next = !fields.is_finished()
            && matches!(Tag::peek(fields)?, Tag::UtcTime | Tag::GeneralizedTime);
        let not_after = has_next.then(|| time(fields)).transpose()?;
        Ok(Validity { not_before, not_after })
    })
}

const VERSION: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };

/// The first element of the outer sequence is what is signed: a sequence itself.
fn signed<T>(
    der: &[u8],
    read: impl FnOnce(&mut SliceReader<'_>) -> der::Result<T>,
) -> der::Result<T> {
    within(der, |outer| within(outer.tlv_bytes()?, read))
}

/// Reads the beginning of a sequence; what follows is left alone.
fn within<T>(
    sequence: &[u8],
    read: impl FnOnce(&mut SliceReader<'_>) -> der::Result<T>,
) -> der::Result<T> {
    let mut outer = SliceReader::new(sequence)?;
    let header = der::Header::decode(&mut outer)?;
    header.tag().assert_eq(Tag::Sequence)?;
    read(&mut SliceReader::new(outer.read_slice(header.length())?)?)
}

fn time(reader: &mut SliceReader<'_>) -> der::Result<Timestamp> {
    let since_epoch = match Tag::peek(reader)? {
        Tag::UtcTime => UtcTime::decode(reader)?.to_unix_duration(),
        _ => GeneralizedTime::decode(reader)?.to_unix_duration(),
    };
    // The last day of the year 9999, which means "no end", is later than a timestamp can say.
    let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
    Ok(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
}

/// Until when each dated file that is in use is valid, by its key. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct CertificateDates(Arc<Mutex<BTreeMap<&'static str, Timestamp>>>);

impl CertificateDates {
    /// Takes the content that is in use from now on. One without dates leaves no date.
    pub fn set(&self, key: &'static str, kind: DatedKind, content: &[u8]) {
        let end = FileDates::of(kind, content).ok().and_then(|dates| dates.not_after());
        let mut dates = self.0.lock();
        match end {
            Some(end) => dates.insert(key, end),
            None => dates.remove(key),
        };
    }
}

impl Collector for CertificateDates {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let ends = self.0.lock().clone();
        gauges::gauges(
            &mut encoder,
            "sddc_gateway_tls_certificate_not_after_timestamp_seconds",
            "When the certificates or CRLs in a file end, in seconds since 1970: the earliest end \
             of a pair or of CRLs, the latest of CAs",
            ends.into_iter().map(|(file, end)| ([("file", file)], end.as_second())),
        )
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn pem(from: i32, until: i32) -> String {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.not_before, params.not_after) =
            (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    fn dates(kind: DatedKind, pems: &[(i32, i32)]) -> FileDates {
        let text: String = pems.iter().map(|(from, until)| pem(*from, *until)).collect();
        FileDates::of(kind, text.as_bytes()).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn dates_are_read_in_both_forms_of_time() {
        let dates = dates(DatedKind::Pair, &[(2020, 2030), (1975, 4096)]);
        let [utc, generalized] = &dates.each[..] else { panic!("{dates:?}") };
        assert_eq!(utc.not_before, at("2020-01-01T00:00:00Z"));
        assert_eq!(utc.not_after, Some(at("2030-01-01T00:00:00Z")));
        assert_eq!(generalized.not_after, Some(at("4096-01-01T00:00:00Z")));
        let text = b"0\x1e no certificate";
        assert_eq!(Validity::of_certificate(text), Err(NoDates));
        assert_eq!(FileDates::of(DatedKind::Pair, text), Err(NoDates));
        assert_eq!(FileDates::of(DatedKind::Lists, b""), Err(NoDates));
    }

    #[test]
    fn a_pair_counts_by_its_earliest_end_and_cas_by_their_latest() {
        let ends = |kind| dates(kind, &[(2020, 2031), (2020, 2030)]).not_after();
        assert_eq!(ends(DatedKind::Pair), Some(at("2030-01-01T00:00:00Z")));
        assert_eq!(ends(DatedKind::Authorities), Some(at("2031-01-01T00:00:00Z")));
    }

    #[test]
    fn what_has_expired_fails_where_nothing_is_left_and_else_warns() {
        let now = at("2029-12-20T00:00:00Z");
        let found = |kind, pems: &[(i32, i32)]| {
            let findings = dates(kind, pems).findings(now);
            let said = |finding: Finding| (finding.severity, finding.text);
            findings.into_iter().map(said).collect::<Vec<_>>()
        };
        let (pair, cas) = (DatedKind::Pair, DatedKind::Authorities);
        assert_eq!(found(pair, &[(2020, 2031)]), []);
        for (kind, pems, severity, text) in [
            (pair, &[(2020, 2029)][..], Severity::Failure, "the certificate expired on 2029"),
            (pair, &[(2030, 2031)], Severity::Warning, "the certificate is not valid before 2030"),
            (
                pair,
                &[(2020, 2030)],
                Severity::Warning,
                "the certificate expires in 12 days, on 203",
            ),
            (
                pair,
                &[(2020, 2031), (2020, 2029)],
                Severity::Warning,
                "certificate number 2 expired",
            ),
            (cas, &[(2020, 2029)], Severity::Failure, "the CA expired on 2029-01-01T00:00:00Z"),
            (cas, &[(2020, 2029), (2020, 2031)], Severity::Warning, "certificate number 1 expired"),
        ] {
            let found = found(kind, pems);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].0, severity, "{found:?}");
            assert!(found[0].1.starts_with(text), "{found:?}");
        }
        assert_eq!(found(cas, &[(2020, 2028), (2020, 2029)]).len(), 2);
    }
}
