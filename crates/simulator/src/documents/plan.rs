//! What an SDDC is, before it is written down: drawn from the seed and its index.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{
    dice::Dice,
    places::{HARDWARE, Hardware, PLACES, Place},
};

/// The stream of chance for SDDCs.
const SDDCS: u64 = 0x5DDC;

/// What becomes of a VMC organization's SDDCs, roughly as often as in real ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One zone, one to three clusters.
    Ready,
    /// A ready one of a single small cluster.
    Small,
    /// One host, goes after 60 days.
    OneNode,
    /// Two zones and a witness in a third.
    Stretched,
    /// Not yet there: hardly any field is set.
    Deploying,
    /// Never got there: no `resource_config`.
    Failed,
}

/// The first SDDCs of every simulator, whatever the seed: one of each surprise.
const SHOWCASE: [(Kind, &str); 4] = [
    (Kind::Stretched, "prod"),
    (Kind::OneNode, "dev"),
    (Kind::Deploying, "stage"),
    (Kind::Failed, "lab"),
];

const CLUSTERS: [usize; 10] = [1, 1, 1, 1, 1, 1, 1, 2, 2, 3];
const HOSTS: [usize; 12] = [2, 2, 3, 3, 3, 3, 4, 4, 4, 6, 8, 16];
const SMALL_HOSTS: [usize; 2] = [2, 3];
const STRETCHED_HOSTS: [usize; 4] = [4, 4, 6, 8];
const ONE_NODE_LIFE: SignedDuration = SignedDuration::from_hours(60 * 24);

/// One SDDC.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) index: usize,
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) place: &'static Place,
    pub(super) clusters: Vec<ClusterPlan>,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) version: u64,
    /// For the ids of its parts, so that these do not move when the plan draws more or less.
    pub(super) parts: Dice,
}

/// One cluster.
#[derive(Debug)]
pub(super) struct ClusterPlan {
    /// From 1.
    pub(super) number: usize,
    pub(super) hosts: usize,
    pub(super) hardware: &'static Hardware,
}

impl Plan {
    /// The SDDC that stands at `index` of a simulator with this seed; `kind` overrides chance.
    pub(super) fn draw(seed: u64, index: usize, kind: Option<Kind>) -> Self {
        let mut dice = Dice::new(seed, SDDCS, index as u64);
        let id = dice.uuid();
        let parts = Dice::new(dice.roll(), 0, 0);
        let showcase = SHOWCASE.get(index);
        let drawn = draw_kind(&mut dice);
        let kind = kind.or(showcase.map(|shown| shown.0)).unwrap_or(drawn);
        let environment =
            showcase.map_or_else(|| draw_environment(kind, &mut dice), |shown| shown.1);
        let place = &PLACES[index % PLACES.len()];
        // One name in ten per place, so the number alone keeps names apart.
        let name = format!("{environment}-{}-{:02}", place.nick, index / PLACES.len() + 1);
        let created = dice.moment(0, 550);
        Self {
            index,
            id,
            name,
            kind,
            place,
            clusters: draw_clusters(kind, index, &mut dice),
            created,
            updated: dice.moment(560, 90).max(created),
            version: if kind == Kind::Deploying { 2 } else { 9 + dice.below(300) },
            parts,
        }
    }

    /// The zones that hold hosts.
    pub(super) fn zones(&self) -> Vec<String> {
        let letters: &[char] = match self.kind {
            Kind::Stretched => &['a', 'b'],
            _ => &[['a', 'b', 'c'][self.index % 3]],
        };
        letters.iter().map(|letter| format!("{}{letter}", self.place.aws)).collect()
    }

    /// The zone of the witness, for a stretched SDDC.
    pub(super) fn witness_zone(&self) -> Option<String> {
        (self.kind == Kind::Stretched).then(|| format!("{}c", self.place.aws))
    }

    /// When VMC removes it by itself.
    pub(super) fn expires(&self) -> Option<Timestamp> {
        (self.kind == Kind::OneNode).then_some(self.created + ONE_NODE_LIFE)
    }
}

fn draw_kind(dice: &mut Dice) -> Kind {
    match dice.below(100) {
        0..4 => Kind::Deploying,
        4..6 => Kind::Failed,
        6..13 => Kind::OneNode,
        13..25 => Kind::Stretched,
        _ => Kind::Ready,
    }
}

fn draw_environment(kind: Kind, dice: &mut Dice) -> &'static str {
    match kind {
        Kind::OneNode => dice.pick(&["dev", "lab", "poc"]),
        Kind::Stretched => "prod",
        _ => dice.pick(&["prod", "prod", "stage", "dr", "vdi", "test"]),
    }
}

fn draw_clusters(kind: Kind, index: usize, dice: &mut Dice) -> Vec<ClusterPlan> {
    let sizes: Vec<usize> = match kind {
        Kind::Deploying | Kind::Failed => Vec::new(),
        Kind::OneNode => vec![1],
        Kind::Small => vec![dice.pick(&SMALL_HOSTS)],
        Kind::Stretched if index == 0 => vec![6, 4],
        Kind::Stretched => vec![dice.pick(&STRETCHED_HOSTS)],
        Kind::Ready => (0..dice.pick(&CLUSTERS)).map(|_| dice.pick(&HOSTS)).collect(),
    };
    let first = dice.index(HARDWARE.len() - 1);
    let hardware = |at: usize| match (kind, at) {
        (Kind::OneNode, _) => &HARDWARE[1],
        // Management stays on hosts with disks; a later cluster may be of any type.
        (_, 0) => &HARDWARE[first],
        (_, at) => &HARDWARE[(first + at) % HARDWARE.len()],
    };
    let cluster = |(at, &hosts): (usize, &usize)| ClusterPlan {
        number: at + 1,
        hosts,
        hardware: hardware(at),
    };
    sizes.iter().enumerate().map(cluster).collect()
}
