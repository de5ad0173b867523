//! HTTP/2: one connection, many requests, each with its rules.

use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use sddc_gateway::simulator::{Fault, FaultKind, Target};

use super::{
    authority::Files,
    client::{Dialer, gateway, gateway_with, get},
};
use crate::harness::cloud;

#[tokio::test]
async fn many_requests_share_a_connection_and_none_waits_for_another() {
    let (cloud, files) = (cloud().await, Files::new());
    let gateway = gateway(&cloud, &files).await;
    let connection = Dialer::trusting(&files.authority).http2(gateway.api).await;
    let first = connection.get("/sddcs").await.unwrap();
    cloud.simulator.script(Fault::on(Target::Vmc, "*").kind(FaultKind::Hang));
    let hanging = connection.begin(get("/tasks"));
    gateway.until("it hangs", async |_| cloud.simulator.stats().faults > 0).await;
    let answers = join_all((0..250).map(|_| connection.get("/sddcs"))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap().body == first.body));
    assert!(!hanging.is_finished());
}

#[tokio::test]
async fn the_authority_is_the_host() {
    let (cloud, files) = (cloud().await, Files::new());
    let gateway = gateway(&cloud, &files).await;
    let connection = Dialer::trusting(&files.authority).http2(gateway.api).await;
    let ask = async |authority: &str, host: Option<&str>| {
        let mut request = Request::get(format!("https://{authority}/sddcs"));
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let answer = connection.send(request.body(()).unwrap(), None).await.unwrap();
        if answer.status == 200 { (200, String::new()) } else { answer.told() }
    };
    assert_eq!(ask("localhost", None).await.0, 200);
    assert_eq!(ask("LOCALHOST:443", None).await.0, 200);
    assert_eq!(ask("localhost", Some("localhost")).await.0, 200);
    assert_eq!(ask("evil.test", None).await, (421, "misdirected".to_owned()));
    assert_eq!(ask("localhost", Some("evil.test")).await, (400, "bad-request".to_owned()));
    assert_eq!(ask("evil.test", Some("localhost")).await, (400, "bad-request".to_owned()));
}

#[tokio::test]
async fn what_is_too_large_is_told_so_and_the_connection_goes_on() {
    let (cloud, files) = (cloud().await, Files::new());
    let gateway = gateway(&cloud, &files).await;
    let connection = Dialer::trusting(&files.authority).http2(gateway.api).await;
    let fields = |bytes: usize| {
        let mut request = Request::get("https://localhost/sddcs");
        for at in 0..bytes / 1000 {
            request = request.header(format!("x-{at}"), "v".repeat(1000));
        }
        request.body(()).unwrap()
    };
    let too_large = |status: u16| (status, "too-large".to_owned());
    for kib in [17, 40] {
        let answer = connection.send(fields(kib * 1000), None).await.unwrap();
        assert_eq!(answer.told(), too_large(431), "{kib}");
    }
    let answer = connection.get(&format!("/{}", "x".repeat(9000))).await.unwrap();
    assert_eq!(answer.told(), too_large(414));
    for announced in [true, false] {
        let mut request = get("/sddcs");
        if announced {
            request.headers_mut().insert("content-length", 65_537.into());
        }
        let body = Bytes::from(vec![b'x'; 65_537]);
        let answer = connection.send(request, Some(body)).await.unwrap();
        assert_eq!(answer.told(), too_large(413), "announced: {announced}");
    }
    let body = Bytes::from(vec![b'x'; 65_536]);
    assert_eq!(connection.send(get("/sddcs"), Some(body)).await.unwrap().status, 200);
    assert_eq!(connection.get("/sddcs").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_watcher_and_a_long_poll_wait_beside_other_requests() {
    let (cloud, files) = (cloud().await, Files::new());
    let gateway = gateway_with(&cloud, &files, |config| config.api.max_in_flight = 1).await;
    let connection = Dialer::trusting(&files.authority).http2(gateway.api).await;
    let known = connection.get("/sddcs").await.unwrap().headers["etag"].clone();
    let events = connection.listen("/sddcs/events").await;
    let mut poll = get("/sddcs?wait=60s");
    poll.headers_mut().insert("if-none-match", known);
    let poll = connection.begin(poll);
    gateway
        .until("both wait", async |gateway| {
            gateway.ops("/metrics").await.text().contains("sddc_gateway_watchers 2")
        })
        .await;
    assert_eq!(connection.get("/sddcs").await.unwrap().status, 200);
    assert!(!events.is_finished() && !poll.is_finished());
}
