//! Service discovery as a real Prometheus sees it, with the configuration that users are given.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Cloud, Process, Served, Setup, ask, bearer, file, gateway, new_key, until};

/// The program: `PROMETHEUS`, else what `make test-setup` has brought, else the system's.
fn program() -> PathBuf {
    let brought = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tools/prometheus/usr/bin");
    let brought = brought.join("prometheus");
    let named = std::env::var_os("PROMETHEUS").map(PathBuf::from);
    named.unwrap_or_else(|| if brought.exists() { brought } else { "prometheus".into() })
}

/// A Prometheus; killed when dropped.
struct Prometheus {
    _process: Process,
    _folder: TempDir,
    address: SocketAddr,
}

impl Prometheus {
    /// Starts one with `deploy/prometheus-sd.example.yml`, pointed at this gateway.
    fn start(gateway: &Served, key: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let key = file(&folder, "key", key);
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus-sd.example.yml");
        let mut config = fs::read_to_string(example).unwrap();
        for (there, here) in [
            ("http://sddc-gateway:8080", format!("http://{}", gateway.api)),
            ("[sddc-gateway:9090]", format!("['{}']", gateway.ops)),
            ("/etc/prometheus/sddc-gateway.key", key.display().to_string()),
            ("refresh_interval: 1m", "refresh_interval: 1s".to_owned()),
            // Nobody there: what is scraped does not matter.
            ("blackbox-exporter:9115", "127.0.0.1:1".to_owned()),
        ] {
            assert!(config.contains(there), "the example has no {there}");
            config = config.replace(there, &here);
        }
        let config = file(&folder, "prometheus.yml", &config);
        let mut command = Command::new(program());
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = Setup::new(command).start();
        let line = process.line("msg=\"Listening on\"");
        let address = line.rsplit("address=").next().unwrap().trim().parse().unwrap();
        Self { _process: process, _folder: folder, address }
    }

    fn get(&self, path: &str) -> String {
        ask(self.address, &format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n"), "").body
    }

    /// What discovery gave, and the labels that are kept, of each target of the example's job.
    fn targets(&self) -> Vec<(Value, Value)> {
        let answer: Value =
            serde_json::from_str(&self.get("/api/v1/targets?state=active")).unwrap_or(Value::Null);
        let targets = answer["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
        let mut targets: Vec<_> = targets
            .into_iter()
            .filter(|target| target["labels"]["job"] == "vmc-vcenter")
            .map(|target| (target["discoveredLabels"].clone(), target["labels"].clone()))
            .collect();
        targets.sort_by_key(|(found, _)| found["__meta_vmc_sddc_id"].to_string());
        targets
    }

    fn sddc_ids(&self) -> Vec<String> {
        let id = |(found, _): (Value, Value)| {
            found["__meta_vmc_sddc_id"].as_str().unwrap_or_default().to_owned()
        };
        self.targets().into_iter().map(id).collect()
    }

    /// Refreshes of discovery that failed.
    fn failures(&self) -> u64 {
        let page = self.get("/metrics");
        let line = page.lines().find(|line| line.starts_with("prometheus_sd_http_failures_total "));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
    }
}

/// The ids of the SDDCs that have a vCenter, in order.
fn with_vcenter(gateway: &Served, key: &str) -> Vec<String> {
    let answer = bearer(gateway.api, "/sddcs?sort=id&fields=id,vcenter_url", key);
    let items = answer.json()["items"].as_array().cloned().unwrap_or_default();
    let with_url = items.iter().filter(|sddc| !sddc["vcenter_url"].is_null());
    with_url.map(|sddc| sddc["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn prometheus_follows_the_sddcs_and_keeps_its_targets_while_an_org_cannot_be_shown() {
    let cloud = Cloud::start(&["--orgs", "2", "--sddcs", "6"]);
    let key = new_key("prometheus");
    let gateway = gateway(&["serve"])
        .of(&cloud)
        .with_secret("demo-secret")
        .with("SDDC_GATEWAY_ACCESS__KEYS", &key.variable)
        .with("SDDC_GATEWAY_INVENTORY__POLL", "1s")
        .with("SDDC_GATEWAY_INVENTORY__FRESH", "1s")
        .with("SDDC_GATEWAY_INVENTORY__STALE", "3s")
        .serve();
    let key = key.key;
    until("the SDDCs", || !with_vcenter(&gateway, &key).is_empty());
    let expected = with_vcenter(&gateway, &key);
    let prometheus = Prometheus::start(&gateway, &key);
    until("the targets", || prometheus.sddc_ids() == expected);

    let (found, kept) = prometheus.targets().swap_remove(0);
    let sddc = bearer(gateway.api, &format!("/sddcs/{}", expected[0]), &key).json();
    let vcenter = sddc["vcenter_url"].as_str().unwrap();
    let host = vcenter.trim_start_matches("https://").trim_end_matches('/');
    let label = |name: &str| found[name].as_str().unwrap().to_owned();
    for field in ["name", "region", "state", "org_id"] {
        assert_eq!(label(&format!("__meta_vmc_sddc_{field}")), sddc[field].as_str().unwrap());
    }
    assert_eq!(label("__address__"), format!("{host}:443"));
    let labels = json!({
        "job": "vmc-vcenter", "instance": format!("{host}:443"), "sddc_id": sddc["id"],
        "sddc_name": sddc["name"], "sddc_region": sddc["region"], "sddc_org_id": sddc["org_id"],
    });
    assert_eq!(kept, labels);

    let created = "POST /__sddcs HTTP/1.1\r\nHost: localhost\r\n";
    let created = ask(cloud.address, created, r#"{"name": "newcomer"}"#).json();
    let created = created["id"].as_str().unwrap().to_owned();
    until("the new SDDC", || prometheus.sddc_ids().contains(&created));
    let all = prometheus.sddc_ids();
    assert_eq!(all.len(), expected.len() + 1);

    let org = sddc["org_id"].as_str().unwrap();
    let fault = json!({
        "target": "vmc", "path": format!("*/orgs/{org}/sddcs"), "kind": "status", "status": 503,
    });
    cloud.control("POST", "/__faults", &fault);
    let discovery = "/sd/prometheus?target=vcenter";
    until("the 503", || bearer(gateway.api, discovery, &key).status == 503);
    assert_eq!(bearer(gateway.api, discovery, &key).json()["code"], "incomplete");
    // Two refreshes more have met it, and what they found is what counts now.
    let before = prometheus.failures();
    until("the failed refreshes", || prometheus.failures() >= before + 2);
    assert_eq!(prometheus.sddc_ids(), all);
}
