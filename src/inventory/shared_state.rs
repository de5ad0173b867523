//! A [`State`] as it goes from one replica to the others: the same, with ages in the place of moments.
//!
//! What VMware Cloud has answered is shared, failures too. What has happened on the way to it is not:
//! another replica may have a better way.

use std::{io::Read, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    belief::{HeldBack, OrgList},
    entry::Entry,
    model::{Gap, GapReason},
    state::{Reading, State},
    texts::Texts,
};
use crate::{
    clock::Instant,
    csp::Scrubber,
    ids::{OrgId, SddcId},
    upstream::{Failure, Kind},
    vmc::VmcError,
};

/// Of the shape of what is shared: another one for each change of it, or of
/// [`model`](super::model).
const VERSION: u32 = 1;
/// Far more than any list, and a bound of memory.
const MAX_BYTES: u64 = 1 << 30;
const COMPRESSION: i32 = 1;

/// What a resource holds, in a form that can be shared.
pub(super) trait SharedContent: PartialEq + Send + Sync + Sized + 'static {
    /// The form.
    type Form: Serialize + DeserializeOwned + Send;

    /// `age` tells the age of a moment.
    fn to_form(&self, age: impl Fn(Instant) -> Duration) -> Self::Form;

    /// `at` tells the moment of an age. What is equal in `before` stays the same.
    fn from_form(form: Self::Form, at: impl Fn(Duration) -> Instant, before: Option<&Self>)
    -> Self;

    /// The same without the secrets that are held now, if it has any of them.
    fn without_secrets(&self, scrubber: &Scrubber) -> Option<Self>;
}

/// Documents that stand for themselves.
impl<T> SharedContent for T
where
    T: Texts + Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    type Form = Self;

    fn to_form(&self, _age: impl Fn(Instant) -> Duration) -> Self {
        self.clone()
    }

    fn from_form(form: Self, _at: impl Fn(Duration) -> Instant, _before: Option<&Self>) -> Self {
        form
    }

    fn without_secrets(&self, scrubber: &Scrubber) -> Option<Self> {
        let mut clean = self.clone();
        clean.make_fit_to_show(scrubber);
        (clean != *self).then_some(clean)
    }
}

/// An [`OrgList`].
#[derive(Serialize, Deserialize)]
pub(super) struct SharedList<E> {
    entries: Vec<Arc<E>>,
    gaps: Vec<(OrgId, Option<SddcId>, GapReason)>,
    /// Places in `entries`, with what [`HeldBack`] tells of each.
    held_back: Vec<(usize, Duration, bool)>,
}

impl<E: Entry> SharedContent for OrgList<E> {
    type Form = SharedList<E>;

    fn to_form(&self, age: impl Fn(Instant) -> Duration) -> SharedList<E> {
        let place = |held: &HeldBack<E>| {
            let place = self.entries.iter().position(|entry| entry.id() == held.entry.id())?;
            Some((place, age(held.begun), held.is_listed))
        };
        let gaps = self.gaps.iter();
        SharedList {
            entries: self.entries.clone(),
            gaps: gaps.map(|gap| (gap.org_id.clone(), gap.sddc_id.clone(), gap.reason)).collect(),
            held_back: self.held_back.iter().filter_map(place).collect(),
        }
    }

    fn from_form(
        form: SharedList<E>,
        at: impl Fn(Duration) -> Instant,
        before: Option<&Self>,
    ) -> Self {
        let known = before.map(|list| list.by_id()).unwrap_or_default();
        let same = |entry: Arc<E>| match known.get(entry.id()) {
            Some(known) if **known == entry => Arc::clone(known),
            _ => entry,
        };
        let entries: Vec<_> = form.entries.into_iter().map(same).collect();
        let held_back = form.held_back.into_iter().filter_map(|(place, age, is_listed)| {
            Some(HeldBack { entry: entries.get(place)?.clone(), begun: at(age), is_listed })
        });
        let held_back = held_back.collect();
        let gap = |(org_id, sddc_id, reason)| Gap { org_id, sddc_id, reason };
        Self { entries, gaps: form.gaps.into_iter().map(gap).collect(), held_back }
    }

