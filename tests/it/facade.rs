//! What callers see (contract sections 4 and 8): documents, refusals, headers, docs, metrics and
//! access lines.

use http::{Method, StatusCode};
use insta::assert_json_snapshot;
use sddc_gateway::{
    access::Scope,
    problem::Code,
    simulator::{Fault, FaultKind, Options, Target},
};
use serde_json::{Value, json};

use crate::harness::{Answer, Captured, Cloud, Setup, TestGateway, clock, cloud, cloud_of};

const SDDCS: &str = "*/sddcs";
const FRESHNESS: [&str; 5] = ["age", "cache-control", "cache-status", "etag", "vary"];

/// A gateway in front of a cloud, which lives as long as it is held.
async fn plain() -> (Cloud, TestGateway) {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    (cloud, gateway)
}

fn lines(page: &str, start: &str) -> Vec<String> {
    page.lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect()
}

// Documents.

#[tokio::test]
async fn the_documents_are_these() {
    let cloud = cloud_of(2).await;
    let gateway = Setup::on_demand(&cloud).start().await;
    assert_json_snapshot!("sddcs", gateway.get("/sddcs").await.json());
    let one = format!("/sddcs/{}", cloud.simulator.sddc_ids()[0]);
    assert_json_snapshot!("sddc", gateway.get(&one).await.json());
    assert_json_snapshot!("orgs", gateway.get("/orgs").await.json());
    let org = format!("/orgs/{}", cloud.simulator.org_ids()[0]);
    assert_json_snapshot!("org", gateway.get(&org).await.json());
    assert_json_snapshot!("org_sddcs", gateway.get(&format!("{org}/sddcs")).await.json());
}

#[tokio::test]
async fn a_gateway_without_sddcs_lists_none() {
    let options = Options { sddcs: 0, ..Default::default() };
    let cloud = Cloud::start(&clock(), options).await;
    let answer = Setup::on_demand(&cloud).start().await.get("/sddcs").await;
    let empty = json!({
        "items": [], "next_cursor": null, "completeness": "complete", "missing": [],
    });
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, empty));
}

// Freshness headers.

#[tokio::test]
async fn every_answer_from_the_snapshot_tells_its_freshness() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let (org, sddc) = (&cloud.simulator.org_ids()[0], &cloud.simulator.sddc_ids()[0]);
    for path in [
        "/sddcs",
        &format!("/sddcs/{sddc}"),
        "/orgs",
        &format!("/orgs/{org}"),
        &format!("/orgs/{org}/sddcs"),
    ] {
        gateway.get(path).await;
        let answer = gateway.get(path).await;
        assert_eq!(answer.header("age"), "0", "{path}");
        assert_eq!(answer.header("cache-control"), "private, max-age=60", "{path}");
        assert_eq!(answer.header("vary"), "Accept-Encoding, Authorization, X-API-Key", "{path}");
        assert_eq!(answer.served(), "hit; ttl=60", "{path}");
        assert!(answer.header("etag").starts_with("W/\""), "{path}");
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
        assert_eq!(answer.header("content-length"), answer.body.len().to_string(), "{path}");
    }
}

