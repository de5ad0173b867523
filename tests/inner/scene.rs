//! A gateway and the cloud behind it, on a clock that stands still.

use std::{net::Ipv4Addr, time::Duration};

use axum::body::Body;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use prometheus_client::metrics::counter::Counter;
use sddc_gateway::{
    access::{Authenticated, Identity, Policy, RequestIdentity, Settings, Verifiers},
    api::Api,
    config::Config,
    gateway::Gateway,
    simulator::Options,
    telemetry::{AccessLog, Format},
};
use support::cloud::{Cloud, clock};
use tokio::runtime::Handle;

/// A gateway that everyone may ask, with its first reading.
pub struct Scene {
    pub cloud: Cloud,
    gateway: Gateway,
    policy: Policy,
}

impl Scene {
    pub fn start(sddcs: usize) -> Self {
        let (cloud, config) = cloud(sddcs);
        let clock = &cloud.clock;
        let access_log = AccessLog::new(Format::Json, |_| ());
        let start = Gateway::start(&config, clock.clone(), access_log, Counter::default());
        let gateway = Handle::current().block_on(start).expect("it starts");
        let policy = Policy::new(&Settings::Open, Verifiers::default(), clock.clone());
        let scene = Self { cloud, gateway, policy };
        scene.wait_for(scene.request("/sddcs"));
        scene
    }

    pub fn api(&self) -> &Api {
        self.gateway.api()
    }

    /// A plain request, as the edge hands it on.
    pub fn request(&self, target: &str) -> Request<Body> {
        let sender = RequestIdentity {
            policy: self.policy.clone(),
            identity: Identity::Authenticated(self.caller()),
            client: Ipv4Addr::LOCALHOST.into(),
            request_id: HeaderValue::from_static("bench"),
        };
        let request = Request::get(target).extension(sender).body(Body::empty());
        request.expect("a good target")
    }

    /// The same with a header field.
    pub fn request_with(
        &self,
        target: &str,
        name: HeaderName,
        value: HeaderValue,
    ) -> Request<Body> {
        let mut request = self.request(target);
        request.headers_mut().insert(name, value);
        request
    }

    pub fn caller(&self) -> Authenticated {
        match self.policy.identify(&http::HeaderMap::new(), None, true) {
            Some(Identity::Authenticated(caller)) => caller,
            _ => unreachable!("access is open"),
        }
    }

    /// The answer, which waits for nothing.
    pub fn answer(&self, request: Request<Body>) -> Response<Body> {
        self.api().answer(request).now_or_never().expect("it is made from the snapshot")
    }

    /// The answer, which waits for a reading.
    pub fn wait_for(&self, request: Request<Body>) -> Response<Body> {
        let answer = Handle::current().block_on(self.api().answer(request));
        assert_eq!(answer.status(), StatusCode::OK);
        answer
    }
}

/// A cloud that listens, and the settings of a gateway in front of it.
pub fn cloud(sddcs: usize) -> (Cloud, Config) {
    let options = Options { sddcs, ..Options::default() };
    let cloud = Handle::current().block_on(Cloud::start(&clock(), options));
    let any = (Ipv4Addr::LOCALHOST, 0).into();
    let mut config = Config::for_demo(any, any, cloud.address);
    // Only a request causes a reading.
    config.inventory.poll = Duration::ZERO;
    (cloud, config)
}
