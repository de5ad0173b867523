//! Tokens that `wrk` shows, each of them a new one.

use std::{fmt::Write, fs, path::Path};

use support::issuer::Issuer;

/// More than the gateway remembers: who goes round in them shows each time a forgotten one.
const TOKENS: usize = 20_000;

/// Writes a script for `wrk` that sends each token of a new lot, one after the other.
pub fn write_script(issuer: &Issuer, path: &Path) {
    let mut script = "local fields = {\n".to_owned();
    for _ in 0..TOKENS {
        writeln!(script, "\"Bearer {}\",", issuer.token()).expect("a text takes it");
    }
    script += "}\nlocal at = 0\n\
        function request()\n\
          at = at % #fields + 1\n\
          wrk.headers[\"Authorization\"] = fields[at]\n\
          return wrk.format()\n\
        end\n";
    fs::write(path, script).expect("the temporary folder has room");
}
