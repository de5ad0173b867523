//! The files of a TLS listener as its settings.

use sddc_gateway::{
    listener::{ClientAuthSettings, TlsSettings},
    reload::LoadedFile,
};
pub use support::authority::{Authority, Files, Pair};

pub trait ListenerFiles {
    /// TLS without callers' certificates.
    fn settings(&self) -> TlsSettings;

    /// The same with callers' certificates of a CA, and what it has revoked.
    fn settings_with_clients(
        &self,
        authority: &Authority,
        crl: Option<&str>,
        required: bool,
    ) -> TlsSettings;
}

impl ListenerFiles for Files {
    fn settings(&self) -> TlsSettings {
        let load = |name| LoadedFile::read(&self.path(name)).unwrap();
        TlsSettings { cert: load("tls.crt"), key: load("tls.key"), client: None }
    }

    fn settings_with_clients(
        &self,
        authority: &Authority,
        crl: Option<&str>,
        required: bool,
    ) -> TlsSettings {
        let load = |name, text: &str| LoadedFile::read(&self.write(name, text)).unwrap();
        let ca = load("client-ca.pem", &authority.pem());
        let crl = crl.map(|crl| load("client.crl", crl));
        TlsSettings { client: Some(ClientAuthSettings { ca, crl, required }), ..self.settings() }
    }
}
