//! What probes and metrics show of the inventory, read from its state at that moment.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::{context::InventoryContext, org::OrgCache, org_source::OrgSource, orgs::Inventory};
use crate::{
    clock::Clock,
    csp::{TokenSource, TokenStatus},
    gauges::{gauge, gauges},
    upstream::{CircuitState, CircuitStatus, Kind},
    vmc::Endpoint,
};

/// States that are told apart in `sddc_gateway_sddcs`; any other is `other`.
const KNOWN_STATES: [&str; 8] = [
    "ACTIVE",
    "CANCELED",
    "DELETED",
    "DELETING",
    "DEPLOYING",
    "FAILED",
    "READY",
    "READY_FOR_GLCM_BRINGUP",
];

/// One served organization.
#[derive(Debug)]
pub struct OrgStatus {
    /// The org's id; `default` for the app's own until the orgs are known.
    pub org_id: String,
    /// Its token.
    pub token: TokenStatus,
    /// The circuit breaker of its mints at CSP.
    pub csp: CircuitStatus,
    /// The circuit breaker of its reads at VMC: of all of them, or of the SDDC list alone.
    pub vmc: CircuitStatus,
    /// SDDCs in its snapshot; `None` before the first.
    pub sddcs: Option<usize>,
    /// Age of its snapshot.
    pub age: Option<Duration>,
    /// How the reads since that snapshot failed.
    pub last_error: Option<Kind>,
}

impl Inventory {
    /// Each served organization's state; the app's own as `default` until the orgs are known.
    pub fn status(&self) -> Vec<OrgStatus> {
        let (orgs, now) = (self.0.orgs.load(), self.0.context.clock.now());
        let none_is_left = orgs.iter().all(|org| org.lists.is_gone());
        let status = |org: &Arc<OrgCache>| {
            let (reader, state) = (org.reader(), org.lists.sddcs.cached.state());
            let is_shown = none_is_left || !state.is_gone;
            let reading = state.reading.as_ref().filter(|_| is_shown);
            OrgStatus {
                org_id: org.id().to_string(),
                token: reader.tokens().status(),
                csp: reader.tokens().circuit(),
                vmc: reader.circuit(Endpoint::Sddcs(org.id())),
                sddcs: reading.map(|reading| reading.content.entries.len()),
                age: reading.map(|reading| now.since(reading.begun)),
                last_error: state.last_error.as_ref().map(|error| error.kind()),
            }
        };
        let mut orgs: Vec<_> = orgs.iter().map(status).collect();
        if orgs.is_empty()
            && let OrgSource::Discovered(discovery) = &self.0.source
        {
            orgs.push(OrgStatus {
                org_id: "default".to_owned(),
                token: discovery.reader.tokens().status(),
                csp: discovery.reader.tokens().circuit(),
                vmc: discovery.reader.circuit(Endpoint::Orgs),
                sddcs: None,
                age: None,
                last_error: discovery.orgs.last_error().map(|error| error.kind()),
            });
        }
        orgs
    }

    /// How the orgs are found; `None` where `vmc.orgs` names them.
    pub fn discovery(&self) -> Option<DiscoveryStatus> {
        let OrgSource::Discovered(discovery) = &self.0.source else { return None };
        Some(DiscoveryStatus {
            age: discovery.orgs.age(),
            last_error: discovery.orgs.last_error().map(|error| error.kind()),
            circuit: discovery.reader.circuit(Endpoint::Orgs),
        })
    }

    /// Bytes of memory that the lists of all orgs take; an estimate.
    pub fn bytes(&self) -> u64 {
        let snapshot = self.0.context.feed.snapshot();
        let sddcs = snapshot.sddc_lists().map(|content| content.bytes());
        let bytes = sddcs.into_iter().sum::<usize>() + snapshot.tasks.content.bytes();
        bytes as u64
    }

    /// How many served organizations have nothing that may be shown.
    fn missing_orgs(&self) -> u32 {
        let InventoryContext { feed, settings, clock, .. } = &*self.0.context;
        match &self.0.source {
            // There is at least one, which is not known yet.
            OrgSource::Discovered(discovery)
                if discovery.age().is_none() && feed.snapshot().sddcs.orgs.is_empty() =>
            {
                1
            }
            _ => feed.missing(clock.now(), settings).try_into().unwrap_or(u32::MAX),
        }
    }

    /// Whether callers can be served: a first snapshot exists, or a good token with a closed circuit.
    pub fn is_ready(&self) -> bool {
        self.status().iter().any(|org| {
            org.sddcs.is_some()
                || (org.token.state == crate::csp::TokenState::Valid
                    && org.vmc.state == CircuitState::Closed)
        })
    }
}

/// How the list of orgs is found, where `vmc.orgs` does not give it.
#[derive(Debug)]
pub struct DiscoveryStatus {
    /// Age of the list; `None` before the first.
    pub age: Option<Duration>,
    /// How the reads since that list failed.
    pub last_error: Option<Kind>,
    /// The circuit breaker of these reads.
    pub circuit: CircuitStatus,
}

