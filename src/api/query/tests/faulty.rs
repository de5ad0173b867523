//! What is refused, and in which words.

use proptest::prelude::*;
use serde_json::json;

use super::{AllowedParams, finish, parse, parser, query};
use crate::api::query::parser::QueryParser;
use crate::{
    api::{error::ApiError, resource::Resource},
    inventory::model::{Cluster, Host, Org, SddcEntry, Task},
    problem::ParameterFault,
};

fn host(state: &str, zone: &str) -> Host {
    let host = json!({
        "id": null, "sddc_id": "1", "cluster_id": null, "name": "esx-1", "hostname": null,
        "state": state, "instance_type": null, "availability_zone": zone, "state_updated_at": null,
    });
    serde_json::from_value(host).unwrap()
}

fn faults<R: Resource>(allowed: AllowedParams, text: &str, view: &[R]) -> Vec<ParameterFault> {
    finish::<R>(parser(allowed, text), view).err().unwrap_or_default()
}

/// Each fault as one line: parameter, problem, the first allowed ones, the nearest.
fn told<R: Resource>(allowed: AllowedParams, text: &str, view: &[R]) -> Vec<String> {
    let line = |fault: ParameterFault| {
        let allowed = fault.allowed.iter().take(3).cloned().collect::<Vec<_>>().join(" | ");
        let nearest = fault.did_you_mean.map(|it| format!(" ({it}?)")).unwrap_or_default();
        format!("{}: {}: {allowed}{nearest}", fault.parameter, fault.problem)
    };
    faults(allowed, text, view).into_iter().map(line).collect()
}

#[test]
fn each_fault_says_what_is_wrong_and_what_is_allowed() {
    let cases = [
        ("stat=READY", "stat: unknown parameter: q | fields | sort (state?)"),
        ("capacity=1", "capacity: unknown parameter: q | fields | sort"),
        ("state=", "state: a value is needed: DEPLOYING | READY | DELETING"),
        ("region=", "region: a value is needed: a region in VMware's spelling, such as US_WEST_2"),
        ("q", "q: a value is needed: part of a name, or an id, of at most 256 characters"),
        ("state=REDY", "state: unknown value \"REDY\": DEPLOYING | READY | DELETING (READY?)"),
        ("state=ready", "state: unknown value \"ready\": DEPLOYING | READY | DELETING (READY?)"),
        (
            "deployment_type=MultiAZ",
            "deployment_type: unknown value \"MultiAZ\": SINGLE_AZ | MULTI_AZ (MULTI_AZ?)",
        ),
        (
            "region=eu-central-1",
            "region: must be a region in VMware's spelling, such as US_WEST_2, not \"eu-central-1\": \
             a region in VMware's spelling, such as US_WEST_2",
        ),
        (
            "host_count=many",
            "host_count: must be a non-negative whole number, not \"many\": a non-negative whole number",
        ),
        (
            "created_at=2024",
            "created_at: must be an RFC 3339 time, such as 2025-03-18T02:17:04Z, not \"2024\": \
             an RFC 3339 time, such as 2025-03-18T02:17:04Z",
        ),
        ("fields=id,nmae", "fields: unknown field \"nmae\": id | org_id | name (name?)"),
        ("fields=id,", "fields: unknown field \"\": id | org_id | name"),
        ("include=host", "include: unknown value \"host\": clusters | hosts (hosts?)"),
        ("sort=-nam", "sort: unknown field \"nam\": id | org_id | name (name?)"),
        ("sort=capacity", "sort: a list cannot be sorted by \"capacity\": id | org_id | name"),
        ("sort=-capacity", "sort: a list cannot be sorted by \"capacity\": id | org_id | name"),
        ("sort=name,-state", "sort: takes one field only: id | org_id | name"),
        ("sort=sort", "sort: unknown field \"sort\": id | org_id | name"),
        ("limit=0", "limit: must be a number from 1 to 500, not \"0\": a number from 1 to 500"),
        ("limit=501", "limit: must be a number from 1 to 500, not \"501\": a number from 1 to 500"),
        (
            "state=READY,FAILED",
            "state: give the parameter once for each value: DEPLOYING | READY | DELETING",
        ),
        (
            "region=US_WEST_2,EU_WEST_2",
            "region: give the parameter once for each value: a region in VMware's spelling, such as US_WEST_2",
        ),
        (
            "host_count=1,2",
            "host_count: give the parameter once for each value: a non-negative whole number",
        ),
        (
            "state__not=REDY",
            "state__not: unknown value \"REDY\": DEPLOYING | READY | DELETING (READY?)",
        ),
        ("state__gte=READY", "state__gte: unknown parameter: q | fields | sort (state__not?)"),
        ("region__not=x", "region__not: unknown parameter: q | fields | sort"),
        (
            "created_at_gte=2025-03-18T02:17:04Z",
            "created_at_gte: unknown parameter: q | fields | sort (created_at__gte?)",
        ),
        (
            "host_count__lte=1&host_count__lte=2",
            "host_count__lte: given twice, with different values: one value",
        ),
        (
            "host_count__gte=1,2",
            "host_count__gte: must be a non-negative whole number, not \"1,2\": a non-negative whole number",
        ),
        ("host_count__gte=", "host_count__gte: a value is needed: a non-negative whole number"),
        ("limit=1&limit=2", "limit: given twice, with different values: one value"),
        ("partial=alow", "partial: unknown value \"alow\": allow (allow?)"),
        ("include_deleted=1", "include_deleted: unknown value \"1\": true | false"),
        (
            "wait=121",
            "wait: must be a duration of at most 120s, such as 45s or 45, not \"121\": \
             a duration of at most 120s, such as 45s or 45",
        ),
        (
            "wait=3m",
            "wait: must be a duration of at most 120s, such as 45s or 45, not \"3m\": \
             a duration of at most 120s, such as 45s or 45",
        ),
        (
            "cursor=abc",
            "cursor: must be the next_cursor of the previous page, with an unchanged query, \
             not \"abc\": the next_cursor of the previous page, with an unchanged query",
        ),
        ("cursor=", "cursor: a value is needed: the next_cursor of the previous page"),
    ];
    for (text, expected) in cases {
        assert_eq!(told::<SddcEntry>(AllowedParams::LIST, text, &[]), [expected]);
    }
}

