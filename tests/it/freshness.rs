//! How fresh answers are, and what that costs upstream (contract sections 4.1, 4.3, 5, 6 and 8): every
//! path, with the organizations discovered or configured.

use std::time::Duration;

use http::Method;
use sddc_gateway::simulator::{Fault, Target};

use crate::harness::{Answer, Cloud, Setup, TestGateway};

mod budget;
mod directives;
mod figures;
mod headers;
mod orgs;
mod outage;
mod side_lists;

/// Upstream's lists of SDDCs, those with deleted ones too.
const SDDCS: &str = "*/sddcs";

/// How a gateway comes to know which organizations it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Discovered,
    Configured,
}

const MODES: [Mode; 2] = [Mode::Discovered, Mode::Configured];

impl Mode {
    fn setup(self, setup: Setup, cloud: &Cloud) -> Setup {
        match self {
            Self::Discovered => setup,
            Self::Configured => setup.with_configured_orgs(cloud),
        }
    }

    /// A gateway that reads only on demand.
    async fn on_demand(self, cloud: &Cloud) -> TestGateway {
        self.setup(Setup::on_demand(cloud), cloud).start().await
    }
}

/// Every path that is answered from something that is kept.
fn paths(cloud: &Cloud) -> Vec<String> {
    let (org, sddc) = (&cloud.simulator.org_ids()[0], &cloud.simulator.sddc_ids()[0]);
    let tasks = cloud.simulator.tasks(org);
    let task = tasks[0]["id"].as_str().unwrap();
    vec![
        "/sddcs".to_owned(),
        "/sddcs?include_deleted=true".to_owned(),
        "/sddcs?fields=id,name&limit=1".to_owned(),
        format!("/sddcs/{sddc}"),
        format!("/sddcs/{sddc}/clusters"),
        format!("/sddcs/{sddc}/hosts"),
        format!("/sddcs/{sddc}/tasks"),
        "/clusters".to_owned(),
        "/hosts".to_owned(),
        "/tasks".to_owned(),
        format!("/tasks/{task}"),
        "/orgs".to_owned(),
        format!("/orgs/{org}"),
        format!("/orgs/{org}/sddcs"),
        format!("/orgs/{org}/sddcs?include_deleted=true"),
        "/sd/prometheus?target=vcenter".to_owned(),
    ]
}

/// Everything that VMC was asked.
fn reads(cloud: &Cloud) -> u64 {
    let stats = cloud.simulator.stats();
    stats.endpoints.iter().filter(|(path, _)| path.starts_with("/vmc/")).map(|(_, n)| n).sum()
}

/// Asks with request directives.
async fn ask(gateway: &TestGateway, path: &str, directives: &str) -> Answer {
    gateway.send(Method::GET, path, &[("cache-control", directives)]).await
}

/// A metric without labels, a whole number.
async fn figure(gateway: &TestGateway, name: &str) -> Option<u32> {
    let page = gateway.ops("/metrics").await.text();
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    value.strip_suffix(".0").unwrap_or(value).parse().ok()
}

/// Returns once so many requests are being worked on: on the tests' one thread each of them then
/// waits for something.
async fn until_waiting(gateway: &TestGateway, requests: u32) {
    let wait = async |gateway: &TestGateway| {
        figure(gateway, "sddc_gateway_http_in_flight").await >= Some(requests)
    };
    gateway.until("requests that wait", wait).await;
}

/// Lets the next so many reads of SDDCs take their time.
fn slow(cloud: &Cloud, times: u32) {
    let delay = Duration::from_millis(800);
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).delay(delay).times(times));
}