/// The figures of the inventory and its tokens, read at each scrape.
#[derive(Clone)]
pub struct InventoryMetrics {
    inventory: Inventory,
    tokens: Vec<TokenSource>,
    clock: Clock,
    made_bytes: MadeBytes,
}

/// Tells the bytes of what is made of the inventory and kept elsewhere: encoded answers.
pub type MadeBytes = Arc<dyn Fn() -> u64 + Send + Sync>;

base::opaque_debug!(InventoryMetrics);

impl InventoryMetrics {
    /// Reads `inventory` and `tokens`.
    pub fn new(
        inventory: Inventory,
        tokens: Vec<TokenSource>,
        clock: Clock,
        made_bytes: MadeBytes,
    ) -> Self {
        Self { inventory, tokens, clock, made_bytes }
    }
}

impl Collector for InventoryMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let orgs = self.inventory.status();
        let labels: Vec<_> = self.tokens.iter().map(|it| &**it.metric_label()).collect();
        let mut circuits: Vec<_> = orgs.iter().map(|org| (&*org.org_id, org.vmc)).collect();
        if let Some(discovery) = self.inventory.discovery()
            && circuits.iter().all(|(org, _)| *org != "default")
        {
            circuits.push(("default", discovery.circuit));
        }
        self.token_expiry(&mut encoder)?;
        gauges(
            &mut encoder,
            "sddc_gateway_inventory_age_seconds",
            "Age of the snapshot that answers are made from, in seconds",
            orgs.iter()
                .filter_map(|org| Some(([("org_id", &*org.org_id)], org.age?.as_secs_f64()))),
        )?;
        gauges(
            &mut encoder,
            "sddc_gateway_upstream_circuit_open",
            "1 while the circuit breaker is open or half-open and holds back calls, else 0",
            labels
                .iter()
                .zip(&self.tokens)
                .map(|(org, tokens)| ("csp", &**org, tokens.circuit()))
                .chain(circuits.iter().map(|(org, circuit)| ("vmc", *org, *circuit)))
                .map(|(upstream, org, circuit)| {
                    let open = f64::from(u8::from(circuit.holds_back()));
                    ([("upstream", upstream), ("org_id", org)], open)
                }),
        )?;
        #[expect(clippy::cast_precision_loss, reason = "bytes of memory are below 2^52")]
        let bytes = (self.inventory.bytes() + (self.made_bytes)()) as f64;
        gauge(
            &mut encoder,
            "sddc_gateway_inventory_bytes",
            "Estimated memory of the snapshots and of the answers made from them, in bytes",
            bytes,
        )?;
        #[expect(clippy::cast_precision_loss, reason = "tasks are fewer than 2^52")]
        let jobs = self.inventory.0.context.tasks.jobs.under_way() as f64;
        gauge(
            &mut encoder,
            "sddc_gateway_background_jobs",
            "Reads, mints and other background jobs in flight, including pauses between tries",
            jobs,
        )?;
        gauge(
            &mut encoder,
            "sddc_gateway_inventory_orgs_missing",
            "Served organizations without a snapshot that may be shown; 1 while no organization is discovered yet",
            f64::from(self.inventory.missing_orgs()),
        )?;
        let states = self.sddcs_by_state();
        gauges(
            &mut encoder,
            "sddc_gateway_sddcs",
            "SDDCs in the snapshot",
            states.iter().map(|((org, state), count)| {
                ([("org_id", org.as_str()), ("state", state)], f64::from(*count))
            }),
        )
    }
}

impl InventoryMetrics {
    fn token_expiry(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are below 2^52")]
        let now = self.clock.wall().as_millisecond() as f64 / 1000.0;
        let monotonic = self.clock.now();
        let labels: Vec<_> = self.tokens.iter().map(|it| &**it.metric_label()).collect();
        gauges(
            encoder,
            "sddc_gateway_token_expiry_timestamp_seconds",
            "When the token expires, in seconds since 1970",
            self.tokens.iter().zip(&labels).filter_map(|(tokens, org)| {
                let end = tokens.status().expires_at?;
                // One of the two is zero: the end may lie in the past.
                let left = end.since(monotonic).as_secs_f64() - monotonic.since(end).as_secs_f64();
                Some(([("org_id", &**org)], now + left))
            }),
        )
    }

    fn sddcs_by_state(&self) -> BTreeMap<(String, &'static str), u32> {
        let content = self.inventory.known();
        let mut states = BTreeMap::new();
        for entry in &content.entries {
            let state = entry.sddc.state.as_deref().unwrap_or("null");
            let state = KNOWN_STATES.into_iter().find(|known| *known == state).unwrap_or("other");
            *states.entry((entry.sddc.org_id.to_string(), state)).or_insert(0) += 1;
        }
        states
    }
}
