//! The Redis that the replicas share: frozen, killed, emptied and filled with garbage now and then.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rand::{RngExt, rngs::StdRng};
use sddc_gateway::clock::Clock;
use support::{process::Setup, redis::RedisServer};
use tokio_util::sync::CancellationToken;

/// How long a fault may last at most.
const MAX_SPELL_MS: u64 = 3_000;

/// The one line of `keys.file`. Nobody must ever see it.
pub const KEY: &str = "c29hay1rZXktc29hay1rZXktc29hay1rZXktc29hay1rZXkt";

pub struct SharedStore {
    server: Mutex<RedisServer>,
    url: String,
    clock: Clock,
}

impl SharedStore {
    pub fn start(clock: &Clock) -> Arc<Self> {
        let server = RedisServer::start();
        Arc::new(Self { url: server.url(), server: Mutex::new(server), clock: clock.clone() })
    }

    /// Points a gateway at it.
    pub fn with(&self, setup: Setup, keys_file: &str) -> Setup {
        std::fs::write(keys_file, KEY).unwrap();
        setup
            .with("SDDC_GATEWAY_SHARED__REDIS_URL", &self.url)
            .with("SDDC_GATEWAY_KEYS__FILE", keys_file)
    }

    /// One fault after another, each followed by some good time, until `stop`.
    pub async fn shake(
        self: Arc<Self>,
        mut dice: StdRng,
        stop: CancellationToken,
    ) -> Result<(), String> {
        while !stop.is_cancelled() {
            let spell = Duration::from_millis(dice.random_range(100..MAX_SPELL_MS));
            match dice.random_range(0..4) {
                0 => {
                    self.server.lock().unwrap().freeze();
                    self.wait(spell, &stop).await;
                    self.server.lock().unwrap().thaw();
                }
                1 => {
                    self.server.lock().unwrap().kill();
                    self.wait(spell, &stop).await;
                    self.server.lock().unwrap().restart();
                }
                2 => drop(self.garble(&["FLUSHALL"]).await),
                _ => self.garble_records().await,
            }
            self.wait(spell, &stop).await;
        }
        Ok(())
    }

    async fn wait(&self, span: Duration, stop: &CancellationToken) {
        let until = self.clock.now() + span;
        stop.run_until_cancelled(self.clock.sleep_until(until)).await;
    }

    async fn garble(&self, command: &[&str]) -> Option<Vec<String>> {
        let client = redis::Client::open(self.url.clone()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        let mut wanted = redis::cmd(command[0]);
        wanted.arg(&command[1..]).query_async(&mut connection).await.ok()
    }

    /// Puts something else in the place of every record.
    async fn garble_records(&self) {
        for key in self.garble(&["KEYS", "*:record:*"]).await.unwrap_or_default() {
            self.garble(&["HSET", &key, "fence", "1000000", "body", "not a record"]).await;
        }
    }
}
