//! Stopping and restarting under load: no request is lost.

use std::{net::SocketAddr, time::Duration};

use rustix::process::Signal;
use sddc_gateway::clock::Clock;

use super::{
    crowd::{Crowd, Door, Failure, Met},
    nginx::Nginx,
    run::{Cloud, SECRET, Served, Setup, gateway, own_address, until},
};
use crate::tls_listener::{
    authority::{Authority, Files},
    client::Dialer,
};

const SDDCS: &str = "GET /sddcs HTTP/1.1\r\nHost: localhost\r\n";

fn serve(setup: Setup, api: SocketAddr) -> Served {
    let served = setup.with("SDDC_GATEWAY_API__LISTEN", api.to_string()).serve();
    until("it is ready", || served.ready().status == 200);
    served
}

#[test]
fn sigterm_under_load_loses_no_request() {
    let cloud = Cloud::start(&[]);
    let served = serve(gateway(&[]).of(&cloud).with_secret(SECRET), own_address(5, 8080));
    let door = Door::Plain(served.api);
    ends_under_load(served, &door);
}

#[test]
fn sigterm_under_load_loses_no_request_with_tls() {
    let (cloud, files) = (Cloud::start(&[]), Files::new());
    let setup = gateway(&["serve"])
        .of(&cloud)
        .with_secret(SECRET)
        .with("SDDC_GATEWAY_API__TLS_CERT", files.path("tls.crt"))
        .with("SDDC_GATEWAY_API__TLS_KEY", files.path("tls.key"));
    let served = serve(setup, own_address(6, 8443));
    let dialer = Dialer::trusting(&files.authority).offering(&["http/1.1"]);
    let door = Door::Tls(served.api, dialer.into());
    ends_under_load(served, &door);
}

/// Callers come back after each last answer, until nobody listens any more.
fn ends_under_load(served: Served, door: &Door) {
    const CALLERS: usize = 50;
    const DRAIN_DELAY: Duration = Duration::from_secs(3);
    let crowd = Crowd::at(door, CALLERS, |_| SDDCS.to_owned());
    crowd.goes_on();
    assert_eq!(crowd.tally().connections, CALLERS as u64, "they keep their connections");

    let told_at = Clock::system().now();
    served.signal(Signal::TERM);
    let (tally, failures) = crowd.ended();
    assert_eq!(served.exit_code(), Some(0));
    assert!(tally.last > CALLERS as u64, "{tally:?}");
    assert_eq!(failures.len(), CALLERS);
    let is_early = |failure: &&Failure| failure.at.since(told_at) < DRAIN_DELAY;
    let early: Vec<_> = failures.iter().filter(is_early).collect();
    assert!(early.is_empty(), "{early:?} {tally:?}");
    let met = |met| failures.iter().filter(|failure| failure.met == met).count();
    // Who connects between the last look at the queue and the socket's end is reset: one, if any.
    let (refused, reset) = (met(Met::Refused), met(Met::Unanswered));
    assert_eq!(refused + reset, CALLERS, "{failures:?}");
    assert!(reset <= CALLERS / 10, "{failures:?}");
}

#[test]
fn a_rolling_restart_behind_nginx_fails_no_request() {
    let cloud = Cloud::start(&[]);
    let addresses = [own_address(7, 8081), own_address(7, 8082)];
    let start = |api| {
        let setup = gateway(&[]).of(&cloud).with_secret(SECRET);
        serve(setup.with("SDDC_GATEWAY_API__DRAIN_DELAY", "2500ms"), api)
    };
    let mut gateways = addresses.map(|address| Some(start(address)));
    let authority = Authority::new("nginx's CA");
    let front = own_address(7, 8443);
    let _nginx = Nginx::start(front, &authority.server(), addresses);
    let dialer = Dialer::trusting(&authority).offering(&["http/1.1"]);
    let door = Door::Tls(front, dialer.into());
    let crowd = Crowd::at(&door, 20, |_| SDDCS.to_owned());
    for place in [0, 1, 0] {
        crowd.goes_on();
        let old = gateways[place].take().unwrap();
        old.signal(Signal::TERM);
        assert_eq!(old.exit_code(), Some(0));
        crowd.goes_on();
        gateways[place] = Some(start(addresses[place]));
    }
    crowd.goes_on();
    crowd.leaves_content();
}
