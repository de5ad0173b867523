//! Each of VMware's reads directly and through the gateway: the same bytes once the direct answer is redacted, and no
//! canary in them.

use std::collections::BTreeSet;

use sddc_gateway::{
    access::{CallerKey, CallerSettings, ReadGroup, Scope},
    drop_in::{
        reads::routes::{READ_ROUTES, ReadRoute, Verdict},
        redaction::{UnknownFields, redact},
    },
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{FORM, Reply, TOKEN, Tools, basic};
use crate::harness::{Cloud, Setup, cloud, configured_callers};

/// What VMware cannot do without.
const REQUIRED: [(&str, &str); 7] = [
    ("termsId", "6.1"),
    ("provider", "AWS"),
    ("num_hosts", "3"),
    ("region", "US_WEST_2"),
    ("product_type", "host"),
    ("linkedAccountId", "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"),
    ("datastore_mo_id", "datastore-56"),
];

/// VMware Cloud, asked with a token of its own and through the gateway with one of the gateway's.
struct Both {
    cloud: Cloud,
    tools: Tools,
    direct: String,
    through: String,
    org: String,
    sddc: String,
}

impl Both {
    async fn start(unknown: UnknownFields) -> Self {
        let cloud = cloud().await;
        let key = CallerKey::generate().unwrap();
        let all = CallerSettings {
            scopes: vec![Scope::VmcRead],
            read_groups: ReadGroup::ALL.to_vec(),
            ..CallerSettings::with_key("all".parse().unwrap(), key.digest())
        };
        let setup = Setup::on_demand(&cloud).with_configured_orgs(&cloud).with(|config| {
            config.drop_in.unknown_fields = unknown;
            configured_callers(config).callers.push(all);
        });
        let tools = Tools::of(setup).await;
        let through = tools.token_for(key.reveal()).await;
        let (org, sddc) =
            (cloud.simulator.org_ids().remove(0), cloud.simulator.sddc_ids().remove(0));
        let mut both = Self { cloud, tools, direct: String::new(), through, org, sddc };
        let fields = format!("{}{FORM}", basic("demo-app", "demo-secret"));
        let minted = both.ask("POST", TOKEN, &fields, "grant_type=client_credentials").await;
        let minted: Value = serde_json::from_str(&minted).unwrap();
        minted["access_token"].as_str().unwrap().clone_into(&mut both.direct);
        both
    }

    /// The body of a direct answer.
    async fn ask(&self, method: &str, target: &str, fields: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.cloud.address).await.unwrap();
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{target}: {answer}");
        body.to_owned()
    }

    async fn directly(&self, target: &str) -> String {
        self.ask("GET", target, &format!("csp-auth-token: {}\r\n", self.direct), "").await
    }

    async fn through(&self, target: &str) -> Reply {
        self.tools.get(target, &format!("csp-auth-token: {}\r\n", self.through)).await
    }

    /// A path and a query that lead to something.
    async fn target(&self, route: &ReadRoute) -> String {
        let path = route.template.replace("{org_id}", &self.org).replace("{sddc_id}", &self.sddc);
        let required = REQUIRED.iter().filter(|(name, _)| route.query.contains(name));
        let mut query: Vec<String> =
            required.map(|(name, value)| format!("{name}={value}")).collect();
        if route.query.contains(&"orgId") {
            query.push(format!("orgId={}", self.org));
        }
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let (list, place) = path.rsplit_once('/').unwrap();
        let parent = route.template.rsplit_once('/').unwrap().0;
        let has_list = READ_ROUTES
            .iter()
            .any(|route| route.template == parent && route.verdict == Verdict::Pass);
        let id = if place.starts_with('{') && has_list {
            self.first_id(list).await
        } else {
            "x-1".to_owned()
        };
        let path = path.split('/').map(|part| if part.starts_with('{') { &id } else { part });
        format!("{}{query}", path.collect::<Vec<_>>().join("/"))
    }

    async fn first_id(&self, list: &str) -> String {
        let list: Value = serde_json::from_str(&self.directly(list).await).unwrap();
        let item = if list.is_array() { &list[0] } else { &list["content"][0] };
        let id = item.get("csp_subscription_id").unwrap_or(&item["id"]);
        id.as_str().unwrap().to_owned()
    }
}

