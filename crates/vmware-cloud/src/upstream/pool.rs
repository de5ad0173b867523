//! The connections to one upstream.
//!
//! A dead peer must not cost a read more than one of its tries, whether the other end says that it
//! is gone or not: what was sent and is not acknowledged ends a connection after a few seconds, as
//! does an HTTP/2 ping that is not answered while somebody waits, and a try that ends by its own
//! deadline takes its HTTP/1.1 connection with it.
//!
//! Every few minutes the pool is made anew: a connection that is always in use would never notice
//! that its name leads elsewhere by now.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use base::{
    clock::{Clock, Instant},
    crypto::{self, CaFault},
    jobs::blocking,
};
use http::{HeaderMap, HeaderValue, header::ACCEPT};
use reqwest::redirect;
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use tokio::sync::Mutex;
use url::Url;

use super::{FailureDetail, Route, Upstream};
use crate::{Event, Observer};

/// How long a pool is used. Names' records live for about as long.
const MAX_USE: Duration = Duration::from_secs(300);
const IDLE: Duration = Duration::from_secs(60);
/// Together quicker than a try's default deadline: what waits on a dead HTTP/2 connection goes on
/// elsewhere.
const PING_EVERY: Duration = Duration::from_secs(2);
const PING_PATIENCE: Duration = Duration::from_secs(5);
/// How long what was sent may lack its acknowledgement: some retransmissions.
#[cfg(target_os = "linux")]
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(5);
const KEEPALIVE: Duration = Duration::from_secs(10);
/// In the order of preference.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A pool that is made anew now and then.
#[derive(Debug)]
pub(super) struct ClientPool {
    plan: ArcSwap<PoolPlan>,
    clock: Clock,
    made: ArcSwap<PoolClient>,
    /// Held while they are made anew.
    making: Mutex<()>,
}

/// What a pool is made from.
#[derive(Debug, Clone)]
struct PoolPlan {
    upstream: Upstream,
    connect_timeout: Duration,
    /// Trusted beside the system's.
    authorities: Vec<CertificateDer<'static>>,
    encrypted: bool,
    base: Url,
    route: Route,
}

#[derive(Debug)]
struct PoolClient {
    http: reqwest::Client,
    at: Instant,
}

/// The client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The extra CAs are not PEM.
    #[error("{key} cannot be used: {why}")]
    CaFile {
        /// The configuration key that names it.
        key: &'static str,
        /// What is wrong with it.
        why: CaFault,
    },
    /// The system has no CAs, and the extra CA file is not set.
    #[error(
        "the system has no CA certificates: install them, name a file of them in SSL_CERT_FILE, or \
         set {key}"
    )]
    NoAuthorities {
        /// The configuration key that could name some.
        key: &'static str,
    },
    /// TLS set-up.
    #[error("the HTTPS client cannot be set up: {0}")]
    Tls(String),
}

impl ClientPool {
    /// A pool without connections yet.
    pub(super) fn new(
        upstream: Upstream,
        base: &Url,
        connect_timeout: Duration,
        authorities: Option<&[u8]>,
        route: Route,
        clock: Clock,
    ) -> Result<Self, BuildError> {
        let authorities = authorities.map(crypto::authorities).transpose();
        let unusable = |why| BuildError::CaFile { key: upstream.ca_setting, why };
        let authorities = authorities.map_err(unusable)?.unwrap_or_default();
        let (encrypted, base) = (base.scheme() == "https", base.clone());
        let plan = PoolPlan { upstream, connect_timeout, authorities, encrypted, base, route };
        let made = PoolClient { http: plan.make()?, at: clock.now() };
        let made = ArcSwap::from_pointee(made);
        Ok(Self { plan: ArcSwap::from_pointee(plan), clock, made, making: Mutex::default() })
    }

    /// The connections as they are.
    pub(super) fn current(&self) -> reqwest::Client {
        self.made.load().http.clone()
    }

    /// Why there was no connection: names the proxy, if it goes through one.
    pub(super) async fn explain(&self, detail: FailureDetail) -> FailureDetail {
        let plan = self.plan.load_full();
        match plan.route.proxy() {
            Some(proxy) => FailureDetail::new(proxy.explain(&detail.to_string(), &plan.base).await),
            None => detail,
        }
    }

    /// The connections, made anew if they have been used for long. One call makes them; others go
    /// on with the old ones meanwhile, as do those that are under way.
    pub(super) async fn fresh(&self, observer: &dyn Observer) -> reqwest::Client {
        let now = self.clock.now();
        let is_old = || now.since(self.made.load().at) >= MAX_USE;
        if is_old()
            && let Ok(_making) = self.making.try_lock()
            && is_old()
        {
            let plan = self.plan.load_full();
            // The system's CAs are read from files.
            if let Some(made) = blocking(move || plan.make()).await {
                let http = made.unwrap_or_else(|error| {
                    let upstream = self.plan.load().upstream;
                    observer.observe(&Event::AuthoritiesUnusable(upstream, &error));
                    self.current()
                });
                self.made.store(Arc::new(PoolClient { http, at: now }));
            }
        }
        self.current()
    }