    fn without_secrets(&self, scrubber: &Scrubber) -> Option<Self> {
        OrgList::without_secrets(self, scrubber)
    }
}

/// A [`State`].
#[derive(Serialize, Deserialize)]
struct SharedState<F> {
    version: u32,
    content: Option<F>,
    read: Option<Duration>,
    attempted: Option<Duration>,
    failure: Option<SharedFailure>,
    is_denied: bool,
    is_gone: bool,
    unconfirmed: Option<Duration>,
}

/// A failure, as another replica tells it.
#[derive(Serialize, Deserialize)]
struct SharedFailure {
    text: Box<str>,
    kind: Kind,
    is_denial: bool,
    retry_in: Option<Duration>,
}

/// Whether the other replicas would fare no better.
pub(super) fn is_shared(error: &VmcError) -> bool {
    match error {
        VmcError::Unauthorized | VmcError::Denied | VmcError::NotFound => true,
        VmcError::Upstream(failure) => match failure {
            Failure::Throttled { .. } | Failure::Server { .. } | Failure::Contract(_) => true,
            Failure::Connect(_) | Failure::Broken(_) | Failure::Timeout(_) => false,
        },
        VmcError::Token(_)
        | VmcError::CircuitOpen { .. }
        | VmcError::QueueFull(_)
        | VmcError::TaskLost(_)
        | VmcError::OtherReplica { .. } => false,
    }
}

/// Writes a state for the other replicas; `retry_in` is how long the failure in it holds reads back.
/// Takes the processor for a while where the list is long.
pub(super) fn encode<T: SharedContent>(
    state: &State<T>,
    now: Instant,
    retry_in: Option<Duration>,
) -> Vec<u8> {
    let age = |moment: Instant| now.since(moment);
    let failure = state.last_error.as_ref().map(|error| SharedFailure {
        text: error.to_string().into(),
        kind: error.kind(),
        is_denial: error.is_denial(),
        retry_in,
    });
    let shared = SharedState {
        version: VERSION,
        content: state.reading.as_ref().map(|reading| reading.content.to_form(age)),
        read: state.reading.as_ref().map(|reading| age(reading.begun)),
        attempted: state.last_attempt.map(age),
        failure,
        is_denied: state.is_denied,
        is_gone: state.is_gone,
        unconfirmed: state.unconfirmed_since.map(age),
    };
    let json = serde_json::to_vec(&shared).expect("plain data");
    zstd::encode_all(&*json, COMPRESSION).expect("memory is written to")
}

/// Reads at `now` a state that another replica wrote at `written`, without the secrets that are held
/// here. `None`: it is of another version.
pub(super) fn decode<T: SharedContent>(
    body: &[u8],
    written: Instant,
    now: Instant,
    before: Option<&T>,
    scrubber: &Scrubber,
) -> Option<State<T>> {
    let mut json = Vec::new();
    zstd::Decoder::new(body).ok()?.take(MAX_BYTES).read_to_end(&mut json).ok()?;
    let shared: SharedState<T::Form> = serde_json::from_slice(&json).ok()?;
    if shared.version != VERSION {
        return None;
    }
    let at = |age: Duration| written - age;
    let reading = shared.content.zip(shared.read).map(|(form, age)| {
        let content = T::from_form(form, at, before);
        let content = content.without_secrets(scrubber).unwrap_or(content);
        Reading { content: Arc::new(content), begun: at(age) }
    });
    let error = shared.failure.map(|failure| VmcError::OtherReplica {
        text: failure.text,
        kind: failure.kind,
        is_denial: failure.is_denial,
        retry_in: failure.retry_in.map(|left| left.saturating_sub(now.since(written))),
    });
    Some(State {
        reading,
        last_attempt: shared.attempted.map(at),
        last_error: error.map(Arc::new),
        is_denied: shared.is_denied,
        is_gone: shared.is_gone,
        unconfirmed_since: shared.unconfirmed.map(at),
        is_adopted: true,
    })
}