#[test]
fn paths_take_what_they_take() {
    let refused = [
        (AllowedParams::EVENTS, "wait=1", "wait"),
        (AllowedParams::EVENTS, "include_deleted=true", "include_deleted"),
        (AllowedParams::EVENTS, "limit=1", "limit"),
        (AllowedParams::EVENTS, "fields=id", "fields"),
        (AllowedParams::DISCOVERY, "target=nsx&partial=allow", "partial"),
        (AllowedParams::DOCUMENT, "state=READY", "state"),
        (AllowedParams::DOCUMENT, "partial=allow", "partial"),
    ];
    for (allowed, text, parameter) in refused {
        let faults = faults::<SddcEntry>(allowed, text, &[]);
        assert_eq!(faults.len(), 1, "{text}");
        assert_eq!((&*faults[0].parameter, &*faults[0].problem), (parameter, "unknown parameter"));
    }
    for parameter in ["wait", "include_deleted"] {
        let faults = faults::<Host>(AllowedParams::LIST, &format!("{parameter}=1"), &[]);
        assert_eq!((&*faults[0].parameter, &*faults[0].problem), (parameter, "unknown parameter"));
    }
    assert_eq!(
        told::<Host>(AllowedParams::DOCUMENT, "include=hosts", &[]),
        ["include: unknown parameter: fields"]
    );
    assert_eq!(
        told::<SddcEntry>(AllowedParams::DISCOVERY, "", &[]),
        ["target: a value is needed: vcenter | nsx"]
    );
    assert!(
        faults::<SddcEntry>(AllowedParams::DISCOVERY, "target=vcenter&state=READY&q=x", &[])
            .is_empty()
    );
    assert!(
        faults::<SddcEntry>(AllowedParams::EVENTS, "partial=allow&state=READY", &[]).is_empty()
    );
    assert!(
        faults::<SddcEntry>(AllowedParams::DOCUMENT, "include=hosts&fields=id", &[]).is_empty()
    );
}

#[test]
fn every_fault_is_told_at_once_in_the_querys_order() {
    let text = "state=REDY&x=1&limit=0&state=READY&availability_zone=here&cursor=!&state=NEW&x=2";
    let view = [host("NEW", "odd zone")];
    let faults = faults(AllowedParams::LIST, text, &view);
    let parameters: Vec<_> = faults.iter().map(|fault| &*fault.parameter).collect();
    assert_eq!(parameters, ["state", "x", "limit", "availability_zone", "cursor"]);
    assert!(faults[0].allowed.contains(&"NEW".to_owned()));
    assert!(faults[3].allowed.contains(&"odd zone".to_owned()));
}

