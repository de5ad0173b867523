//! Every secret that the gateway holds for VMware Cloud, so that no text of VMware's shows one.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::{Mutex, MutexGuard};
use secrecy::SecretString;
use tokio::sync::watch;

use super::{ClientSecret, Scrubber};
use base::ids::OrgId;

/// Of a token or client secret that was replaced, so many older ones are still looked for: they may
/// still be good.
const KEPT_OLDER: usize = 2;

/// The client secret and the tokens of all organizations, the last few of each. Cheap to clone.
#[derive(Clone)]
pub struct HeldSecrets(Arc<SharedSecrets>);

struct SharedSecrets {
    held: Mutex<HeldState>,
    /// One scrubber is built at a time: those who wait for it take the same.
    building: Mutex<()>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct HeldState {
    /// With every form in which it is sent. The newest is last.
    clients: VecDeque<(ClientSecret, Vec<SecretString>)>,
    tokens: HashMap<Option<OrgId>, VecDeque<SecretString>>,
    /// The gateway's own, such as the password of Redis.
    own: Vec<SecretString>,
    /// Of what is held now; `None` after a change.
    scrubber: Option<Arc<Scrubber>>,
    generation: u64,
}

impl Default for HeldSecrets {
    fn default() -> Self {
        Self(Arc::new(SharedSecrets {
            held: Mutex::default(),
            building: Mutex::default(),
            changed: watch::Sender::new(()),
        }))
    }
}

impl HeldSecrets {
    /// Takes an organization's new token.
    pub(super) fn hold_token(&self, org: Option<&OrgId>, token: SecretString) {
        let mut held = self.0.held.lock();
        keep_newest(held.tokens.entry(org.cloned()).or_default(), token);
        self.note_change(held);
    }

    /// Takes the client secret, if it is not held already. `forms` tells how it may be sent.
    pub(super) fn hold_client(
        &self,
        secret: &ClientSecret,
        forms: impl FnOnce() -> Vec<SecretString>,
    ) {
        let mut held = self.0.held.lock();
        if held.clients.iter().any(|(known, _)| known.same_as(secret)) {
            return;
        }
        keep_newest(&mut held.clients, (secret.clone(), forms()));
        self.note_change(held);
    }

    /// Takes secrets that are none of VMware's, in the place of those taken before.
    pub(super) fn hold_own(&self, secrets: Vec<SecretString>) {
        let mut held = self.0.held.lock();
        held.own = secrets;
        self.note_change(held);
    }

    /// Finds what is held now.
    pub(super) fn scrubber(&self) -> Arc<Scrubber> {
        if let Some(scrubber) = &self.0.held.lock().scrubber {
            return scrubber.clone();
        }
        // Not under the lock that every read takes for the generation.
        let _building = self.0.building.lock();
        let held = self.0.held.lock();
        if let Some(scrubber) = &held.scrubber {
            return scrubber.clone();
        }
        let clients = held.clients.iter().flat_map(|(_, forms)| forms);
        let secrets: Vec<_> =
            clients.chain(held.tokens.values().flatten()).chain(&held.own).cloned().collect();
        let generation = held.generation;
        drop(held);
        let scrubber = Arc::new(Scrubber::new(secrets));
        let mut held = self.0.held.lock();
        if held.generation == generation {
            held.scrubber = Some(scrubber.clone());
        }
        scrubber
    }

    fn note_change(&self, mut held: MutexGuard<'_, HeldState>) {
        held.scrubber = None;
        held.generation += 1;
        drop(held);
        self.0.changed.send_replace(());
    }

    /// Another number for each change of what is held.
    pub(super) fn generation(&self) -> u64 {
        self.0.held.lock().generation
    }

    /// Wakes when something new is held.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }
}

base::opaque_debug!(HeldSecrets);

fn keep_newest<T>(held: &mut VecDeque<T>, new: T) {
    held.push_back(new);
    while held.len() > 1 + KEPT_OLDER {
        held.pop_front();
    }
}
