//! The commands.
//!
//! Output goes to standard output, the log to standard error. Exit codes: 0 well, 1 failed, 78 bad
//! configuration (`EX_CONFIG`), in which case nothing was bound.

mod check;
mod config;
mod demo;
mod harden;
mod healthcheck;
mod key;
mod man;
mod serve;
mod simulator;
mod start_report;

use std::{fmt::Display, io::IsTerminal, net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::{
    api,
    config::{Config, Faults, Source},
    os_error,
};

/// Bad configuration: `EX_CONFIG` of `sysexits.h`.
const EX_CONFIG: u8 = 78;

const NAME: &str = "sddc-gateway";

/// As `--version` tells it: with the commit that was built.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("SDDC_GATEWAY_COMMIT"), ")");

/// Holds a VMware Cloud OAuth app's credentials, keeps one shared access token, and answers
/// `GET /sddcs` to internal services.
#[derive(Debug, Parser)]
#[command(name = NAME, version = VERSION, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway (also what happens without a command)
    Serve(ConfigArgs),
    /// Run the gateway against the built-in simulator: no credentials, no configuration, no key
    Demo(demo::DemoArgs),
    /// Run only the simulator of CSP and VMC, for your own tests
    Simulator(simulator::SimulatorArgs),
    /// Check the configuration and the credentials, and say what to do about each failure
    Check(check::CheckArgs),
    /// Print the configuration in force, an example of it, or its JSON schema
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Create a caller key: print it once, with the configuration that lets the caller in
    Key {
        /// The caller's name
        name: String,
    },
    /// Print the OpenAPI document
    Openapi {
        /// The format
        #[arg(long, value_enum, default_value_t = Format::Json)]
        format: Format,
    },
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
    /// Ask the running gateway's ops listener whether it is alive
    Healthcheck(healthcheck::HealthcheckArgs),
}

#[derive(Debug, Clone, Default, Args)]
struct ConfigArgs {
    /// The configuration file (or the variable `SDDC_GATEWAY_CONFIG`)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// JSON
    Json,
    /// YAML
    Yaml,
}

impl ConfigArgs {
    /// `--config` may stand before the command too.
    fn or(self, before: Self) -> Self {
        if self.config.is_some() { self } else { before }
    }

    fn source(&self) -> Source {
        Source {
            file: self.config.clone(),
            environment: std::env::vars_os().collect(),
            overrides: Vec::new(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Loads the configuration, or tells every fault.
    fn load(&self) -> Result<Config, ExitCode> {
        Config::load(&self.source()).map_err(|faults| bad_configuration(&faults))
    }
}

/// Runs the command to its end.
pub fn run(cli: Cli) -> ExitCode {
    harden::memory();
    let outcome = match cli.command {
        None => serve::run(&cli.config),
        Some(Command::Serve(own)) => serve::run(&own.or(cli.config)),
        Some(Command::Demo(options)) => demo::run(&options),
        Some(Command::Simulator(options)) => simulator::run(options),
        Some(Command::Check(mut options)) => {
            options.config = options.config.or(cli.config);
            check::run(&options)
        }
        Some(Command::Config(command)) => config::run(command, cli.config),
        Some(Command::Key { name }) => key::run(&name),
        Some(Command::Openapi { format }) => {
            let document = match format {
                Format::Json => api::OPENAPI_JSON,
                Format::Yaml => api::OPENAPI_YAML,
            };
            say(document.trim_end());
            Ok(())
        }
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
            say(String::from_utf8_lossy(&script).trim_end());
            Ok(())
        }
        Some(Command::Man) => man::run(),
        Some(Command::Healthcheck(mut options)) => {
            options.config = options.config.or(cli.config);
            healthcheck::run(&options)
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}

/// Prints a text and a newline. Whoever reads it may have had enough: `sddc-gateway openapi | head`.
fn say(text: impl Display) {
    use std::io::Write;
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "{text}").and_then(|()| output.flush());
}

/// Tells every fault of the configuration.
fn bad_configuration(faults: &Faults) -> ExitCode {
    eprintln!("{faults}");
    ExitCode::from(EX_CONFIG)
}

/// Tells what failed, and fails.
fn fail(error: &dyn Display) -> ExitCode {
    eprintln!("sddc-gateway: {}", os_error::without_number(&error.to_string()));
    ExitCode::FAILURE
}

/// Runs a command to its end. What still runs then, a name look-up perhaps, is not waited for.
fn block_on<T>(command: impl Future<Output = Result<T, ExitCode>>) -> Result<T, ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| fail(&error))?;
    let outcome = runtime.block_on(command);
    runtime.shutdown_background();
    outcome
}

/// Where a listener of the own machine can be asked: an unspecified address is asked by loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
