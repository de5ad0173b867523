//! What of VMware's own API callers with limits may see: the rest takes the way of what does not exist.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use sddc_gateway::{
    access::{CallerKey, CallerSettings, ReadGroup, Scope, View},
    simulator::{Fault, Target},
};

use super::{Reply, Tools};
use crate::harness::{Cloud, Setup, TestGateway, cloud_of, configured_callers};

const NOWHERE: &str = "00000000-0000-4000-8000-000000000000";

/// A caller of a view and groups.
struct Viewer<'a> {
    tools: &'a Tools,
    fields: String,
}

impl Viewer<'_> {
    async fn get(&self, target: &str) -> Reply {
        self.tools.get(target, &self.fields).await
    }

    async fn ids(&self, target: &str) -> Vec<String> {
        let reply = self.get(target).await;
        let list = reply.json();
        let list = list.as_array().unwrap_or_else(|| panic!("{target}: {reply:?}"));
        list.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// Two organizations; callers of the views and groups.
async fn scene(callers: Vec<(View, &[ReadGroup])>) -> (Cloud, Tools, Vec<CallerKey>) {
    let cloud = cloud_of(2).await;
    let keys: Vec<_> = callers.iter().map(|_| CallerKey::generate().unwrap()).collect();
    let viewers = callers.into_iter().zip(&keys).enumerate().map(|(at, ((view, groups), key))| {
        CallerSettings {
            scopes: vec![Scope::VmcRead],
            read_groups: groups.to_vec(),
            view,
            ..CallerSettings::with_key(format!("viewer-{at}").parse().unwrap(), key.digest())
        }
    });
    let setup = Setup::on_demand(&cloud).with(|config| {
        configured_callers(config).callers.extend(viewers);
    });
    let tools = Tools::of(setup).await;
    (cloud, tools, keys)
}

async fn viewer<'a>(tools: &'a Tools, key: &CallerKey) -> Viewer<'a> {
    let fields = format!("csp-auth-token: {}\r\n", tools.token_for(key.reveal()).await);
    Viewer { tools, fields }
}

fn of_orgs(orgs: &[&String]) -> View {
    let orgs: BTreeSet<_> = orgs.iter().map(|org| org.parse().unwrap()).collect();
    View { orgs: Some(Arc::new(orgs)), ..View::default() }
}

#[tokio::test]
async fn an_organization_outside_the_view_takes_the_way_of_one_that_does_not_exist() {
    let ids = cloud_of(2).await.simulator.org_ids();
    let (cloud, tools, keys) = scene(vec![(of_orgs(&[&ids[0]]), ReadGroup::DEFAULT)]).await;
    let viewer = viewer(&tools, &keys[0]).await;
    assert_eq!(viewer.ids("/vmc/api/orgs").await, [&*ids[0]]);
    assert_eq!(viewer.get(&format!("/vmc/api/orgs/{}/sddcs", ids[0])).await.status, 200);
    let calls = || cloud.simulator.stats().endpoints.values().sum::<u64>();
    let before = calls();
    for rest in ["", "/sddcs", "/tasks", "/tasks/x", "/sddcs/x", "/sddcs/x/primarycluster"] {
        let hidden = viewer.get(&format!("/vmc/api/orgs/{}{rest}", ids[1])).await;
        let nowhere = viewer.get(&format!("/vmc/api/orgs/{NOWHERE}{rest}")).await;
        assert_eq!(hidden.vmc(), nowhere.vmc());
        assert_eq!(hidden.vmc().1, "org-not-found");
    }
    assert_eq!(calls(), before, "nothing is asked for it");
}

/// At once: what was just read of it is not found again.
#[tokio::test]
async fn an_organization_that_has_left_takes_the_way_of_one_that_does_not_exist() {
    let (cloud, tools, keys) = scene(vec![(View::default(), ReadGroup::DEFAULT)]).await;
    let orgs = cloud.simulator.org_ids();
    let viewer = viewer(&tools, &keys[0]).await;
    let path = format!("/vmc/api/orgs/{}/sddcs", orgs[1]);
    assert_eq!(viewer.get(&path).await.status, 200);
    let left = format!("[{}]", cloud.simulator.org(&orgs[0]).unwrap());
    let slow = Duration::from_millis(500);
    cloud.simulator.script(Fault::on(Target::Vmc, "/vmc/api/orgs").body(left).after(slow));
    // It is not in the list twice running. The list is read beside the first of these answers.
    for _ in 0..2 {
        tools.gateway.advance(61);
        for _ in 0..3 {
            viewer.get(&path).await;
        }
        let is_read = async |gateway: &TestGateway| {
            gateway.ops("/readyz").await.json()["discovery"]["age_s"] == 0
        };
        tools.gateway.until("list of organizations", is_read).await;
    }
    let own = format!("/orgs/{}/sddcs", orgs[1]);
    let has_left = async |gateway: &TestGateway| gateway.get(&own).await.code() == "org-not-found";
    tools.gateway.until("organization to leave", has_left).await;
    let nowhere = viewer.get(&format!("/vmc/api/orgs/{NOWHERE}/sddcs")).await;
    assert_eq!(viewer.get(&path).await.vmc(), nowhere.vmc());
}

