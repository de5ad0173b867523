//! What is read, with which tokens, and which replicas share it.

use std::sync::Arc;

use super::Upstreams;
use crate::{
    clock::Clock,
    config::Config,
    csp::{TokenSharing, TokenSource},
    inventory::{Inventory, SnapshotFile, SnapshotSource, UpstreamReaders},
    sharing::Replicas,
    tasks::Tasks,
    telemetry::Metrics,
    vmc::Reader,
};

/// The inventory, its tokens, and the other replicas if any share with this one. Minting and the first
/// read begin.
pub(super) async fn start(
    config: &Config,
    upstreams: &Upstreams,
    clock: &Clock,
    metrics: &Metrics,
    tasks: &Tasks,
) -> (Inventory, Vec<TokenSource>, Option<Replicas>) {
    let source = SnapshotSource::of(&config.csp.url, &config.vmc.url, &config.csp.client_id);
    let replicas = start_sharing(config, upstreams, &source, tasks);
    let (tokens, readers) = token_sources(config, upstreams, clock, tasks, replicas.as_ref());
    let inventory = Inventory::new(
        readers,
        config.inventory.clone(),
        clock.clone(),
        metrics.clone(),
        tasks.clone(),
        replicas.clone(),
    );
    let stop = || tasks.stop.clone();
    for source in &tokens {
        tasks.spawn("token", stop(), source.clone().run_renewal(stop()));
    }
    if let Some(path) = &config.inventory.snapshot_file {
        let file = inventory.restore(SnapshotFile::new(path.clone(), source)).await;
        tasks.spawn("snapshot", stop(), inventory.clone().run_writer(file));
    }
    tasks.spawn("inventory", stop(), inventory.clone().run_poller());
    tasks.spawn("expiry_ticker", stop(), inventory.clone().run_expiry_ticker());
    (inventory, tokens, replicas)
}

/// The other replicas, if any share with this one. The connection to them is kept in the background.
fn start_sharing(
    config: &Config,
    upstreams: &Upstreams,
    source: &SnapshotSource,
    tasks: &Tasks,
) -> Option<Replicas> {
    let settings = config.sharing.as_ref()?;
    upstreams.mint.hold(settings.secrets());
    let replicas = Replicas::new(settings, source.fingerprint(), tasks.jobs.clone());
    let stop = tasks.stop.clone();
    tasks.spawn("sharing", stop.clone(), replicas.clone().run_connection(stop));
    Some(replicas)
}

/// A token source and a reader per configured org, or one of each for the app's own org.
fn token_sources(
    config: &Config,
    upstreams: &Upstreams,
    clock: &Clock,
    tasks: &Tasks,
    replicas: Option<&Replicas>,
) -> (Vec<TokenSource>, UpstreamReaders) {
    let source = |org| {
        let (mint, jobs) = (upstreams.mint.clone(), tasks.jobs.clone());
        let sharing = replicas.cloned().map(|it| Arc::new(it) as Arc<dyn TokenSharing>);
        TokenSource::new(org, mint, clock.clone(), jobs, sharing)
    };
    let reader =
        |tokens: &TokenSource| Reader::new(upstreams.vmc.clone(), tokens.clone(), clock.clone());
    if config.vmc.orgs.is_empty() {
        let tokens = source(None);
        let readers = UpstreamReaders::Discovered(reader(&tokens));
        return (vec![tokens], readers);
    }
    let orgs = config.vmc.orgs.iter();
    let sources: Vec<_> = orgs.map(|org| (org.clone(), source(Some(org.clone())))).collect();
    let readers = sources.iter().map(|(org, tokens)| (org.clone(), reader(tokens))).collect();
    let sources = sources.into_iter().map(|(_, tokens)| tokens).collect();
    (sources, UpstreamReaders::Configured(readers))
}
