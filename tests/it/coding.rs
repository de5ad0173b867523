//! Content codings (contract section 4.3): made once per answer, never waited for.

use std::io::Read;

use futures_util::future::join_all;
use http::{Method, StatusCode};
use sddc_gateway::simulator::Options;

use crate::harness::{Answer, Cloud, Setup, TestGateway, clock, cloud};

const CODINGS: [&str; 3] = ["zstd", "br", "gzip"];
const UI: &str = "/docs/swagger-ui-bundle.js";

async fn plain() -> (Cloud, TestGateway) {
    let cloud = cloud().await;
    let gateway = Setup::on_demand(&cloud).start().await;
    (cloud, gateway)
}

async fn ask(gateway: &TestGateway, path: &str, accept: &str) -> Answer {
    gateway.send(Method::GET, path, &[("accept-encoding", accept)]).await
}

/// Asks until the answer comes in the coding.
async fn coded(gateway: &TestGateway, path: &str, accept: &str, coding: &str) -> Answer {
    let ready = async |gateway: &TestGateway| {
        ask(gateway, path, accept).await.header("content-encoding") == coding
    };
    gateway.until(&format!("{path} in {coding}"), ready).await;
    ask(gateway, path, accept).await
}

fn decoded(answer: &Answer) -> Vec<u8> {
    let (mut body, mut decoded) = (&*answer.body, Vec::new());
    match answer.header("content-encoding") {
        "zstd" => zstd::stream::copy_decode(body, &mut decoded).unwrap(),
        "br" => brotli::BrotliDecompress(&mut body, &mut decoded).unwrap(),
        "gzip" => {
            flate2::read::GzDecoder::new(body).read_to_end(&mut decoded).unwrap();
        }
        other => panic!("no coding: {other:?}"),
    }
    decoded
}

#[tokio::test]
async fn the_first_who_asks_gets_identity_and_later_ones_their_coding() {
    let (_cloud, gateway) = plain().await;
    let identity = gateway.get("/sddcs").await;
    for coding in CODINGS {
        let first = ask(&gateway, "/sddcs", coding).await;
        assert_eq!((first.header("content-encoding"), &first.body), ("", &identity.body));
        let later = coded(&gateway, "/sddcs", coding, coding).await;
        assert_eq!(later.status, StatusCode::OK);
        assert_eq!(decoded(&later), identity.body);
        assert!(later.body.len() * 2 < identity.body.len(), "{coding}: {}", later.body.len());
        assert_eq!(later.header("content-length"), later.body.len().to_string());
        for name in ["etag", "vary", "age", "cache-control", "cache-status", "content-type"] {
            assert_eq!(
                later.header(name),
                identity.header(name).replace("fwd=miss; stored", "hit; ttl=60"),
                "{name}"
            );
        }
    }
    for accept in ["gzip, deflate, br, zstd", "*"] {
        assert_eq!(ask(&gateway, "/sddcs", accept).await.header("content-encoding"), "zstd");
    }
    let liked = ask(&gateway, "/sddcs", "gzip;q=0.9, br;q=1.0, *;q=0").await;
    assert_eq!(liked.header("content-encoding"), "br");
}

