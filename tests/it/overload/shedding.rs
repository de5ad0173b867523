//! More work than `api.max_in_flight`: what is above it is refused at once, and nothing else changes.

use futures_util::{StreamExt, stream::FuturesUnordered};
use sddc_gateway::config::Config;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::harness::{Setup, TestGateway, cloud};

const MOST: usize = 8;

async fn in_flight(gateway: &TestGateway) -> String {
    let page = gateway.ops("/metrics").await.text();
    let value = page.lines().find_map(|line| line.strip_prefix("sddc_gateway_http_in_flight "));
    value.unwrap().to_owned()
}

async fn probes_answer(gateway: &TestGateway) {
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(gateway.ops(path).await.status, 200, "{path}");
    }
    for path in ["/livez", "/readyz"] {
        assert_eq!(gateway.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn of_ten_times_as_many_as_may_be_worked_on_those_are_and_the_rest_is_shed_at_once() {
    let cloud = cloud().await;
    // VMC takes connections, and answers nothing until it is served.
    let vmc = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", vmc.local_addr().unwrap());
    let narrow = |config: &mut Config| {
        config.vmc.url = url.parse().unwrap();
        config.api.max_in_flight = MOST;
    };
    let gateway = Setup::on_demand(&cloud).with(narrow).start().await;
    gateway.until("ready", async |gateway| gateway.ops("/readyz").await.status == 200).await;

    let mut asked: FuturesUnordered<_> = (0..10 * MOST).map(|_| gateway.get("/sddcs")).collect();
    for _ in 0..9 * MOST {
        let shed = asked.next().await.unwrap();
        assert_eq!(shed.told(), (503, "overloaded".to_owned()));
        assert_eq!(shed.header("retry-after"), "1");
    }
    assert_eq!(in_flight(&gateway).await, MOST.to_string());
    probes_answer(&gateway).await;
    assert_eq!(gateway.get("/openapi.json").await.told(), (503, "overloaded".to_owned()));

    let stop = CancellationToken::new();
    TaskTracker::new().spawn(cloud.simulator.clone().serve(vmc, stop.clone()));
    while let Some(answer) = asked.next().await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(cloud.sddc_reads(), 1);
    // The last body may still hold its place when it is here.
    gateway.until("all places are back", async |gateway| in_flight(gateway).await == "0").await;
    assert_eq!(gateway.get("/sddcs").await.status, 200);
    let counted = async |status| gateway.metric("sddc_gateway_http_requests_total", status).await;
    let shed = counted("status=\"503\"").await;
    assert!((shed - 73.0).abs() < 0.5, "{shed}");
    stop.cancel();
}
