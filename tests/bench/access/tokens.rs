//! An issuer whose keys are in a file, and the tokens that it signs.

use std::{fmt::Write, fs, path::PathBuf};

use serde_json::json;
use support::signer::Signer;
use tempfile::TempDir;

pub const ISSUER: &str = "https://login.example.com";
pub const AUDIENCE: &str = "sddc-gateway";
pub const SUBJECT: &str = "bench";

/// More than the gateway remembers: who goes round in them shows each time a forgotten one.
const TOKENS: usize = 20_000;

/// An issuer, and the folder of its files.
pub struct Issuer {
    signer: Signer,
    folder: TempDir,
    signed: std::cell::Cell<usize>,
}

impl Issuer {
    pub fn new() -> Self {
        let folder = TempDir::new().expect("the temporary folder is writable");
        let issuer = Self { signer: Signer::new("key-1", "ES256"), folder, signed: 0.into() };
        let keys = json!({ "keys": [issuer.signer.jwk()] }).to_string();
        fs::write(issuer.keys(), keys).expect("the temporary folder has room");
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

    /// The place of the script, for `wrk`.
    pub fn script(&self) -> PathBuf {
        self.folder.path().join("tokens.lua")
    }

    /// Writes a script that sends each token of a new lot, one after the other.
    pub fn write_script(&self) {
        let mut script = "local fields = {\n".to_owned();
        for _ in 0..TOKENS {
            writeln!(script, "\"Bearer {}\",", self.token()).expect("a text takes it");
        }
        script += "}\nlocal at = 0\n\
            function request()\n\
              at = at % #fields + 1\n\
              wrk.headers[\"Authorization\"] = fields[at]\n\
              return wrk.format()\n\
            end\n";
        fs::write(self.script(), script).expect("the temporary folder has room");
    }
}