#[tokio::test]
async fn who_has_the_answer_already_gets_304_with_the_same_headers_and_no_body() {
    let (_cloud, gateway) = plain().await;
    gateway.get("/sddcs").await;
    gateway.advance(5);
    let whole = gateway.get("/sddcs").await;
    let weak = whole.header("etag").to_owned();
    let strong = weak.strip_prefix("W/").unwrap().to_owned();
    for known in [&*weak, &*strong, "*", &format!("\"a\", {weak}"), &format!("{strong} ,W/\"b\"")] {
        for method in [Method::GET, Method::HEAD] {
            let answer = gateway.send(method, "/sddcs", &[("if-none-match", known)]).await;
            assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{known}");
            assert!(answer.body.is_empty() && answer.header("content-type").is_empty());
            for name in FRESHNESS {
                assert_eq!(answer.header(name), whole.header(name), "{name} with {known}");
            }
        }
    }
    let several = [("if-none-match", "\"a\""), ("if-none-match", &*weak)];
    assert_eq!(gateway.send(Method::GET, "/sddcs", &several).await.code(), "304");
    for unknown in ["\"a\"", "W/\"a\"", "", "not quoted"] {
        let answer = gateway.send(Method::GET, "/sddcs", &[("if-none-match", unknown)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{unknown}");
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let (_cloud, gateway) = plain().await;
    gateway.get("/sddcs").await;
    for path in ["/sddcs", "/sddcs/unknown", "/sddcs?x=1", "/nowhere", "/docs", "/openapi.json"] {
        let id = [("x-request-id", "same")];
        let get = gateway.send(Method::GET, path, &id).await;
        let head = gateway.send(Method::HEAD, path, &id).await;
        // A second may begin between the two.
        let fields = |answer: &Answer| {
            let mut fields = answer.headers.clone();
            fields.remove("date");
            fields
        };
        assert_eq!((head.status, fields(&head)), (get.status, fields(&get)), "{path}");
        assert!(head.body.is_empty() && !get.body.is_empty(), "{path}");
    }
}

// Refusals.

#[tokio::test]
async fn a_wrong_question_is_told_every_fault_at_once() {
    let (_cloud, gateway) = plain().await;
    let id = [("x-request-id", "a-request")];
    let list = gateway.send(Method::GET, "/sddcs?partail=allow&partial=yes&%C3%BC=1", &id).await;
    assert_eq!(list.told(), (400, "invalid-parameter".to_owned()));
    assert_json_snapshot!("invalid_parameter_of_a_list", list.json());
    let one = gateway.send(Method::GET, "/sddcs/any?partial=allow", &id).await;
    assert_json_snapshot!("invalid_parameter_of_one", one.json());
}

#[tokio::test]
async fn every_problem_says_what_and_where_it_is() {
    let (_cloud, gateway) = plain().await;
    let (long, over) = ("x".repeat(8 * 1024), "x".repeat(17 * 1024));
    let long_path = format!("/{long}");
    for (method, path, headers, status, code) in [
        (Method::GET, "/nowhere", vec![], 404, "not-found"),
        (Method::GET, "/sddcs/", vec![], 404, "not-found"),
        (Method::GET, "/sddcs/unknown", vec![], 404, "sddc-not-found"),
        (Method::GET, "/orgs/unknown", vec![], 404, "org-not-found"),
        (Method::GET, "/orgs/unknown/sddcs", vec![], 404, "org-not-found"),
        (Method::GET, "/problems/unknown", vec![], 404, "not-found"),
        (Method::GET, "/docs/unknown", vec![], 404, "not-found"),
        (Method::GET, "/sddcs?x", vec![], 400, "invalid-parameter"),
        (Method::GET, "/sddcs/%ff", vec![], 400, "bad-request"),
        (Method::GET, "/sddcs?q=%zz", vec![], 400, "bad-request"),
        (Method::GET, &*long_path, vec![], 414, "too-large"),
        (Method::GET, "/sddcs", vec![("x-much", &*over)], 431, "too-large"),
        (Method::POST, "/sddcs", vec![], 405, "method-not-allowed"),
    ] {
        let mut headers = headers;
        headers.push(("x-request-id", "mine"));
        let answer = gateway.send(method, path, &headers).await;
        assert_eq!(answer.told(), (status, code.to_owned()), "{path:.40}");
        let problem = answer.json();
        let asked: String = path.split('?').next().unwrap().chars().take(64).collect();
        assert_eq!(problem["instance"], asked);
        assert_eq!(problem["request_id"], "mine");
        assert_eq!(problem["retryable"], false);
        for text in ["title", "detail"] {
            assert!(problem[text].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
        }
        assert_eq!(problem.get("errors").is_some(), status == 400, "{problem}");
        assert_eq!(problem.get("missing"), None);
    }
}

#[tokio::test]
async fn a_body_over_64_kib_is_too_large() {
    let (_cloud, gateway) = plain().await;
    let head = format!(
        "GET /sddcs HTTP/1.1\r\nhost: a.test\r\nx-api-key: {}\r\nconnection: close\r\n",
        gateway.key()
    );
    let body = "x".repeat(64 * 1024);
    let told = |answer: &str| answer.split(' ').nth(1).map(str::to_owned).unwrap_or_default();
    let fits = format!("{head}content-length: 65536\r\n\r\n{body}");
    assert_eq!(told(&gateway.raw(&fits).await), "200");
    let announced = format!("{head}content-length: 65537\r\n\r\n");
    assert_eq!(told(&gateway.raw(&announced).await), "413");
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n10001\r\n{body}x\r\n0\r\n\r\n");
    assert_eq!(told(&gateway.raw(&chunked).await), "413");
}

#[tokio::test]
async fn a_request_names_exactly_one_host() {
    let (_cloud, gateway) = plain().await;
    let key = gateway.key();
    for hosts in ["", "host: a.test\r\nhost: a.test\r\n"] {
        let request =
            format!("GET /sddcs HTTP/1.1\r\n{hosts}x-api-key: {key}\r\nconnection: close\r\n\r\n");
        let answer = gateway.raw(&request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("\"code\":\"bad-request\""), "{answer}");
    }
}

#[tokio::test]
async fn only_get_and_head_are_allowed_and_a_path_that_is_not_there_is_not_found_by_any_method() {
    let (_cloud, gateway) = plain().await;
    let brew = Method::from_bytes(b"BREW").unwrap();
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS, brew]
    {
        for path in ["/sddcs", "/sddcs/unknown", "/orgs", "/docs", "/livez", "/problems/internal"] {
            let answer = gateway.send(method.clone(), path, &[]).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            let mut allowed: Vec<_> = answer.header("allow").split(',').map(str::trim).collect();
            allowed.sort_unstable();
            assert_eq!(allowed, ["GET", "HEAD"], "{method} {path}");
        }
        assert_eq!(gateway.send(method, "/nowhere", &[]).await.code(), "not-found");
    }
    let head = gateway.send(Method::HEAD, "/nowhere", &[]).await;
    assert_eq!(head.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn refusals_come_in_this_order() {
    let cloud = cloud().await;
    let (setup, scopeless) = Setup::on_demand(&cloud).with_caller("scopeless", &[]);
    let gateway = setup.start().await;
    let (nobody, scopeless) = ([("x-api-key", "wrong")], [("x-api-key", scopeless.reveal())]);
    let good = [("x-api-key", gateway.key())];
    for (method, path, headers, code) in [
        (Method::POST, "/nowhere?x=1", &nobody, "not-found"),
        (Method::POST, "/sddcs?x=1", &nobody, "method-not-allowed"),
        (Method::GET, "/sddcs?x=1", &nobody, "unauthenticated"),
        (Method::GET, "/sddcs?x=1", &scopeless, "forbidden"),
        (Method::GET, "/sddcs/unknown?x=1", &scopeless, "forbidden"),
        (Method::GET, "/sddcs/unknown?x=1", &good, "invalid-parameter"),
        (Method::GET, "/orgs/unknown/sddcs?x=1", &good, "invalid-parameter"),
    ] {
        let answer = gateway.send_bare(method.clone(), path, headers).await;
        assert_eq!(answer.code(), code, "{method} {path}");
    }
    assert_eq!(cloud.sddc_reads(), 0, "no refusal costs a read");
}

// Callers.

#[tokio::test]
async fn a_credential_is_a_key_sent_once() {
    let cloud = cloud().await;
    let (setup, other) = Setup::on_demand(&cloud).with_caller("second", &[Scope::SddcRead]);
    let gateway = setup.start().await;
    let (mine, other) = (gateway.key(), other.reveal());
    let (bearer, other_bearer) = (format!("Bearer {mine}"), format!("bearer  {other}"));
    let missing = "Bearer realm=\"sddc-gateway\"";
    let invalid = "Bearer realm=\"sddc-gateway\", error=\"invalid_token\"";
    let malformed = "Bearer realm=\"sddc-gateway\", error=\"invalid_request\"";
    let unknown = format!("sgw_{}", "A".repeat(43));
    let basic = "Basic dGVzdGVyOmtleQ==";
    for (headers, challenge) in [
        (vec![("authorization", &*bearer)], None),
        (vec![("authorization", &*other_bearer)], None),
        (vec![("x-api-key", mine)], None),
        (vec![("authorization", &*bearer), ("x-api-key", mine)], None),
        (vec![], Some(missing)),
        (vec![("x-api-key", &*unknown)], Some(invalid)),
        (vec![("x-api-key", "short")], Some(invalid)),
        (vec![("authorization", &*bearer), ("x-api-key", "short")], Some(invalid)),
        (vec![("authorization", &*bearer), ("x-api-key", other)], Some(invalid)),
        (vec![("authorization", basic)], Some(missing)),
        (vec![("authorization", basic), ("x-api-key", mine)], None),
        (vec![("authorization", "Negotiate YII="), ("x-api-key", mine)], None),
        (vec![("authorization", mine)], Some(malformed)),
        (vec![("authorization", "Bearer")], Some(malformed)),
        (vec![("authorization", "Bearer ")], Some(malformed)),
        (vec![("x-api-key", "")], Some(malformed)),
    ] {
        let answer = gateway.send_bare(Method::GET, "/sddcs", &headers).await;
        let code = if challenge.is_some() { "unauthenticated" } else { "200" };
        assert_eq!(answer.code(), code, "{headers:?}");
        assert_eq!(answer.header("www-authenticate"), challenge.unwrap_or(""), "{headers:?}");
    }
    for headers in [
        [("authorization", &*bearer), ("authorization", &*bearer)],
        [("authorization", basic), ("authorization", &*bearer)],
        [("x-api-key", mine), ("x-api-key", mine)],
    ] {
        let answer = gateway.send_bare(Method::GET, "/sddcs", &headers).await;
        assert_eq!(answer.code(), "bad-request", "{headers:?}");
    }
    for reason in [
        "no_credential",
        "unknown_credential",
        "malformed_credential",
        "conflicting_credentials",
        "doubled_credential",
        "other_scheme",
    ] {
        let label = format!("reason=\"{reason}\"");
        assert!(gateway.metric("sddc_gateway_access_denied_total", &label).await > 0.0, "{reason}");
    }
    assert!(gateway.metric("sddc_gateway_http_requests_total", "caller=\"second\"").await > 0.0);
}

#[tokio::test]
async fn open_access_needs_no_credential_and_refuses_a_wrong_one() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).open().start().await;
    assert_eq!(gateway.get("/sddcs").await.status, StatusCode::OK);
    let requests = "sddc_gateway_http_requests_total";
    assert!(gateway.metric(requests, "caller=\"anonymous\"").await > 0.0);
    for (headers, told) in [
        ([("authorization", "Bearer wrong")], (401, "unauthenticated")),
        ([("x-api-key", "wrong")], (401, "unauthenticated")),
        ([("host", "evil.test")], (421, "misdirected")),
        ([("sec-fetch-site", "cross-site")], (403, "forbidden")),
    ] {
        let answer = gateway.send(Method::GET, "/sddcs", &headers).await;
        let (status, code) = answer.told();
        assert_eq!((status, &*code), told, "{headers:?}");
    }
}

// Upstream problems.

#[tokio::test]
async fn a_list_that_would_be_a_part_is_a_problem_that_names_what_is_missing() {
    let cloud = cloud_of(2).await;
    let gateway = Setup::on_demand(&cloud).with_configured_orgs(&cloud).start().await;
    let failing = format!("/vmc/api/orgs/{}/sddcs", cloud.simulator.org_ids()[1]);
    cloud.simulator.script(Fault::on(Target::Vmc, &failing).kind(FaultKind::Html));
    let id = [("x-request-id", "a-request")];
    let answer = gateway.send(Method::GET, "/sddcs", &id).await;
    assert_eq!(
        (answer.told(), answer.header("retry-after")),
        ((503, "incomplete".to_owned()), "1")
    );
    assert_json_snapshot!("incomplete", answer.json());
    let part = gateway.send(Method::GET, "/sddcs?partial=allow", &id).await;
    assert_ne!(part.header("etag"), "");
    assert_json_snapshot!("partial", part.json(), { ".items[]" => "…" });
}

#[tokio::test]
async fn upstream_trouble_is_retryable_unless_our_credentials_are_refused() {
    for (status, code, retryable) in [
        (503, "upstream-unavailable", true),
        (302, "upstream-contract", true),
        (403, "upstream-credentials-rejected", false),
    ] {
        let cloud = cloud().await;
        cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).status(status));
        let answer = Setup::on_demand(&cloud).start().await.get("/sddcs").await;
        assert_eq!(answer.code(), code);
        assert_eq!(answer.json()["retryable"], retryable, "{code}");
        assert_eq!(answer.header("www-authenticate"), "", "never a 401 to the caller");
    }
}

#[tokio::test]
async fn above_its_bound_the_gateway_sheds_requests_and_never_probes() {
    let cloud = cloud().await;
    let gateway =
        Setup::on_demand(&cloud).with(|config| config.api.max_in_flight = 0).start().await;
    let answer = gateway.get("/sddcs").await;
    assert_eq!(
        (answer.told(), answer.header("retry-after")),
        ((503, "overloaded".to_owned()), "1")
    );
    assert_eq!(answer.json()["retryable"], true);
    assert_eq!(gateway.get("/livez").await.status, StatusCode::OK);
}

// Every answer.

#[tokio::test]
async fn a_sane_request_id_is_the_callers_and_any_other_a_new_one() {
    let (_cloud, gateway) = plain().await;
    let sixty_four = "x".repeat(64);
    for id in ["a", "A-b_c.9", &*sixty_four] {
        let answer = gateway.send(Method::GET, "/sddcs", &[("x-request-id", id)]).await;
        assert_eq!(answer.header("x-request-id"), id);
    }
    let sixty_five = "x".repeat(65);
    for id in ["", "a b", "a/b", "\"", &*sixty_five] {
        let answer = gateway.send(Method::GET, "/sddcs", &[("x-request-id", id)]).await;
        let new = answer.header("x-request-id");
        assert!(new != id && new.len() == 36, "{id}: {new}");
    }
}

// Docs and probes.

#[tokio::test]
async fn the_docs_need_no_key_and_load_nothing_from_elsewhere() {
    let (_cloud, gateway) = plain().await;
    for (path, kind) in [
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/guide", "text/html; charset=utf-8"),
        ("/docs/drop-in", "text/html; charset=utf-8"),
        ("/docs/start.js", "text/javascript; charset=utf-8"),
        ("/docs/guide.js", "text/javascript; charset=utf-8"),
        ("/docs/base.css", "text/css; charset=utf-8"),
        ("/docs/docs.css", "text/css; charset=utf-8"),
        ("/docs/text.css", "text/css; charset=utf-8"),
        ("/docs/icon.svg", "image/svg+xml"),
        ("/docs/swagger-ui.css", "text/css; charset=utf-8"),
        ("/docs/swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("/openapi.json", "application/json"),
        ("/openapi.yaml", "application/yaml"),
    ] {
        let answer = gateway.send_bare(Method::GET, path, &[]).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (StatusCode::OK, kind),
            "{path}"
        );
        let policy = answer.header("content-security-policy");
        assert_eq!(policy, crate::home::PAGE_POLICY, "{path}");
        if kind.starts_with("text/html") {
            let page = answer.text();
            assert!(!page.contains("://") && !page.contains("src=\"//"), "{path}: {page}");
        }
    }
}

#[tokio::test]
async fn every_problem_has_a_page_with_cause_and_remedy() {
    let (_cloud, gateway) = plain().await;
    for code in Code::ALL {
        let path = format!("/problems/{}", code.as_str());
        let answer = gateway.send_bare(Method::GET, &path, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        let page = answer.text();
        for part in [code.entry().title, code.as_str(), "<h2>Cause</h2>", "<h2>Remedy</h2>"] {
            assert!(page.contains(part), "{path}: {part}");
        }
    }
}

#[tokio::test]
async fn probes_are_bare_on_the_api_port_and_tell_more_on_the_ops_port() {
    let (_cloud, gateway) = plain().await;
    gateway.get("/sddcs").await;
    for path in ["/livez", "/readyz"] {
        let bare = gateway.send_bare(Method::GET, path, &[("host", "10.0.0.1:8080")]).await;
        assert_eq!((bare.status, bare.body.len()), (StatusCode::OK, 0), "{path}");
    }
    assert_eq!(gateway.ops("/livez").await.status, StatusCode::OK);
    let ready = gateway.ops("/readyz").await;
    assert_eq!(ready.status, StatusCode::OK);
    assert_json_snapshot!("readyz", ready.json());
    assert_eq!(gateway.ops("/nowhere").await.told(), (404, "not-found".to_owned()));
}

#[tokio::test]
async fn no_probe_causes_an_upstream_call() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    gateway.until("first mint", async |_| cloud.mints() == 1).await;
    for path in ["/livez", "/readyz", "/metrics"] {
        gateway.ops(path).await;
    }
    let ready = gateway.send_bare(Method::GET, "/readyz", &[]).await;
    assert_eq!(ready.status, StatusCode::OK, "a good token and a closed circuit");
    let stats = cloud.simulator.stats();
    assert_eq!((stats.sddc_list_reads, stats.org_list_reads, stats.mint_attempts), (0, 0, 1));
}

// Metrics and access lines.

#[tokio::test]
async fn what_happens_is_counted() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let etag = gateway.get("/sddcs").await.header("etag").to_owned();
    gateway.get("/sddcs").await;
    gateway.send(Method::GET, "/sddcs", &[("if-none-match", &etag)]).await;
    cloud.simulator.script(Fault::on(Target::Vmc, SDDCS).status(503));
    gateway.advance(61);
    gateway.get("/sddcs").await;
    gateway.get("/sddcs/unknown").await;
    for (name, labels, count) in [
        (
            "http_requests_total",
            "route=\"/sddcs\",method=\"GET\",status=\"200\",caller=\"tester\"",
            3.0,
        ),
        (
            "http_requests_total",
            "route=\"/sddcs\",method=\"GET\",status=\"304\",caller=\"tester\"",
            1.0,
        ),
        ("http_requests_total", "route=\"/sddcs/{sddc_id}\",method=\"GET\",status=\"404\"", 1.0),
        ("http_request_duration_seconds_count", "route=\"/sddcs\"", 4.0),
        ("cache_total", "result=\"miss\"", 1.0),
        ("cache_total", "result=\"hit\"", 1.0),
        ("cache_total", "result=\"revalidated\"", 1.0),
        ("cache_total", "result=\"stale\"", 1.0),
        ("token_mints_total", "org_id=\"default\",outcome=\"minted\"", 1.0),
        ("upstream_requests_total", "upstream=\"csp\",endpoint=\"token\",status=\"200\"", 1.0),
        ("upstream_requests_total", "upstream=\"vmc\",endpoint=\"sddcs\",status=\"200\"", 1.0),
        ("upstream_requests_total", "upstream=\"vmc\",endpoint=\"sddcs\",status=\"503\"", 1.0),
        ("upstream_requests_total", "upstream=\"vmc\",endpoint=\"orgs\",status=\"200\"", 2.0),
        ("upstream_circuit_open", "upstream=\"vmc\"", 1.0),
        ("inventory_age_seconds", "org_id", 61.0),
        ("sddcs", "org_id", 4.0),
        ("sddcs", "state=\"DEPLOYING\"", 1.0),
    ] {
        let seen = gateway.metric(&format!("sddc_gateway_{name}"), labels).await;
        assert!((seen - count).abs() < 0.01, "{name} {labels}: {seen}");
    }
}