#[tokio::test]
async fn head_and_304_agree_with_get() {
    let (_cloud, gateway) = plain().await;
    let get = coded(&gateway, "/sddcs", "br", "br").await;
    let head = gateway.send(Method::HEAD, "/sddcs", &[("accept-encoding", "br")]).await;
    assert!(head.body.is_empty());
    for name in ["content-encoding", "content-length", "content-type", "etag", "vary"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    let known = [("accept-encoding", "br"), ("if-none-match", get.header("etag"))];
    let unchanged = gateway.send(Method::GET, "/sddcs", &known).await;
    assert_eq!(unchanged.status, StatusCode::NOT_MODIFIED);
    assert_eq!(unchanged.header("etag"), get.header("etag"));
    assert_eq!((unchanged.header("content-encoding"), unchanged.body.len()), ("", 0));
}

#[tokio::test]
async fn who_refuses_identity_gets_it_until_there_is_a_coding() {
    let (_cloud, gateway) = plain().await;
    let identity = gateway.get("/sddcs").await;
    for accept in ["identity;q=0", "*;q=0", "gzip, identity;q=0"] {
        let early = ask(&gateway, "/sddcs", accept).await;
        assert_eq!((early.status, &early.body), (StatusCode::OK, &identity.body), "{accept}");
    }
    let later = coded(&gateway, "/sddcs", "gzip, identity;q=0", "gzip").await;
    assert_eq!(decoded(&later), identity.body);
    assert_eq!(ask(&gateway, "/sddcs", "gzip;q=0, *;q=0").await.header("content-encoding"), "");
}

#[tokio::test]
async fn a_hundred_who_ask_at_once_all_get_the_answer_and_one_variant_is_made() {
    let options = Options { sddcs: 200, ..Options::default() };
    let cloud = Cloud::start(&clock(), options).await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let identity = gateway.get("/sddcs").await.body;
    let answers = join_all((0..100).map(|_| ask(&gateway, "/sddcs", "zstd"))).await;
    for answer in &answers {
        let coded = answer.header("content-encoding") == "zstd";
        assert!(if coded { decoded(answer) } else { answer.body.clone() } == identity);
    }
    let variant = coded(&gateway, "/sddcs", "zstd", "zstd").await;
    assert!(decoded(&variant) == identity);
    let made = answers.iter().filter(|answer| answer.header("content-encoding") == "zstd");
    assert!(made.into_iter().all(|answer| answer.body == variant.body));
}

#[tokio::test]
async fn every_kind_of_answer_is_coded_unless_it_is_small() {
    let cloud = Cloud::start(&clock(), Options { sddcs: 30, ..Options::default() }).await;
    let gateway = Setup::on_demand(&cloud).start().await;
    let org = format!("/orgs/{}", cloud.simulator.org_ids()[0]);
    for path in [&*format!("{org}/sddcs"), UI, "/openapi.json", "/openapi.yaml"] {
        let identity = gateway.get(path).await;
        let later = coded(&gateway, path, "gzip", "gzip").await;
        assert!(decoded(&later) == identity.body, "{path}");
    }
    for path in [&*org, "/docs/icon.svg", "/docs/start.js"] {
        assert!(gateway.get(path).await.body.len() < 1024);
        // The compressor takes one job after the other: once the second is done, so would the first be.
        ask(&gateway, path, "br").await;
        coded(&gateway, "/openapi.yaml", "br", "br").await;
        assert_eq!(ask(&gateway, path, "br").await.header("content-encoding"), "", "{path}");
    }
}

#[tokio::test]
async fn an_error_is_sent_as_it_is() {
    let (_cloud, gateway) = plain().await;
    for path in ["/nowhere", "/sddcs?x=1", "/sddcs/unknown"] {
        for _ in 0..3 {
            let answer = ask(&gateway, path, "zstd, br, gzip, identity;q=0").await;
            assert_eq!(answer.header("content-encoding"), "", "{path}");
            assert!(!answer.code().is_empty());
        }
    }
}

#[tokio::test]
async fn the_docs_are_not_sent_again_to_who_has_them() {
    let (_cloud, gateway) = plain().await;
    for path in [
        "/docs",
        "/docs/guide",
        "/docs/drop-in",
        "/docs/start.js",
        "/docs/text.css",
        "/docs/swagger-ui.css",
        UI,
        "/openapi.json",
        "/openapi.yaml",
        "/problems/internal",
    ] {
        let whole = gateway.send_bare(Method::GET, path, &[]).await;
        let etag = whole.header("etag");
        assert!(etag.starts_with("W/\""), "{path}");
        assert_eq!(whole.header("vary"), "Accept-Encoding");
        let again = gateway.send_bare(Method::GET, path, &[("if-none-match", etag)]).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
        for name in ["etag", "vary", "cache-control"] {
            assert_eq!(again.header(name), whole.header(name), "{path}");
        }
        let other = gateway.send_bare(Method::GET, path, &[("if-none-match", "\"x\"")]).await;
        assert_eq!(other.body, whole.body);
    }
}
