//! `demo`: the gateway and a simulator of VMware Cloud in one process.

use std::{
    env,
    fmt::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{EX_CONFIG, block_on, fail, harden, reachable, say, serve::exit};
use crate::{
    access::{CallerName, CallerSettings, KeyDigest, Scope},
    clock::Clock,
    config::{self, Config},
    gateway::Gateway,
    lifecycle::Signals,
    os_error::describe,
    simulator::{self, Simulator},
    telemetry,
};

/// SDDCs change at this pace.
const STEP: Duration = Duration::from_secs(10);

/// The port of the controls.
const CONTROL_PORT: u16 = 8081;

#[derive(Args)]
pub(super) struct DemoArgs {
    /// Where callers connect [default: `SDDC_GATEWAY_API__LISTEN`, else 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where probes and metrics are [default: `SDDC_GATEWAY_OPS__LISTEN`, else 127.0.0.1:9090]
    #[arg(long, value_name = "ADDR")]
    ops_listen: Option<SocketAddr>,
    /// Where the simulated VMware Cloud and its controls are [default: 127.0.0.1:8081, or port 8081 of
    /// the callers' address where that is not loopback]
    #[arg(long, value_name = "ADDR")]
    control_listen: Option<SocketAddr>,
    /// How many SDDCs VMware Cloud has
    #[arg(long, value_name = "N", default_value_t = 4)]
    sddcs: usize,
    /// Equal seeds give equal data
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Nothing changes by itself, only by the controls
    #[arg(long)]
    still: bool,
    /// Let only callers in that have one of these keys: 8 to 128 characters of [A-Za-z0-9._-].
    /// Without it everyone who can reach the listener is let in
    #[arg(long = "key", value_name = "NAME:KEY")]
    keys: Vec<String>,
}

impl fmt::Debug for DemoArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DemoArgs").field("listen", &self.listen).finish_non_exhaustive()
    }
}

pub(super) fn run(options: &DemoArgs) -> Result<(), ExitCode> {
    block_on(demo(options))
}

/// Where the demo's three ports are.
struct Addresses {
    api: SocketAddr,
    ops: SocketAddr,
    control: SocketAddr,
}

async fn demo(options: &DemoArgs) -> Result<(), ExitCode> {
    let bad = |fault: String| {
        eprintln!("sddc-gateway: {fault}");
        ExitCode::from(EX_CONFIG)
    };
    let addresses = Addresses::of(options, |name| env::var(name).ok()).map_err(bad)?;
    let callers = callers(&options.keys).map_err(bad)?;
    let socket = TcpListener::bind(addresses.control).await.map_err(|error| {
        let (address, why) = (addresses.control, describe(&error));
        fail(&format_args!("the controls cannot listen on {address}: {why} (--control-listen)"))
    })?;
    let control = socket.local_addr().map_err(|error| fail(&error))?;
    let play = simulator::Options {
        sddcs: options.sddcs,
        seed: options.seed,
        ..simulator::Options::default()
    };
    let mut config = config(&addresses, reachable(control));
    let asks_for_key = !callers.is_empty();
    if asks_for_key {
        config.access = callers.into();
        // Without a caller nobody could get a token there.
        config.drop_in.enabled = true;
    }
    let cloud = Simulator::new(play);

    let (access_log, guard) = telemetry::start(&config.telemetry);
    let mut signals = Signals::listen().map_err(|error| fail(&error))?;
    harden::files(&mut config);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    tasks.spawn(cloud.clone().serve(socket, stop.clone()));
    if !options.still {
        tasks.spawn(change(cloud, stop.clone()));
    }
    let gateway = Gateway::start(&config, Clock::system(), access_log, guard.lost())
        .await
        .map_err(|error| fail(&error))?;
    let addresses = Addresses { api: gateway.api_address(), ops: gateway.ops_address(), control };
    say(welcome(&addresses, asks_for_key, options.still).trim_end());
    let reason = gateway.run(&mut signals).await;
    stop.cancel();
    drop(guard);
    exit(reason)
}

impl Addresses {
    fn of(options: &DemoArgs, variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let choose = |flag: Option<SocketAddr>, name: &str, port: u16| {
            let set = variable(name).filter(|text| !text.is_empty());
            match (flag, set) {
                (Some(address), _) => Ok(address),
                (None, Some(text)) => {
                    config::address(&text).map_err(|fault| format!("{name}: {fault}"))
                }
                (None, None) => Ok((Ipv4Addr::LOCALHOST, port).into()),
            }
        };
        let api = choose(options.listen, "SDDC_GATEWAY_API__LISTEN", 8080)?;
        let ops = choose(options.ops_listen, "SDDC_GATEWAY_OPS__LISTEN", 9090)?;
        let beside = if api.ip().to_canonical().is_loopback() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            api.ip()
        };
        let control = options.control_listen.unwrap_or((beside, CONTROL_PORT).into());
        Ok(Self { api, ops, control })
    }
}

/// The callers of `--key NAME:KEY`. A fault does not repeat the key.
fn callers(keys: &[String]) -> Result<Vec<CallerSettings>, String> {
    let mut callers: Vec<CallerSettings> = Vec::new();
    for text in keys {
        let (name, key) = text.split_once(':').ok_or("--key: must be NAME:KEY")?;
        let name: CallerName = name.parse().map_err(|fault| format!("--key: {fault}"))?;
        let may = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(8..=128).contains(&key.len()) || !key.bytes().all(may) {
            return Err(format!(
                "--key: the key of {name} must have 8 to 128 characters of [A-Za-z0-9._-]"
            ));
        }
        let digest = KeyDigest::of(key.as_bytes());
        if callers.iter().any(|caller| caller.key_sha256.contains(&digest)) {
            return Err(format!("--key: the key of {name} was given before"));
        }
        match callers.iter_mut().find(|caller| caller.name == name) {
            Some(caller) => caller.key_sha256.push(digest),
            None => callers.push(CallerSettings {
                scopes: Scope::ALL.to_vec(),
                ..CallerSettings::with_key(name, digest)
            }),
        }
    }
    Ok(callers)
}