/// Compares each read that is passed on; returns how many direct answers have canaries.
async fn compare_all(both: &Both, unknown: UnknownFields) -> usize {
    let mut with_canaries = 0;
    for route in READ_ROUTES.iter().filter(|route| route.verdict == Verdict::Pass) {
        let target = both.target(route).await;
        let direct = both.directly(&target).await;
        let reply = both.through(&target).await;
        assert_eq!(reply.status, 200, "{target}: {reply:?}");
        let expected = redact(direct.as_bytes(), unknown).unwrap();
        assert_eq!(reply.body.as_bytes(), expected, "{target}");
        assert!(!reply.body.contains("CANARY"), "{target}");
        with_canaries += usize::from(direct.contains("CANARY"));
    }
    with_canaries
}

#[tokio::test]
async fn every_read_is_the_direct_answer_but_for_its_secrets() {
    let both = Both::start(UnknownFields::Null).await;
    assert!(compare_all(&both, UnknownFields::Null).await > 15);
}

#[tokio::test]
async fn no_secret_is_shown_where_unknown_fields_are() {
    let both = Both::start(UnknownFields::Keep).await;
    both.cloud.simulator.patch_sddc(&both.sddc, serde_json::json!({ "novel": { "a": [1.50] } }));
    assert!(compare_all(&both, UnknownFields::Keep).await > 15);
    let sddc = both.through(&format!("/vmc/api/orgs/{}/sddcs/{}", both.org, both.sddc)).await;
    assert_eq!(sddc.json()["novel"], serde_json::json!({ "a": [1.5] }));
}

/// Adds the names of the members, at any depth, that one document shows and the other does not.
fn add_hidden(whole: &Value, shown: &Value, name: &str, hidden: &mut BTreeSet<String>) {
    match (whole, shown) {
        (Value::Object(whole), Value::Object(shown)) => {
            whole.iter().for_each(|(name, value)| add_hidden(value, &shown[name], name, hidden));
        }
        (Value::Array(whole), Value::Array(shown)) => {
            whole.iter().zip(shown).for_each(|(a, b)| add_hidden(a, b, name, hidden));
        }
        _ if whole == shown => {}
        _ => drop(hidden.insert(name.to_owned())),
    }
}

#[tokio::test]
async fn no_field_of_the_simulators_documents_is_unknown() {
    let both = Both::start(UnknownFields::Null).await;
    let mut hidden = BTreeSet::new();
    for route in READ_ROUTES.iter().filter(|route| route.verdict == Verdict::Pass) {
        let direct = both.directly(&both.target(route).await).await;
        let [whole, shown] = [UnknownFields::Keep, UnknownFields::Null].map(|unknown| {
            let document = redact(direct.as_bytes(), unknown).unwrap();
            serde_json::from_slice::<Value>(&document).unwrap()
        });
        add_hidden(&whole, &shown, route.template, &mut hidden);
    }
    // What a task was started with may be anything.
    assert_eq!(hidden, BTreeSet::from(["arguments".to_owned()]));
}

#[tokio::test]
async fn what_only_holds_secrets_is_never_asked_for() {
    let both = Both::start(UnknownFields::Null).await;
    let before = both.cloud.simulator.stats().endpoints.clone();
    for route in READ_ROUTES.iter().filter(|route| route.verdict != Verdict::Pass) {
        let target = both.target(route).await;
        let (status, _, sentence) = both.through(&target).await.vmc();
        assert_eq!(status, 403, "{target}: {sentence}");
    }
    assert_eq!(both.cloud.simulator.stats().endpoints, before);
}