#[test]
fn a_value_in_view_is_good_however_odd() {
    let view = [host("NEW", "odd zone")];
    assert!(parse("state=NEW&availability_zone=odd+zone", &view).is_ok());
    assert!(parse::<Host>("state=NEW", &[]).is_err());
    assert!(parser::<Host>(AllowedParams::LIST, "state=NEW").needs_view());
    for plain in ["state=READY", "availability_zone=us-west-2a", "nothing=1", ""] {
        assert!(!parser::<Host>(AllowedParams::LIST, plain).needs_view(), "{plain}");
    }
}

#[test]
fn a_good_cursor_is_not_blamed_for_other_faults() {
    let view = [host("READY", "a"), host("READY", "b")];
    let cursor = parse("limit=1", &view).unwrap().select(view.iter()).next.unwrap();
    let faults = faults(AllowedParams::LIST, &format!("cursor={cursor}&state=REDY"), &view);
    assert_eq!(faults.len(), 1);
}

#[test]
fn what_a_query_costs_and_echoes_is_bounded() {
    let many = "x=1&".repeat(2000);
    let faults_of_many = faults::<Host>(AllowedParams::LIST, &many, &[]);
    assert_eq!(faults_of_many.len(), 2);
    assert!(faults_of_many[1].problem.contains("100 parameters"));
    let many: Vec<_> = (0..2000).map(|it| format!("x{it}")).collect();
    assert_eq!(faults::<Host>(AllowedParams::LIST, &many.join("&"), &[]).len(), 100);
    let fields = format!("fields={}", many.join(","));
    assert_eq!(faults::<Host>(AllowedParams::LIST, &fields, &[]).len(), 100);

    let long = "y".repeat(500);
    let text = format!("{long}=1&state={long}&limit={long}&fields={long}");
    let view: Vec<_> = (0..200).map(|it| host(&format!("NEW_{it}"), "a")).collect();
    for fault in faults(AllowedParams::LIST, &text, &view) {
        assert!(fault.parameter.len() <= 64 && fault.problem.len() < 110, "{fault:?}");
        assert!(fault.allowed.len() <= 40, "{fault:?}");
    }
}

fn survives<R: Resource>(text: &str) {
    for allowed in [
        AllowedParams::LIST,
        AllowedParams::EVENTS,
        AllowedParams::DISCOVERY,
        AllowedParams::DOCUMENT,
    ] {
        let parser: QueryParser<R> = query(&format!("/list?{text}")).parser(allowed);
        match parser.finish(std::iter::empty()) {
            Ok(question) => assert!(question.select(std::iter::empty()).items.is_empty()),
            Err(ApiError::InvalidParameter(faults)) => assert!((1..=100).contains(&faults.len())),
            Err(other) => panic!("{other}"),
        }
    }
}

proptest! {
    #[test]
    fn no_query_is_too_odd(
        text in "[A-Za-z0-9%&=+_.,:;/?!~*'()-]{0,200}",
        pairs in proptest::collection::vec(
            ("state|q|fields|include|sort|limit|cursor|wait|host_count|host_count__gte|state__not|created_at__lte|target|.{0,8}", ".{0,20}|-name|[0-9]{1,25}"),
            0..8,
        ),
    ) {
        let encoded = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        for text in [text, encoded] {
            survives::<SddcEntry>(&text);
            survives::<Cluster>(&text);
            survives::<Host>(&text);
            survives::<Org>(&text);
            survives::<Task>(&text);
        }
    }
}

#[test]
fn what_is_in_doubt_is_trusted_where_a_part_of_the_view_is_missing() {
    let begin = |text| parser::<SddcEntry>(AllowedParams::LIST, text).begin(std::iter::empty());
    let pending = begin("state=NEW&partial=allow").unwrap();
    assert!(pending.allows_part());
    assert_eq!(pending.trust().unwrap().canonical, "state=NEW");
    let pending = begin("state=NEW").unwrap();
    assert!(!pending.allows_part() && pending.finish(std::iter::empty()).is_err());
    // Other faults are told whatever is missing.
    assert!(begin("state=NEW&limit=0").is_err());
    assert!(begin("state=NEW&cursor=AAAA").map_or(true, |pending| pending.trust().is_err()));
}

#[test]
fn a_text_to_look_for_has_at_most_256_characters() {
    assert!(
        faults::<SddcEntry>(AllowedParams::LIST, &format!("q={}", "%C3%BC".repeat(256)), &[])
            .is_empty()
    );
    let told = faults::<SddcEntry>(AllowedParams::LIST, &format!("q={}", "x".repeat(257)), &[]);
    let [fault] = &*told else { panic!("{told:?}") };
    assert_eq!(fault.allowed, ["part of a name, or an id, of at most 256 characters"]);
    assert!(fault.problem.len() < 200, "{}", fault.problem);
}
