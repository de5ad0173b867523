//! What goes wrong at CSP and VMC, and which failures callers may see because of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use sddc_gateway::{
    clock::Instant,
    simulator::{Fault, FaultKind, Target},
};

use crate::{process::STALE, world::World};

/// How long a fault can be felt after its end: the longest a circuit is open, a read's own deadline,
/// and the age from which on a snapshot is no longer shown.
const ECHO: Duration = Duration::from_secs(60 + 30 + STALE.as_secs());

const KINDS: [FaultKind; 14] = [
    FaultKind::Status,
    FaultKind::Delay,
    FaultKind::Hang,
    FaultKind::Reset,
    FaultKind::Drip,
    FaultKind::Truncate,
    FaultKind::Garbage,
    FaultKind::Html,
    FaultKind::Empty,
    FaultKind::Body,
    FaultKind::Redirect,
    FaultKind::Huge,
    FaultKind::GzipBomb,
    FaultKind::ExpireTokens,
];

/// Paths of one service, or all of them.
const CSP_PATHS: [&str; 2] = ["*/auth/token", "*"];
const VMC_PATHS: [&str; 5] = ["*/sddcs", "*/tasks", "*/orgs", "*/sddcs", "*"];

/// 404 is none of them: it says that an org is gone, and that would have to be believed.
const STATUSES: [u16; 6] = [429, 500, 502, 503, 504, 400];

/// No secret of an upstream error may come further than to the gateway.
const BODY: &str = r#"{"cloud_password": "CANARY-fault", "message": "no list"}"#;

/// A spell of faults.
struct Spell {
    from: Instant,
    until: Option<Instant>,
    codes: Vec<&'static str>,
}

/// All that went wrong so far.
pub struct Weather {
    world: Arc<World>,
    /// Whether VMC also refuses tokens by mere status, which opens its circuit for a minute.
    may_refuse: bool,
    spells: Mutex<Vec<Spell>>,
    played: Mutex<BTreeMap<String, u64>>,
}

impl Weather {
    pub fn new(world: Arc<World>, may_refuse: bool) -> Self {
        Self { world, may_refuse, spells: Mutex::default(), played: Mutex::default() }
    }

    /// From now on until [`Weather::clear`] one to three kinds of faults are met.
    pub fn worsen(&self, dice: &mut StdRng) {
        let faults: Vec<Fault> = (0..dice.random_range(1..=3)).map(|_| self.draw(dice)).collect();
        let codes = faults.iter().flat_map(codes).collect();
        self.note(codes);
        for fault in faults {
            let name = format!("{:?} {:?}", fault.target, fault.kind);
            *self.played.lock().unwrap().entry(name).or_default() += 1;
            self.world.simulator.script(fault);
        }
    }

    pub fn clear(&self) {
        self.world.simulator.clear_faults();
        let now = self.world.clock.now();
        for spell in self.spells.lock().unwrap().iter_mut() {
            spell.until.get_or_insert(now);
        }
    }

    /// The gateway's secret is no longer the app's, or its token is not good any more.
    pub fn note_refusal(&self) {
        self.note(vec!["upstream-credentials-rejected"]);
    }

    fn note(&self, codes: Vec<&'static str>) {
        let spell = Spell { from: self.world.clock.now(), until: None, codes };
        self.spells.lock().unwrap().push(spell);
    }

    /// Whether a failure with this code can come of what went wrong.
    pub fn excuses(&self, code: &str, asked: Instant, answered: Instant) -> bool {
        self.spells.lock().unwrap().iter().any(|spell| {
            let is_felt =
                spell.from <= answered && spell.until.is_none_or(|until| asked.since(until) < ECHO);
            // The snapshot of any org may be lost by any of them.
            is_felt && (code == "incomplete" || spell.codes.contains(&code))
        })
    }

    /// How often each kind of fault was scripted.
    pub fn played(&self) -> BTreeMap<String, u64> {
        self.played.lock().unwrap().clone()
    }

    fn draw(&self, dice: &mut StdRng) -> Fault {
        let (target, path) = if dice.random_bool(0.3) {
            (Target::Csp, *CSP_PATHS.choose(dice).unwrap())
        } else {
            (Target::Vmc, *VMC_PATHS.choose(dice).unwrap())
        };
        let fault = Fault::on(target, path);
        let fault = match *KINDS.choose(dice).unwrap() {
            FaultKind::Status => self.draw_status(fault, dice),
            FaultKind::Delay => fault.delay(Duration::from_millis(dice.random_range(10..3000))),
            FaultKind::Body => fault.body(BODY),
            kind => fault.kind(kind),
        };
        // Some are met by a request or two, some by all until they are cleared. Tokens that end as
        // soon as they are made would open the circuit for a minute each time.
        let is_brief = fault.kind == FaultKind::ExpireTokens || dice.random_bool(0.5);
        if is_brief { fault.times(dice.random_range(1..=5)) } else { fault }
    }

    fn draw_status(&self, fault: Fault, dice: &mut StdRng) -> Fault {
        let refuses = self.may_refuse || fault.target == Target::Csp;
        let status = match dice.random_range(0..12) {
            0 if refuses => 401,
            1 if refuses => 403,
            _ => *STATUSES.choose(dice).unwrap(),
        };
        let fault = fault.status(status);
        if matches!(status, 429 | 503) && dice.random_bool(0.5) {
            fault.retry_after(dice.random_range(1..=2))
        } else {
            fault
        }
    }
}

/// What callers may be told because of a fault.
fn codes(fault: &Fault) -> Vec<&'static str> {
    // Whatever holds a read up may end it at its deadline, and what fails once is retried: the try
    // that is told of in the end may have been in time or not.
    let mut codes = vec!["upstream-unavailable", "upstream-timeout"];
    match fault.kind {
        FaultKind::Status => {
            codes.extend(["upstream-contract", "upstream-credentials-rejected"]);
        }
        FaultKind::Garbage
        | FaultKind::Html
        | FaultKind::Empty
        | FaultKind::Body
        | FaultKind::Redirect
        | FaultKind::Huge
        | FaultKind::GzipBomb => codes.push("upstream-contract"),
        // A token that ends again while it is minted anew is refused twice.
        FaultKind::ExpireTokens => codes.push("upstream-credentials-rejected"),
        FaultKind::Delay
        | FaultKind::Hang
        | FaultKind::Reset
        | FaultKind::Drip
        | FaultKind::Truncate => {}
    }
    codes
}
