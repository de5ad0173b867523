//! `key NAME`: a new caller key.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use super::fail;
use crate::{
    access::{CallerKey, CallerName},
    os_error::describe,
};

pub(super) fn run(name: &str) -> Result<(), ExitCode> {
    let name: CallerName =
        name.parse().map_err(|error| fail(&format_args!("{}: {error}", name.escape_debug())))?;
    let key = CallerKey::generate().map_err(|error| fail(&error))?;
    print(&name, &key)
        .map_err(|error| fail(&format_args!("the key cannot be printed: {}", describe(&error))))
}

/// A key that nobody has read is lost: that must not look like success.
fn print(name: &CallerName, key: &CallerKey) -> io::Result<()> {
    let digest = key.digest();
    let mut output = io::stdout().lock();
    writeln!(
        output,
        "\
Key of {name}, shown only now: give it to the caller, and to nobody else.

  {key}

Let it in, in the configuration file (in access.callers_file the table is [[callers]]):

  [[access.callers]]
  name = \"{name}\"
  key_sha256 = [\"{digest}\"]
  scopes = [\"sddc:read\"]

or in the environment (several are separated by commas):

  SDDC_GATEWAY_ACCESS__KEYS={name}:{digest}

It is then sent as `Authorization: Bearer <key>` or `X-API-Key: <key>`.",
        key = key.reveal(),
    )?;
    output.flush()
}
