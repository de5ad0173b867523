//! `healthcheck`: asks the ops listener, for `HEALTHCHECK` in an image without a shell.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use clap::Args;

use super::{ConfigArgs, fail, reachable};
use crate::config::Config;

const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub(super) struct HealthcheckArgs {
    /// Ask /readyz instead of /livez
    #[arg(long)]
    ready: bool,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

pub(super) fn run(options: &HealthcheckArgs) -> Result<(), ExitCode> {
    let address = reachable(Config::ops_listen(&options.config.source()));
    let path = if options.ready { "/readyz" } else { "/livez" };
    let status = ask(address, path)
        .map_err(|error| fail(&format_args!("http://{address}{path}: {error}")))?;
    if status == 200 {
        return Ok(());
    }
    Err(fail(&format_args!("http://{address}{path}: status {status}")))
}

/// One plain request: a client library would be most of this command's start.
fn ask(address: SocketAddr, path: &str) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut head = [0; 12]; // "HTTP/1.1 200"
    stream.read_exact(&mut head)?;
    let status = std::str::from_utf8(&head[9..]).ok().and_then(|digits| digits.parse().ok());
    status.ok_or_else(|| std::io::Error::other("the answer is not HTTP"))
}