    /// Trusts the CAs of a PEM file from the next call on, instead of those that it held before. What
    /// is under way goes on with the old connections.
    pub(super) async fn take_authorities(
        &self,
        pem: &[u8],
        observer: &dyn Observer,
    ) -> Result<(), &'static str> {
        let authorities = crypto::authorities(pem).map_err(CaFault::as_str)?;
        let _making = self.making.lock().await;
        let old = self.plan.load_full();
        let plan = Arc::new(PoolPlan { authorities, ..PoolPlan::clone(&old) });
        let (at, making) = (self.clock.now(), plan.clone());
        let made = blocking(move || making.make()).await.ok_or("unusable ca")?;
        let http = made.map_err(|_| "unusable ca")?;
        self.plan.store(plan);
        self.made.store(Arc::new(PoolClient { http, at }));
        observer.observe(&Event::AuthoritiesChanged(old.upstream));
        Ok(())
    }
}

impl PoolPlan {
    fn make(&self) -> Result<reqwest::Client, BuildError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(self.upstream.user_agent)
            .default_headers(HeaderMap::from_iter([(
                ACCEPT,
                HeaderValue::from_static("application/json"),
            )]))
            .redirect(redirect::Policy::none())
            .connect_timeout(self.connect_timeout)
            .tcp_keepalive(KEEPALIVE)
            .tcp_keepalive_interval(KEEPALIVE)
            .pool_idle_timeout(IDLE)
            .http2_keep_alive_interval(PING_EVERY)
            .http2_keep_alive_timeout(PING_PATIENCE)
            .referer(false)
            .retry(reqwest::retry::never())
            .tls_backend_preconfigured(self.tls()?);
        #[cfg(target_os = "linux")]
        {
            builder = builder.tcp_user_timeout(ACKNOWLEDGED_WITHIN);
        }
        // The client's own reading of the environment ignores what it does not understand.
        builder = builder.no_proxy();
        if let Some(proxy) = self.route.proxy() {
            let proxy = proxy.to_client();
            builder = builder.proxy(
                proxy.map_err(|error| BuildError::Tls(FailureDetail::of(error).to_string()))?,
            );
        }
        builder.build().map_err(|error| BuildError::Tls(FailureDetail::of(error).to_string()))
    }

    /// TLS that trusts the system's CAs and those of the file.
    fn tls(&self) -> Result<ClientConfig, BuildError> {
        let mut roots = RootCertStore::empty();
        // The system's CAs take a while to read.
        if self.encrypted {
            roots.add_parsable_certificates(self.authorities.iter().cloned());
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(BuildError::NoAuthorities { key: self.upstream.ca_setting });
            }
        }
        let mut config = ClientConfig::builder_with_provider(crypto::provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has cipher suites of both versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::ContentType;

    const VMC: Upstream = Upstream {
        name: "vmc",
        ca_setting: "vmc.ca_file",
        user_agent: "test",
        accepts: ContentType::Json,
    };

    fn pool(authorities: Option<&str>) -> (Clock, Result<ClientPool, BuildError>) {
        let clock = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
        let base = Url::parse("https://localhost").unwrap();
        let timeout = Duration::from_secs(1);
        let authorities = authorities.map(str::as_bytes);
        let pool = ClientPool::new(VMC, &base, timeout, authorities, Route::Direct, clock.clone());
        (clock, pool)
    }

    #[test]
    fn a_broken_ca_file_is_told_by_the_key_that_names_it() {
        let told = pool(Some("no PEM")).1.unwrap_err().to_string();
        assert!(told.starts_with("vmc.ca_file cannot be used: "), "{told}");
    }

    #[tokio::test]
    async fn new_authorities_make_new_connections_and_broken_ones_change_nothing() {
        let authority = || {
            let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
        };
        let (clock, pool) = pool(Some(&authority()));
        let pool = pool.unwrap();
        let made_at = || pool.made.load().at;
        let at_start = made_at();
        clock.advance(Duration::from_secs(5));
        let broken = "-----BEGIN CERTIFICATE-----\nAA";
        let unusable = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (pem, why) in
            [("", "no certificate"), (broken, "broken pem"), (unusable, "unusable ca")]
        {
            assert_eq!(pool.take_authorities(pem.as_bytes(), &()).await, Err(why));
        }
        assert_eq!(made_at(), at_start, "the old ones stay");
        assert_eq!(pool.take_authorities(authority().as_bytes(), &()).await, Ok(()));
        assert_eq!(made_at(), clock.now());
    }

    #[tokio::test]
    async fn connections_are_made_anew_after_a_while_by_one_call() {
        let (clock, pool) = pool(None);
        let pool = pool.unwrap();
        let made_at = || pool.made.load().at;
        let first = made_at();
        clock.advance(MAX_USE / 2);
        pool.fresh(&()).await;
        assert_eq!(made_at(), first);
        clock.advance(MAX_USE / 2);
        // Whoever leaves in the midst of it leaves it to the next.
        let mut left = Box::pin(pool.fresh(&()));
        assert!(futures_util::poll!(&mut left).is_pending());
        pool.fresh(&()).await;
        assert_eq!(made_at(), first, "one makes them, the others go on meanwhile");
        drop(left);
        pool.fresh(&()).await;
        assert_eq!(made_at(), clock.now());
    }
}
