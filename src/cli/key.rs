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
The key of {name}. It is shown only now; give it to the caller and to nobody else.

  {key}

To let the caller in, add this to the configuration file (in access.callers_file the table is [[callers]]):

  [[access.callers]]
  name = \"{name}\"
  key_sha256 = [\"{digest}\"]
  scopes = [\"sddc:read\"]

or this to the environment (separate several entries by commas):

  SDDC_GATEWAY_ACCESS__KEYS={name}:{digest}

The caller sends the key as `Authorization: Bearer <key>` or `X-API-Key: <key>`.",
        key = key.reveal(),
    )?;
    output.flush()
}
