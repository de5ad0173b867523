//! Connections whose other end is gone without a word.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sddc_gateway::reload::LoadedFile;
use support::{http::client, tls};
use tempfile::NamedTempFile;

use super::front::{Front, Mode, own_address};
use crate::harness::{Cloud, Setup, cloud};

#[tokio::test]
async fn a_connection_that_fell_silent_costs_one_try_and_no_caller_an_answer() {
    let cloud = cloud().await;
    let front = Front::start(cloud.address);
    let setup = Setup::on_demand(&cloud).with_configured_orgs(&cloud).with(|config| {
        config.vmc.url = front.url().parse().unwrap();
        config.vmc.timeout = Duration::from_secs(2);
        config.vmc.retries = 1;
    });
    let gateway = setup.start().await;
    assert_eq!(gateway.get("/sddcs").await.served(), "fwd=miss; stored");
    front.set(Mode::Mute).await;
    let answer = gateway.send(Method::GET, "/sddcs", &[("cache-control", "no-cache")]).await;
    assert_eq!((answer.served(), answer.header("age")), ("fwd=miss; stored", "0"));
    assert_eq!(cloud.sddc_reads(), 2, "the first try never arrived");
}

/// An upstream that speaks HTTP/2 over TLS, which the simulator behind it does not; each body begins with an empty
/// frame, as it may. Gives its address and the file of its CA.
async fn over_http2(cloud: &Cloud, name: &str) -> (SocketAddr, NamedTempFile) {
    let (mut config, ca) = tls::server(&[name]);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (behind, http) = (cloud.address, client().build().unwrap());
    let serve = move |stream| {
        let http = http.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let http = http.clone();
            async move {
                let path = request.uri().path_and_query().unwrap().to_string();
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let asked = http.request(head.method, format!("http://{behind}{path}"));
                let answer = asked.headers(head.headers).body(body).send().await.unwrap();
                let kind = answer.headers()["content-type"].clone();
                let response = Response::builder().status(answer.status());
                let response = response.header("content-type", kind);
                let frames = [Bytes::new(), answer.bytes().await.unwrap()];
                let frames = frames.map(|frame| Ok::<_, Infallible>(Frame::data(frame)));
                let body = StreamBody::new(stream::iter(frames));
                Ok::<_, Infallible>(response.body(body).unwrap())
            }
        });
        let connection = http2::Builder::new(TokioExecutor::new());
        connection.serve_connection(TokioIo::new(stream), service).map(drop)
    };
    (SocketAddr::from(([127, 0, 0, 1], tls::serve(config, serve).await)), ca)
}

#[tokio::test]
async fn a_dead_http2_connection_is_found_out_before_a_try_has_waited_to_its_end() {
    let cloud = cloud().await;
    let address = own_address();
    let (behind, ca) = over_http2(&cloud, &address.ip().to_string()).await;
    let front = Front::start_at(address, behind);
    let setup = Setup::on_demand(&cloud).with_configured_orgs(&cloud).with(|config| {
        config.vmc.url = format!("https://{address}").parse().unwrap();
        config.vmc.ca_file = Some(LoadedFile::read(ca.path()).unwrap());
        // Longer than the whole read may take.
        config.vmc.timeout = Duration::from_secs(60);
        config.vmc.retries = 1;
    });
    let gateway = setup.start().await;
    let answer = gateway.get("/sddcs").await;
    assert_eq!(answer.served(), "fwd=miss; stored", "{}", answer.text());
    front.set(Mode::Mute).await;
    let answer = gateway.send(Method::GET, "/sddcs", &[("cache-control", "no-cache")]).await;
    assert_eq!((answer.served(), answer.header("age")), ("fwd=miss; stored", "0"));
}
