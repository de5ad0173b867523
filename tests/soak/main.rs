//! Two gateways that share, under load for a long while, in bad weather.
//!
//! The real binary runs in front of a simulator that changes all the time and fails in every way it
//! knows. Callers ask everything that can be asked; some leave in the midst of it. Each answer is
//! held against what the cloud has been: right within its `Age`, or an honest error. Now and then
//! all is quiet, and then the gateway takes no more than it took at first.
//!
//! Lives are short here, so that minutes bring what days do. `SOAK_SECONDS` is how long it goes on;
//! a failure prints the seed by which `SOAK_SEED` draws the same again.

#![expect(clippy::unwrap_used, reason = "a test's own trouble may panic, in its helpers too")]
#![expect(unreachable_pub, reason = "nothing outside sees a test binary")]

mod answers;
mod callers;
mod growth;
mod history;
mod load;
mod problems;
mod process;
mod questions;
mod rude;
mod secrets;
mod shared;
mod turnover;
mod watchers;
mod weather;
mod world;

use std::{
    fmt::Write,
    fs,
    path::Path,
    str::FromStr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use rand::{SeedableRng, rngs::StdRng};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use self::{
    answers::Judge,
    callers::Callers,
    load::{Load, Tally},
    process::{Files, Gateway, Sample},
    secrets::Secrets,
    shared::SharedStore,
    turnover::Turnover,
    watchers::Watcher,
    weather::Weather,
    world::{SECRET, World},
};

/// How long it goes on where nothing else is said.
const SECONDS: u64 = 45;

/// How many ask at once: together about as much as keeps one core busy in a debug build.
const ASKERS: usize = 8;

/// What is answered in fair weather.
const LISTS: [&str; 7] = [
    "/sddcs",
    "/sddcs?include_deleted=true",
    "/clusters",
    "/hosts",
    "/tasks",
    "/orgs",
    "/sd/prometheus?target=vcenter",
];

/// From this length on VMC also refuses tokens by mere status: its circuit is then open for a minute,
/// which is half of a short run.
const LONG: Duration = Duration::from_secs(600);

/// What goes on, and what it is to be held against.
struct Soak {
    turnover: Arc<Turnover>,
    shared: Arc<SharedStore>,
    watchers: Vec<Arc<Watcher>>,
    dice: StdRng,
    samples: Vec<Sample>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_run_in_bad_weather_gives_right_answers_and_grows_nothing() {
    let length = Duration::from_secs(variable("SOAK_SECONDS").unwrap_or(SECONDS));
    let seed = variable("SOAK_SEED").unwrap_or_else(rand::random);
    let folder = TempDir::new().unwrap();
    let outcome = run(length, seed, folder.path()).await;
    let report = outcome.unwrap_or_else(|wrong| panic!("SOAK_SEED={seed}: {wrong}"));
    println!("{report}");
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

async fn run(length: Duration, seed: u64, folder: &Path) -> Result<String, String> {
    let world = World::new(seed);
    let stop = CancellationToken::new();
    let _stops = stop.clone().drop_guard();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cloud = socket.local_addr().unwrap();
    let mut lasting = JoinSet::new();
    lasting.spawn({
        let cloud = world.simulator.clone().serve(socket, stop.clone());
        async move { cloud.await.map_err(|error| error.to_string()) }
    });
    let mut soak = Soak::start(&world, cloud, folder, length, seed);
    for watcher in &soak.watchers {
        lasting.spawn(watcher.clone().watch(stop.clone()));
    }
    let outcome = tokio::select! {
        outcome = soak.run(length) => outcome,
        Some(ended) = lasting.join_next() => {
            Err(ended.unwrap().err().unwrap_or_else(|| "a stream ended for good".to_owned()))
        }
    };
    outcome?;
    let report = soak.report(seed)?;
    soak.end(folder)?;
    Ok(report)
}

impl Soak {
    fn start(
        world: &Arc<World>,
        cloud: std::net::SocketAddr,
        folder: &Path,
        length: Duration,
        seed: u64,
    ) -> Self {
        let secret = folder.join("secret");
        fs::write(&secret, SECRET).unwrap();
        let callers = Arc::new(Callers::new(world, folder));
        let secrets = Arc::new(Secrets::new());
        let shared = SharedStore::start(&world.clock);
        let files = |suffix| Files { folder, secret: &secret, callers: &callers, suffix };
        let [gateway, replica] = ["", "-of-the-replica"]
            .map(|suffix| Arc::new(Gateway::start(cloud, &files(suffix), &secrets, &shared)));
        let weather = Arc::new(Weather::new(world.clone(), length >= LONG));
        let load = Arc::new(Load {
            gateway,
            replica,
            callers,
            judge: Judge::new(world.clone(), weather, secrets.clone()),
            tally: Tally::default(),
        });
        let watchers = [0, 2].map(|caller| Watcher::new(load.clone(), caller)).into();
        let audit = folder.join("audit");
        let rotations = AtomicU64::new(1);
        Self {
            shared,
            turnover: Arc::new(Turnover { load, secret, audit, secrets, rotations }),
            watchers,
            dice: StdRng::seed_from_u64(seed),
            samples: Vec::new(),
        }
    }

    /// Busy times and quiet ones by turns. The first busy time warms up: connections are made, and
    /// what is kept is filled.
    async fn run(&mut self, length: Duration) -> Result<(), String> {
        let clock = self.turnover.load.judge.world.clock.clone();
        let end = clock.now() + length;
        self.recover().await?;
        let mut busy = length / 4;
        loop {
            self.be_busy(busy).await?;
            self.calm_down()?;
            let is_last = clock.now() >= end && self.samples.len() >= 2;
            // A circuit may be open for a minute yet: a short run waits for it at its ends only.
            if self.samples.is_empty() || is_last || length >= LONG {
                self.recover().await?;
                self.ask_in_peace().await?;
            }
            self.take_sample().await?;
            if is_last {
                return Ok(());
            }
            busy = length / 12;
        }
    }

    async fn be_busy(&mut self, span: Duration) -> Result<(), String> {
        let stop = CancellationToken::new();
        let _stops = stop.clone().drop_guard();
        let turnover = &self.turnover;
        let load = &turnover.load;
        let mut busy = JoinSet::new();
        for number in 0..ASKERS {
            let dice = self.dice.fork();
            busy.spawn(load::ask(load.clone(), dice, number % 2 == 0, stop.clone()));
        }
        busy.spawn(rude::annoy(load.clone(), self.dice.fork(), stop.clone()));
        busy.spawn(turnover.clone().change(self.dice.fork(), stop.clone()));
        busy.spawn(turnover.clone().storm(self.dice.fork(), stop.clone()));
        busy.spawn(turnover.clone().rotate(self.dice.fork(), stop.clone()));
        busy.spawn(turnover.clone().rotate_keys(self.dice.fork(), stop.clone()));
        busy.spawn(self.shared.clone().shake(self.dice.fork(), stop.clone()));
        let clock = &load.judge.world.clock;
        let end = clock.sleep_until(clock.now() + span);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end, if !stop.is_cancelled() => stop.cancel(),
                ended = busy.join_next() => match ended {
                    Some(ended) => ended.unwrap()?,
                    None => return Ok(()),
                },
            }
        }
    }

    /// Fair weather, and nobody asks.
    fn calm_down(&self) -> Result<(), String> {
        let Turnover { load, .. } = &*self.turnover;
        load.judge.weather.clear();
        // After a refusal only another secret is tried at once.
        self.turnover.rotate_secret(true);
        load.hang_up();
        let odd_line = load.replicas().iter().find_map(|it| it.odd_line());
        odd_line.map_or(Ok(()), |line| Err(format!("in the log: {line}")))
    }

    /// The gateway finds back by itself.
    async fn recover(&self) -> Result<(), String> {
        growth::poll("everybody knows what there is", async || {
            self.watchers.iter().all(|watcher| watcher.is_up_to_date()).then_some(())
        })
        .await
    }

    /// In fair weather everything is answered, and goes on to be.
    async fn ask_in_peace(&self) -> Result<(), String> {
        let is_answered = async || self.refused().await.is_none().then_some(());
        growth::poll("everything is answered", is_answered).await?;
        self.refused()
            .await
            .map_or(Ok(()), |path| Err(format!("{path} is refused in fair weather")))
    }

    /// The first list that its caller does not get.
    async fn refused(&self) -> Option<&'static str> {
        let Load { callers, .. } = &*self.turnover.load;
        let (http, key) = (load::client(true), callers.all[0].key());
        for path in LISTS {
            for asked in self.turnover.load.replicas() {
                let request = http.get(format!("http://{}{path}", asked.api));
                let answer = self.turnover.load.fetch(request.bearer_auth(key.reveal())).await;
                if !answer.is_ok_and(|answer| answer.status == 200) {
                    return Some(path);
                }
            }
        }
        None
    }

    async fn take_sample(&mut self) -> Result<(), String> {
        let Load { gateway, callers, judge, .. } = &*self.turnover.load;
        let sample = match self.samples.first() {
            None => growth::first(gateway, self.watchers.len() as u64).await?,
            Some(first) => growth::later(gateway, first).await?,
        };
        growth::series(&sample.series, &judge.world, callers)?;
        if let Some(failed) = sample.failed_tasks.first() {
            return Err(format!("a task has ended: {failed}"));
        }
        self.samples.push(sample);
        Ok(())
    }

    fn report(&self, seed: u64) -> Result<String, String> {
        let (rss_before, rss_after) = growth::memory(&self.samples)?;
        let Load { judge, tally, .. } = &*self.turnover.load;
        let stats = judge.world.simulator.stats();
        let mut report = format!("soak with SOAK_SEED={seed}\n");
        let mut line = |name: &str, value: &str| writeln!(report, "  {name:<58} {value}").unwrap();
        for (what, count) in tally.all() {
            line(&what, &count.to_string());
        }
        for (fault, count) in judge.weather.played() {
            line(&format!("fault at {fault}"), &count.to_string());
        }
        line("requests that met a fault", &stats.faults.to_string());
        line("tokens minted", &stats.mints.to_string());
        line("reads of SDDCs", &stats.sddc_list_reads.to_string());
        let (first, last) = (&self.samples[0], &self.samples[self.samples.len() - 1]);
        let both = |figure: fn(&Sample) -> u64| format!("{} {}", figure(first), figure(last));
        line("samples", &self.samples.len().to_string());
        line("memory, KiB: first and last", &both(|it| it.rss_kib));
        let medians = format!("{rss_before} {rss_after}");
        line("memory, KiB: medians of the first and the last third", &medians);
        line("kept answers, KiB: first and last", &both(|it| it.kept_bytes / 1024));
        line("file descriptors: first and last", &both(|it| it.fds));
        line("tasks: first and last", &both(|it| it.tasks));
        line("series: first and last", &both(|it| it.series.len() as u64));
        Ok(report)
    }

    /// An orderly end, and files without secrets.
    fn end(&self, folder: &Path) -> Result<(), String> {
        let Turnover { load, secrets, secret, .. } = &*self.turnover;
        for gateway in load.replicas() {
            let code = gateway.end();
            if code != Some(0) {
                return Err(format!("it ended with {code:?}"));
            }
        }
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            // Only the gateway's own files of secrets have one.
            let is_keys =
                path.file_name().is_some_and(|it| it.to_string_lossy().starts_with("keys"));
            if path != *secret && !is_keys && secrets.found_in(&fs::read(&path).unwrap()) {
                return Err(format!("a secret in {}", path.display()));
            }
        }
        Ok(())
    }
}