#[tokio::test]
async fn no_caller_can_grow_the_number_of_series() {
    let (_cloud, gateway) = plain().await;
    let ask = async |round: usize| {
        for at in 0..10 {
            let method = Method::from_bytes(format!("BREW{round}{at}").as_bytes()).unwrap();
            gateway.send(method, &format!("/nowhere/{round}/{at}"), &[]).await;
            gateway.get(&format!("/sddcs/unknown-{round}-{at}")).await;
            let key = format!("wrong-{round}-{at}");
            gateway.send_bare(Method::GET, "/sddcs", &[("x-api-key", &key)]).await;
        }
        let page = gateway.ops("/metrics").await.text();
        lines(&page, "sddc_gateway_http")
    };
    let (first, second) = (ask(1).await, ask(2).await);
    assert_eq!(first.len(), second.len());
    let other = "method=\"other\",status=\"404\",caller=\"tester\"";
    let other = first.iter().find(|line| line.contains(other)).expect("an unknown method");
    assert!(other.contains("route=\"unmatched\""), "{other}");
    assert!(first.iter().any(|line| line.contains("status=\"401\",caller=\"none\"")));
}

#[tokio::test]
async fn each_request_has_one_access_line_without_its_path_query_or_key() {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("00-{trace}-00f067aa0ba902b7-01");
    let ask = async |path: &str, id: &str| -> Answer {
        let headers = [("x-request-id", id), ("traceparent", traceparent.as_str())];
        gateway.send(Method::GET, path, &headers).await
    };
    let size = ask("/sddcs", "one").await.body.len();
    gateway.advance(7);
    ask("/sddcs/pasted-secret?pasted=secret", "two").await;
    gateway.send_bare(Method::GET, "/nowhere/pasted-secret", &[("x-api-key", "pasted")]).await;
    ask("/sddcs", "four").await;
    let key = gateway.key().to_owned();
    let log = gateway.stop().await;
    let records: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 4, "{log}");
    assert_eq!(
        records[0],
        json!({
            "timestamp": "2026-11-22T10:00:00Z", "level": "INFO", "target": "sddc_gateway::access",
            "message": "request", "http.request_id": "one", "trace_id": trace, "caller": "tester",
            "client.address": "127.0.0.1", "http.request.method": "GET", "http.route": "/sddcs",
            "http.response.status_code": 200, "duration_ms": 0.0,
            "http.response.body.size": size, "cache": "miss", "age_s": 0,
            "decision": "allow",
        })
    );
    assert_eq!(records[1]["http.route"], "/sddcs/{sddc_id}");
    assert_eq!(records[1]["reason"], "invalid-parameter");
    assert_eq!(
        (&records[2]["http.route"], &records[2]["caller"]),
        (&json!("unmatched"), &json!("none"))
    );
    assert_eq!((&records[3]["cache"], &records[3]["age_s"]), (&json!("hit"), &json!(7)));
    for secret in ["pasted", &*key] {
        assert!(!log.contains(secret) && !Captured::events().contains(secret));
    }
}

#[tokio::test]
async fn an_answer_repeats_nothing_of_the_upstreams_headers_and_sets_no_cookie() {
    let (_cloud, gateway) = plain().await;
    for path in ["/sddcs", "/orgs", "/sddcs/unknown", "/docs"] {
        let answer = gateway.get(path).await;
        for name in ["server", "set-cookie", "access-control-allow-origin", "csp-auth-token"] {
            assert!(!answer.headers.contains_key(name), "{path}: {name}");
        }
    }
}