#[tokio::test]
async fn with_limited_sddcs_only_these_are_seen_and_nothing_that_names_none() {
    let template = cloud_of(2).await;
    let (org, sddc) = template
        .simulator
        .sddc_ids()
        .into_iter()
        .map(|id| {
            (template.simulator.sddc(&id).unwrap()["org_id"].as_str().unwrap().to_owned(), id)
        })
        .next()
        .unwrap();
    let name = template.simulator.sddc(&sddc).unwrap()["name"].as_str().unwrap().to_owned();
    let by_id = View { sddc_ids: Some(BTreeSet::from([sddc.parse().unwrap()])), ..View::default() };
    let by_name = View { sddc_names: Some(vec![name.parse().unwrap()]), ..View::default() };
    let all = &ReadGroup::ALL[..];
    let (cloud, tools, keys) = scene(vec![(by_id, all), (by_name, all)]).await;
    let other = cloud.simulator.sddc_ids().into_iter().find(|id| *id != sddc).unwrap();
    let other_org = cloud.simulator.sddc(&other).unwrap()["org_id"].as_str().unwrap().to_owned();
    for key in &keys {
        let viewer = viewer(&tools, key).await;
        let list = format!("/vmc/api/orgs/{org}/sddcs");
        assert_eq!(viewer.ids(&list).await, [&*sddc]);
        assert_eq!(viewer.ids(&list).await, [&*sddc], "from what is kept, too");
        assert_eq!(viewer.get(&format!("{list}/{sddc}")).await.json()["id"], *sddc);
        let hidden = viewer.get(&format!("/vmc/api/orgs/{other_org}/sddcs/{other}")).await;
        let nowhere = viewer.get(&format!("/vmc/api/orgs/{other_org}/sddcs/{NOWHERE}")).await;
        assert_eq!(hidden.vmc(), nowhere.vmc());
        assert_eq!((hidden.status, hidden.vmc().1.as_str()), (404, "sddc-not-found"));
        for path in [
            "/vmc/api/orgs".to_owned(),
            format!("/vmc/api/orgs/{org}"),
            format!("/vmc/api/orgs/{org}/tasks"),
            format!("/api/inventory/{org}/core/deployments"),
            format!("/api/network/{org}/core/deployments/{sddc}/nsx"),
            format!("/vmc/api/orgs/{org}/account-link/sddc-connections?sddc={sddc}"),
        ] {
            let (status, _, sentence) = viewer.get(&path).await.vmc();
            assert_eq!(status, 403, "{path}");
            assert!(sentence.contains("certain SDDCs only"), "{sentence}");
        }
    }
    // One read for both: what a caller sees of a list is cut from what all share.
    assert_eq!(cloud.simulator.stats().endpoint("/vmc/api/orgs/{org}/sddcs/{sddc}"), 1);
}

#[tokio::test]
async fn a_group_that_a_caller_does_not_have_is_refused() {
    let everything = View::default();
    let (cloud, tools, keys) =
        scene(vec![(everything.clone(), ReadGroup::DEFAULT), (everything, &[ReadGroup::Billing])])
            .await;
    let org = cloud.simulator.org_ids().remove(0);
    let (usual, billing) = (viewer(&tools, &keys[0]).await, viewer(&tools, &keys[1]).await);
    let sddcs = format!("/vmc/api/orgs/{org}/sddcs");
    let subscriptions = format!("/vmc/api/orgs/{org}/subscriptions");
    assert_eq!(usual.get(&sddcs).await.status, 200);
    for (viewer, path, group) in [(&usual, &subscriptions, "billing"), (&billing, &sddcs, "sddcs")]
    {
        let (status, code, sentence) = viewer.get(path).await.vmc();
        assert_eq!((status, code.as_str()), (403, "forbidden"));
        assert!(sentence.contains(&format!("the group {group}")), "{sentence}");
    }
    assert_ne!(billing.get(&subscriptions).await.status, 403);
    assert_eq!(cloud.sddc_reads(), 1);
}
