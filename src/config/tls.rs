//! TLS for callers: five keys that only make sense together.

use super::{keys::Key, reader::Reader, table::api};
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

/// `None` without TLS, and when something is wrong, which is noted.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<TlsSettings> {
    let cert = reader.file(&api::tls_cert, check_chain);
    let key = reader.file(&api::tls_key, check_key);
    needs(reader, &api::tls_cert, &api::tls_key);
    needs(reader, &api::tls_key, &api::tls_cert);
    let client = read_client(reader);
    let (cert, key) = (cert?, key?);
    check_pair(reader, &cert, &key);
    Some(TlsSettings { cert, key, client })
}

fn read_client(reader: &mut Reader<'_>) -> Option<ClientAuthSettings> {
    let ca = reader.file(&api::tls_client_ca, |pem| check_authorities(pem, None));
    // A list says nothing of whose it is until it is used.
    let crl = reader.file(&api::tls_client_crl, |_| Ok::<_, String>(()));
    let required = reader.value(&api::tls_client_auth);
    needs(reader, &api::tls_client_ca, &api::tls_cert);
    needs(reader, &api::tls_client_crl, &api::tls_client_ca);
    needs(reader, &api::tls_client_auth, &api::tls_client_ca);
    let ca = ca?;
    if let Some(crl) = &crl {
        check_crls(reader, &ca, crl);
    }
    Some(ClientAuthSettings { ca, crl, required })
}

fn needs(reader: &mut Reader<'_>, key: &Key, other: &Key) {
    if reader.is_set(key) && !reader.is_set(other) {
        let problem = format!("has no effect without {}, which is not set", other.name);
        let origin = reader.origin(key);
        reader.fault(key.name, problem, &origin);
    }
}

fn check_pair(reader: &mut Reader<'_>, cert: &LoadedFile, key: &LoadedFile) {
    let now = Clock::system().wall();
    let checked = ServerIdentity::from_pem(cert.content(), key.content());
    if let Err(fault) = checked.and_then(|identity| identity.check_dates(now)) {
        let is_certs = fault.key() == api::tls_cert.name;
        let origin = reader.origin(if is_certs { &api::tls_cert } else { &api::tls_key });
        let path = if is_certs { cert.path() } else { key.path() };
        reader.fault(fault.key(), format!("\"{}\" {fault}", path.display()), &origin);
    }
}

fn check_authorities(ca: &[u8], crl: Option<&[u8]>) -> Result<(), String> {
    let authorities = ClientAuthorities::from_pem(ca, crl, false, provider());
    authorities.map(|_| ()).map_err(|fault| fault.to_string())
}

fn check_crls(reader: &mut Reader<'_>, ca: &LoadedFile, crl: &LoadedFile) {
    if let Err(fault) = check_authorities(ca.content(), Some(crl.content())) {
        let origin = reader.origin(&api::tls_client_crl);
        reader.fault(
            api::tls_client_crl.name,
            format!("\"{}\" {fault}", crl.path().display()),
            &origin,
        );
    }
}
