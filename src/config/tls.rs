//! TLS for callers: five keys that only make sense together.

use super::{reader::Reader, value};
use crate::{
    access::ClientAuthorities,
    clock::Clock,
    crypto::provider,
    listener::{
        ClientAuthSettings, TlsSettings,
        tls::{ServerIdentity, check_chain, check_key},
    },
    reload::LoadedFile,
};

const CERT: &str = "api.tls_cert";
const KEY: &str = "api.tls_key";
const CA: &str = "api.tls_client_ca";
const CRL: &str = "api.tls_client_crl";
const AUTH: &str = "api.tls_client_auth";

/// Whether a certificate is required.
const MODES: &[(&str, bool)] = &[("optional", false), ("required", true)];

/// `None` without TLS, and when something is wrong, which is noted.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<TlsSettings> {
    let cert = reader.file(CERT, check_chain);
    let key = reader.file(KEY, check_key);
    needs(reader, CERT, KEY);
    needs(reader, KEY, CERT);
    let client = read_client(reader);
    let (cert, key) = (cert?, key?);
    check_pair(reader, &cert, &key);
    Some(TlsSettings { cert, key, client })
}

fn read_client(reader: &mut Reader<'_>) -> Option<ClientAuthSettings> {
    let ca = reader.file(CA, |pem| check_authorities(pem, None));
    // A list says nothing of whose it is until it is used.
    let crl = reader.file(CRL, |_| Ok::<_, String>(()));
    let required = reader.value(AUTH, value::choice(MODES));
    needs(reader, CA, CERT);
    needs(reader, CRL, CA);
    needs(reader, AUTH, CA);
    let ca = ca?;
    if let Some(crl) = &crl {
        check_crls(reader, &ca, crl);
    }
    Some(ClientAuthSettings { ca, crl, required })
}

fn needs(reader: &mut Reader<'_>, name: &str, other: &str) {
    if reader.is_set(name) && !reader.is_set(other) {
        let origin = reader.origin(name);
        reader.fault(name, format!("is of no use without {other}, which is not set"), &origin);
    }
}

fn check_pair(reader: &mut Reader<'_>, cert: &LoadedFile, key: &LoadedFile) {
    let now = Clock::system().wall();
    let checked = ServerIdentity::from_pem(cert.content(), key.content());
    if let Err(fault) = checked.and_then(|identity| identity.check_dates(now)) {
        let origin = reader.origin(fault.key());
        let path = if fault.key() == CERT { cert.path() } else { key.path() };
        reader.fault(fault.key(), format!("\"{}\" {fault}", path.display()), &origin);
    }
}

fn check_authorities(ca: &[u8], crl: Option<&[u8]>) -> Result<(), String> {
    let authorities = ClientAuthorities::from_pem(ca, crl, false, provider());
    authorities.map(|_| ()).map_err(|fault| fault.to_string())
}

fn check_crls(reader: &mut Reader<'_>, ca: &LoadedFile, crl: &LoadedFile) {
    if let Err(fault) = check_authorities(ca.content(), Some(crl.content())) {
        let origin = reader.origin(CRL);
        reader.fault(CRL, format!("\"{}\" {fault}", crl.path().display()), &origin);
    }
}