fn config(addresses: &Addresses, upstream: SocketAddr) -> Config {
    let mut config = Config::for_demo(addresses.api, addresses.ops, upstream);
    // Nobody's load balancer has to learn that a demo ends.
    config.api.drain_delay = Duration::ZERO;
    config
}

async fn change(cloud: Simulator, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(STEP)).await.is_some() {
        cloud.step();
    }
}

fn welcome(addresses: &Addresses, asks_for_key: bool, still: bool) -> String {
    let Addresses { api, ops, control } = addresses;
    let (api, ops, control) = (reachable(*api), reachable(*ops), reachable(*control));
    let needs = if asks_for_key {
        "It needs no credentials; callers need one of the keys that you gave (export KEY=...)."
    } else {
        "It needs no credentials and no key."
    };
    let changes = if still {
        "Its SDDCs change on request only."
    } else {
        "Its SDDCs change, come and go now and then."
    };
    let drop_in = if asks_for_key {
        format!("\n  VMware's tools, with a key instead of an API token: http://{api}/docs/drop-in")
    } else {
        String::new()
    };
    let key = if asks_for_key { "-H \"X-API-Key: $KEY\" " } else { "" };
    let mut text = String::new();
    let written = write!(
        text,
        "\
sddc-gateway demo: the gateway in front of a simulated VMware Cloud.
{needs} {changes} Ctrl-C ends it.

  page      http://{api}/
  SDDCs     http://{api}/sddcs
  docs      http://{api}/docs
  state     http://{ops}/readyz
  metrics   http://{ops}/metrics
  controls  http://{control}/__{drop_in}

Paste one of these; the last one breaks VMware Cloud until DELETE /__faults mends it:

  curl {key}http://{api}/sddcs
  curl -i {key}'http://{api}/sddcs?state=READY&fields=id,name,state'
  curl -N {key}http://{api}/sddcs/events
  curl -X POST http://{control}/__faults -d '{{\"target\": \"vmc\", \"kind\": \"status\", \"status\": 503}}'
"
    );
    written.expect("a text can be written to");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(listen: Option<&str>, variables: &[(&str, &str)]) -> Result<[String; 3], String> {
        let options = DemoArgs {
            listen: listen.map(|address| address.parse().unwrap()),
            ops_listen: None,
            control_listen: None,
            sddcs: 0,
            seed: 0,
            still: true,
            keys: Vec::new(),
        };
        let find = |wanted: &str| {
            let found = variables.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| (*value).to_owned())
        };
        let Addresses { api, ops, control } = Addresses::of(&options, find)?;
        Ok([api, ops, control].map(|address| address.to_string()))
    }

    #[test]
    fn the_controls_are_beside_the_api_where_that_can_be_reached() {
        let image = [
            ("SDDC_GATEWAY_API__LISTEN", "0.0.0.0:8080"),
            ("SDDC_GATEWAY_OPS__LISTEN", "0.0.0.0:9090"),
        ];
        for (listen, variables, expected) in [
            (None, &[][..], ["127.0.0.1:8080", "127.0.0.1:9090", "127.0.0.1:8081"]),
            (None, &image[..], ["0.0.0.0:8080", "0.0.0.0:9090", "0.0.0.0:8081"]),
            (Some("127.0.0.1:80"), &image[..], ["127.0.0.1:80", "0.0.0.0:9090", "127.0.0.1:8081"]),
            (Some("[::]:80"), &[], ["[::]:80", "127.0.0.1:9090", "[::]:8081"]),
            (Some("10.1.2.3:80"), &[], ["10.1.2.3:80", "127.0.0.1:9090", "10.1.2.3:8081"]),
        ] {
            assert_eq!(addresses(listen, variables).unwrap(), expected);
        }
        let fault = addresses(None, &[("SDDC_GATEWAY_API__LISTEN", "everywhere")]).unwrap_err();
        assert!(fault.starts_with("SDDC_GATEWAY_API__LISTEN: must be "), "{fault}");
    }

    #[test]
    fn keys_have_a_shape_and_a_fault_does_not_repeat_them() {
        let of = |keys: &[&str]| callers(&keys.iter().map(ToString::to_string).collect::<Vec<_>>());
        let known = of(&["ci:a.key_of-8", "ci:another1", "second:sgw_0123456789"]).unwrap();
        let shown: Vec<_> =
            known.iter().map(|it| (it.name.as_str(), it.key_sha256.len())).collect();
        assert_eq!(shown, [("ci", 2), ("second", 1)]);
        assert_eq!(known[0].key_sha256[0], KeyDigest::of(b"a.key_of-8"));
        for odd in
            ["", "ci", "ci:", "ci:1234567", ":12345678", "anonymous:12345678", "a b:12345678"]
        {
            assert!(of(&[odd]).is_err(), "{odd}");
        }
        for secret in ["sécret-key", &"x".repeat(129), "with blank"] {
            let fault = of(&[&format!("ci:{secret}")]).unwrap_err();
            assert!(!fault.contains(secret), "{fault}");
        }
        assert!(of(&["a:12345678", "b:12345678"]).is_err());
    }
}
