//! An issuer of tokens whose keys are in a file.

use std::{cell::Cell, fs, path::PathBuf};

use serde_json::json;
use tempfile::TempDir;

use crate::signer::Signer;

pub const ISSUER: &str = "https://login.example.com";
pub const AUDIENCE: &str = "sddc-gateway";
pub const SUBJECT: &str = "bench";

/// An issuer with one ES256 key, and the folder of its file.
pub struct Issuer {
    signer: Signer,
    folder: TempDir,
    signed: Cell<usize>,
}

impl Issuer {
    #[expect(clippy::new_without_default, reason = "it writes a file")]
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let issuer = Self { signer: Signer::new("key-1", "ES256"), folder, signed: Cell::new(0) };
        let keys = json!({ "keys": [issuer.signer.jwk()] }).to_string();
        fs::write(issuer.keys(), keys).unwrap();
        issuer
    }

    /// The file of its keys.
    pub fn keys(&self) -> PathBuf {
        self.folder.path().join("jwks.json")
    }

    /// A token that nobody has seen, with the claims of an ordinary access token.
    pub fn token(&self) -> String {
        let number = self.signed.replace(self.signed.get() + 1);
        self.signer.token(&json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": SUBJECT, "azp": "bench-client",
            "iat": 1_750_000_000, "nbf": 1_750_000_000, "exp": 4_000_000_000_u64,
            "jti": format!("{number:032}"), "scope": "openid profile", "groups": ["readers", "ops"],
        }))
    }
}
