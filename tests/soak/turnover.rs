//! What changes while callers ask: the cloud, the weather, the app's secret, keys, and the audit
//! file.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use sddc_gateway::access::CallerKey;
use tokio_util::sync::CancellationToken;

use crate::{
    callers::{Caller, Callers, replace},
    load::Load,
    process::{DEADLINE, Gateway, STALE},
    secrets::Secrets,
    world::SECRET,
};

/// What changes is changed here, and written where the gateway reads it.
pub struct Turnover {
    pub load: Arc<Load>,
    pub secret: PathBuf,
    pub audit: PathBuf,
    pub secrets: Arc<Secrets>,
    /// Secrets of the app so far.
    pub rotations: AtomicU64,
}

impl Turnover {
    /// Changes the cloud.
    pub async fn change(
        self: Arc<Self>,
        mut dice: StdRng,
        stop: CancellationToken,
    ) -> Result<(), String> {
        while self.pause(&stop, dice.random_range(50..400)).await {
            self.load.judge.world.change(&mut dice);
        }
        Ok(())
    }

    /// Spells of faults, with fair weather between them.
    pub async fn storm(
        self: Arc<Self>,
        mut dice: StdRng,
        stop: CancellationToken,
    ) -> Result<(), String> {
        let weather = &self.load.judge.weather;
        while self.pause(&stop, dice.random_range(300..2000)).await {
            weather.worsen(&mut dice);
            // Now and then until no snapshot may be shown any more.
            let longest = if dice.random_bool(0.1) { 2 * STALE.as_secs() } else { 6 };
            self.pause(&stop, dice.random_range(500..longest * 1000)).await;
            weather.clear();
        }
        Ok(())
    }

    /// Ends tokens before their time, changes the app's secret, and has the audit begin a new file.
    pub async fn rotate(
        self: Arc<Self>,
        mut dice: StdRng,
        stop: CancellationToken,
    ) -> Result<(), String> {
        while self.pause(&stop, dice.random_range(1000..3000)).await {
            match dice.random_range(0..9) {
                // Tokens are so young here that many were never used yet, and one that is refused
                // before it was ever taken opens the circuit for a minute.
                0 => {
                    self.load.judge.weather.note_refusal();
                    self.load.judge.world.simulator.revoke_tokens();
                }
                1..5 => self.rotate_secret(dice.random_bool(0.5)),
                _ => self.rotate_audit()?,
            }
            if dice.random_bool(0.5) {
                self.load.hang_up();
            }
        }
        Ok(())
    }

    /// The app gets another secret, of which the gateway learns by its file.
    pub fn rotate_secret(&self, keeps_old: bool) {
        let number = self.rotations.fetch_add(1, Ordering::Relaxed);
        let secret = format!("{SECRET}-{number}");
        if !keeps_old {
            self.load.judge.weather.note_refusal();
        }
        self.load.judge.world.simulator.rotate_secret(&secret, keeps_old);
        replace(&self.secret, &secret);
        self.load.tally.count("secrets rotated");
    }

    /// Takes the audit file away: a new one is begun. The old one has no secret in it.
    pub fn rotate_audit(&self) -> Result<(), String> {
        let old = self.audit.with_extension("old");
        // What was renamed last is written to until it is noticed: now it is not any more.
        if fs::read(&old).is_ok_and(|records| self.secrets.found_in(&records)) {
            return Err("a secret in the audit".to_owned());
        }
        if self.audit.exists() {
            fs::rename(&self.audit, &old).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Gives callers new keys, and takes the old ones from them.
    pub async fn rotate_keys(
        self: Arc<Self>,
        mut dice: StdRng,
        stop: CancellationToken,
    ) -> Result<(), String> {
        let callers = &self.load.callers;
        while self.pause(&stop, dice.random_range(2000..6000)).await {
            let caller = callers.all.choose(&mut dice).unwrap();
            if dice.random_bool(0.3) {
                callers.break_file();
                self.load.hang_up();
            }
            let (old, new) = (caller.key(), CallerKey::generate().unwrap());
            callers.write(&[(caller, &new)]);
            self.hang_up(&mut dice);
            self.until_let_in(caller, &new, true).await?;
            Callers::take(caller, new);
            callers.write(&[]);
            self.hang_up(&mut dice);
            self.until_let_in(caller, &old, false).await?;
            self.load.tally.count("keys rotated");
        }
        Ok(())
    }

    fn hang_up(&self, dice: &mut StdRng) {
        if dice.random_bool(0.7) {
            self.load.hang_up();
        }
    }

    /// Waits until a key lets in, or does so no more.
    async fn until_let_in(&self, who: &Caller, key: &CallerKey, is: bool) -> Result<(), String> {
        for gateway in self.load.replicas() {
            self.until_let_in_at(gateway, who, key, is).await?;
        }
        Ok(())
    }

    async fn until_let_in_at(
        &self,
        gateway: &Gateway,
        who: &Caller,
        key: &CallerKey,
        is: bool,
    ) -> Result<(), String> {
        let clock = &self.load.judge.world.clock;
        let began = clock.now();
        let http = crate::load::client(false);
        let mut pace = tokio::time::interval(Duration::from_millis(500));
        loop {
            pace.tick().await;
            // The answer 404 is for who is let in.
            let url = format!("http://{}/tasks/none", gateway.api);
            let answer = self.load.fetch(http.get(url).bearer_auth(key.reveal())).await?;
            // Who shows wrong keys too often is told to wait instead.
            let is_unknown = answer.status == 401
                || answer.header("ratelimit-policy").contains("failed-authentication");
            if is_unknown != is {
                return Ok(());
            }
            if clock.now().since(began) > DEADLINE {
                return Err(format!("a key of {} lets in or not, against its file", who.name));
            }
        }
    }

    /// Lets some time go by; false once it is over.
    async fn pause(&self, stop: &CancellationToken, ms: u64) -> bool {
        let clock = &self.load.judge.world.clock;
        let until = clock.now() + Duration::from_millis(ms);
        stop.run_until_cancelled(clock.sleep_until(until)).await.is_some()
    }
}
