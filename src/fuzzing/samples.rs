//! Documents to ask questions about: VMware's samples, mapped.

use crate::{
    csp::Scrubber,
    ids::OrgId,
    inventory::{
        mapping,
        model::{Org, SddcEntry, Task},
    },
    vmc::{OddCount, wire},
};

fn org() -> OrgId {
    "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d".parse().expect("it is an id")
}

pub(crate) fn sddcs() -> Vec<SddcEntry> {
    let wires = wire::parse_sddcs(include_bytes!("../../tests/fixtures/upstream/sddcs.json"));
    mapping::sddcs(
        wires.expect("it is a list"),
        &org(),
        &mut OddCount::default(),
        &Scrubber::default(),
    )
}

pub(crate) fn orgs() -> Vec<Org> {
    let wires = wire::parse_orgs(include_bytes!("../../tests/fixtures/upstream/orgs.json"));
    mapping::orgs(wires.expect("it is a list"), &mut OddCount::default(), &Scrubber::default())
}

/// Two, as alike as can be.
pub(crate) fn tasks() -> Vec<Task> {
    let task = include_str!("../../tests/fixtures/upstream/task.json");
    let other = task.replace("7a5c0000", "7a5c0001");
    let wires = wire::parse_tasks(format!("[{task}, {other}]").as_bytes());
    let wires = wires.expect("it is a list");
    let list = mapping::tasks(wires, &org(), &mut OddCount::default(), &Scrubber::default());
    list.entries.into_iter().map(|entry| entry.task).collect()
}
