//! A CA of the tests' own: servers' and callers' certificates, and what it has revoked.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SanType, SerialNumber, date_time_ymd,
};
use tempfile::TempDir;

/// A CA.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    last_serial: AtomicU64,
}

/// A certificate and its key.
pub struct Pair {
    pub cert: String,
    pub key: String,
    serial: u64,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer, last_serial: AtomicU64::new(1) }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// For a server on this machine.
    pub fn server(&self) -> Pair {
        self.server_until(2100)
    }

    /// Valid until the first day of `year`.
    pub fn server_until(&self, year: i32) -> Pair {
        let names = ["localhost".try_into().unwrap()].map(SanType::DnsName);
        self.sign(names.into(), ExtendedKeyUsagePurpose::ServerAuth, year)
    }

    /// For a caller with these names: `uri:…` and `dns:…`.
    pub fn client(&self, names: &[&str]) -> Pair {
        self.client_until(names, 2100)
    }

    /// Good until the first day of `year`.
    pub fn client_until(&self, names: &[&str], year: i32) -> Pair {
        let name = |name: &&str| match name.split_once(':').unwrap() {
            ("uri", uri) => SanType::URI(uri.try_into().unwrap()),
            (_, name) => SanType::DnsName(name.try_into().unwrap()),
        };
        let names = names.iter().map(name).collect();
        self.sign(names, ExtendedKeyUsagePurpose::ClientAuth, year)
    }

    fn sign(&self, names: Vec<SanType>, usage: ExtendedKeyUsagePurpose, year: i32) -> Pair {
        let serial = self.last_serial.fetch_add(1, Ordering::Relaxed) + 1;
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names;
        params.extended_key_usages = vec![usage];
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { cert, key: key.serialize_pem(), serial }
    }

    /// A list that is good for long.
    pub fn crl(&self, revoked: &[&Pair]) -> String {
        let revoked_certs = revoked.iter().map(|pair| RevokedCertParams {
            serial_number: SerialNumber::from(pair.serial),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2100, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: revoked_certs.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

/// The files of a TLS listener, which a test may change.
pub struct Files {
    directory: TempDir,
    /// Whose certificate the listener shows first.
    pub authority: Authority,
}

impl Default for Files {
    fn default() -> Self {
        Self::new()
    }
}

impl Files {
    pub fn new() -> Self {
        let files =
            Self { directory: TempDir::new().unwrap(), authority: Authority::new("servers' CA") };
        files.show(&files.authority.server());
        files
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// Puts the listener's certificate in place.
    pub fn show(&self, pair: &Pair) {
        self.write("tls.crt", &pair.cert);
        self.write("tls.key", &pair.key);
    }
}
