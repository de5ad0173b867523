//! TLS for callers: five keys that only make sense together.

use std::path::{Path, PathBuf};

use super::{check::read as content, reader::Reader, value};
use crate::{
    access::ClientAuthorities,
    clock::Clock,
    crypto::provider,
    listener::{
        ClientAuthSettings, TlsSettings,
        tls::{ServerIdentity, check_chain, check_key},
    },
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
    let cert = file(reader, CERT, |pem| check_chain(pem).map_err(|fault| fault.to_string()));
    let key = file(reader, KEY, |pem| check_key(pem).map_err(|fault| fault.to_string()));
    needs(reader, CERT, KEY);
    needs(reader, KEY, CERT);
    let client = read_client(reader);
    let (cert, key) = (cert?, key?);
    check_pair(reader, &cert, &key);
    Some(TlsSettings { cert, key, client })
}

fn read_client(reader: &mut Reader<'_>) -> Option<ClientAuthSettings> {
    let ca = file(reader, CA, |pem| check_authorities(pem, None));
    // A list says nothing of whose it is until it is used.
    let crl = file(reader, CRL, |_| Ok(()));
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

/// A file's name, if its content is good.
fn file(
    reader: &mut Reader<'_>,
    name: &str,
    check: impl Fn(&[u8]) -> Result<(), String>,
) -> Option<PathBuf> {
    reader.optional(name, |text| {
        let path = value::path(text)?;
        check(&content(&path)?)?;
        Ok::<_, String>(path)
    })
}

fn needs(reader: &mut Reader<'_>, name: &str, other: &str) {
    if reader.is_set(name) && !reader.is_set(other) {
        let origin = reader.origin(name);
        reader.fault(name, format!("is of no use without {other}, which is not set"), &origin);
    }
}

fn check_pair(reader: &mut Reader<'_>, cert_path: &Path, key_path: &Path) {
    let (Ok(cert), Ok(private)) = (content(cert_path), content(key_path)) else { return };
    let now = Clock::system().wall();
    let checked = ServerIdentity::from_pem(&cert, &private);
    if let Err(fault) = checked.and_then(|identity| identity.check_dates(now)) {
        let origin = reader.origin(fault.key());
        let path = if fault.key() == CERT { cert_path } else { key_path };
        reader.fault(fault.key(), format!("\"{}\" {fault}", path.display()), &origin);
    }
}

fn check_authorities(ca: &[u8], crl: Option<&[u8]>) -> Result<(), String> {
    let authorities = ClientAuthorities::from_pem(ca, crl, false, provider());
    authorities.map(|_| ()).map_err(|fault| fault.to_string())
}

fn check_crls(reader: &mut Reader<'_>, ca: &Path, crl: &Path) {
    let (Ok(ca), Ok(list)) = (content(ca), content(crl)) else { return };
    if let Err(fault) = check_authorities(&ca, Some(&list)) {
        let origin = reader.origin(CRL);
        reader.fault(CRL, format!("\"{}\" {fault}", crl.display()), &origin);
    }
}
