//! The gateway answers as the published document says.

use std::collections::BTreeSet;

use http::StatusCode;
use sddc_gateway::api;
use serde_json::Value;

use crate::harness::{Answer, Setup, TestGateway, cloud};

fn document() -> Value {
    serde_json::from_str(api::OPENAPI_JSON).unwrap()
}

/// What a reference leads to; what is none is itself.
fn resolved<'a>(document: &'a Value, part: &'a Value) -> &'a Value {
    match part["$ref"].as_str() {
        Some(to) => document.pointer(to.strip_prefix('#').unwrap()).unwrap(),
        None => part,
    }
}

#[test]
fn what_operations_share_stands_once() {
    let document = document();
    for (path, item) in document["paths"].as_object().unwrap() {
        for parameter in item["get"]["parameters"].as_array().unwrap() {
            assert!(parameter["$ref"].is_string(), "{path}: {parameter}");
        }
        for (status, response) in item["get"]["responses"].as_object().unwrap() {
            assert!(status == "200" || response["$ref"].is_string(), "{path}: {status}");
        }
    }
}

/// The path with the examples of its parameters, and what else its question needs.
fn example_of(document: &Value, path: &str, operation: &Value) -> String {
    let mut target = path.to_owned();
    for parameter in operation["parameters"].as_array().unwrap() {
        let parameter = resolved(document, parameter);
        if parameter["in"] == "path" {
            let name = format!("{{{}}}", parameter["name"].as_str().unwrap());
            target = target.replace(&name, parameter["example"].as_str().unwrap());
        }
    }
    if path == "/sd/prometheus" { target + "?target=vcenter" } else { target }
}

/// Header fields that no document tells of: they belong to the connection, or are told with the
/// content, or stand on every answer there is.
const UNTOLD: [&str; 6] = [
    "content-type",
    "content-length",
    "content-encoding",
    "date",
    "x-content-type-options",
    "content-security-policy",
];

fn assert_documented(document: &Value, response: &Value, answer: &Answer, of: &str) {
    let response = resolved(document, response);
    let headers = response["headers"].as_object().unwrap();
    let told: BTreeSet<_> = headers.keys().map(|name| name.to_ascii_lowercase()).collect();
    for name in answer.headers.keys() {
        let name = name.as_str();
        assert!(UNTOLD.contains(&name) || told.contains(name), "{of}: {name} is not documented");
    }
    for name in told {
        // Problems are tried by a caller who has no rate.
        let is_optional = matches!(&*name, "link" | "retry-after")
            || name.starts_with("ratelimit") && !answer.headers.contains_key("etag")
            || name == "www-authenticate" && answer.status != StatusCode::UNAUTHORIZED;
        assert!(is_optional || answer.headers.contains_key(&name), "{of}: {name} is not sent");
    }
}

#[tokio::test]
async fn every_path_answers_what_its_examples_say() {
    let document = document();
    let cloud = cloud().await;
    // A caller who has a rate is told all that there is to tell.
    let rated = Setup::on_demand(&cloud).with_tester(|caller| {
        caller.rate = Some("1000/s".parse().unwrap());
    });
    let gateway = rated.start().await;
    for (path, item) in document["paths"].as_object().unwrap() {
        // It does not end.
        if path != "/sddcs/events" {
            assert_answers(&document, path, &item["get"], &gateway).await;
        }
    }
}

async fn assert_answers(document: &Value, path: &str, operation: &Value, gateway: &TestGateway) {
    let target = example_of(document, path, operation);
    let answer = gateway.get(&target).await;
    assert_eq!(answer.status, StatusCode::OK, "{target}");
    let response = &operation["responses"]["200"];
    assert_documented(document, response, &answer, &target);
    let (answer, example) = (answer.json(), &response["content"]["application/json"]["example"]);
    // Who asks here is nobody of the example.
    if path == "/whoami" {
        let fields = |document: &Value| document.as_object().unwrap().keys().cloned().collect();
        let (sent, shown): (Vec<_>, Vec<_>) = (fields(&answer), fields(example));
        return assert_eq!(sent, shown);
    }
    match example.get("items").and(answer["items"].as_array()).or(answer.as_array()) {
        Some(items) => {
            let shown = example.get("items").unwrap_or(example).as_array().unwrap();
            assert!(!shown.is_empty(), "{path}: the example is empty");
            assert!(shown.iter().all(|item| items.contains(item)), "{path}: {example}");
        }
        None => assert_eq!(&answer, example, "{path}"),
    }
}

/// The problem without what belongs to this request.
fn told(mut problem: Value) -> Value {
    let fields = problem.as_object_mut().unwrap();
    fields.remove("request_id");
    fields.remove("instance");
    problem
}

#[tokio::test]
async fn every_path_takes_the_parameters_that_are_published() {
    let document = document();
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    for (path, item) in document["paths"].as_object().unwrap() {
        let operation = &item["get"];
        let parameters = operation["parameters"].as_array().unwrap().iter();
        let parameters = parameters.map(|parameter| resolved(&document, parameter));
        let published = parameters.filter(|it| it["in"] == "query");
        let published: BTreeSet<_> = published.map(|it| it["name"].as_str().unwrap()).collect();
        let target = example_of(&document, path, operation);
        let sign = if target.contains('?') { '&' } else { '?' };
        let problem = gateway.get(&format!("{target}{sign}none=1")).await.json();
        let taken = problem["errors"][0]["allowed"].as_array().unwrap().iter();
        let taken: BTreeSet<_> = taken.map(|name| name.as_str().unwrap()).collect();
        assert_eq!(taken, published, "{path}");
    }
}

#[tokio::test]
async fn problems_are_told_as_their_examples_say() {
    let document = document();
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.get("/sddcs").await;
    let only_cached = [("cache-control", "only-if-cached")];
    let response = &document["components"]["responses"]["Problem"];
    let examples = &response["content"]["application/problem+json"]["examples"];
    for (target, code) in [
        ("/sddcs?state=REDY&partail=allow", "invalid-parameter"),
        ("/sddcs/0", "sddc-not-found"),
        ("/tasks/0", "task-not-found"),
        ("/orgs/0", "org-not-found"),
    ] {
        let answer = gateway.get(target).await;
        assert_documented(&document, response, &answer, target);
        assert_eq!(told(answer.json()), told(examples[code]["value"].clone()), "{target}");
    }
    let bare = Setup::on_demand(&cloud).start().await;
    let answer = bare.send(http::Method::GET, "/sddcs", &only_cached).await;
    assert_eq!(told(answer.json()), told(examples["not-cached"]["value"].clone()));
    let answer = bare.send_bare(http::Method::GET, "/sddcs", &[]).await;
    assert_documented(&document, response, &answer, "without a key");
    assert_eq!(told(answer.json()), told(examples["unauthenticated"]["value"].clone()));
}
