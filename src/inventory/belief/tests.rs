use std::time::Duration;

use super::*;
use crate::{
    clock::Clock,
    inventory::{mapping, model::SddcEntry},
    vmc::{OddCount, wire},
};

const SAMPLES: &[u8] = include_bytes!("../../../tests/fixtures/upstream/sddcs.json");

type List = OrgList<SddcEntry>;

fn list() -> List {
    let wires = wire::parse_sddcs(SAMPLES).unwrap();
    let org = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d".parse().unwrap();
    let entries = mapping::sddcs(wires, &org, &mut OddCount::default(), &Scrubber::default());
    OrgList::whole(entries.into_iter().map(Arc::new).collect())
}

fn now() -> Instant {
    Clock::manual(jiff::Timestamp::UNIX_EPOCH).now()
}

fn reading(list: List) -> Reading<List> {
    Reading { content: Arc::new(list), begun: now() }
}

fn changed(entry: &mut Arc<SddcEntry>, version: Option<i64>) {
    let entry = Arc::make_mut(entry);
    entry.sddc.name = Some("changed".into());
    entry.version = version;
}

fn first(entry: &SddcEntry, list: &List) -> bool {
    *list.entries[0] == *entry
}

#[test]
fn what_has_not_changed_stays_the_same() {
    let (before, mut read) = (reading(list()), list());
    let version = before.content.entries[0].version.map(|version| version + 1);
    changed(&mut read.entries[0], version);
    let versions = keep_newer(
        &ShownCopies::of(Some(&before), None),
        &mut read,
        &VersionRegressions::default(),
    );
    assert_eq!(versions, JudgedVersions::default());
    assert_eq!(read.entries[0].sddc.name.as_deref(), Some("changed"));
    assert!(read.entries.len() > 2);
    for (before, kept) in before.content.entries.iter().zip(&read.entries).skip(1) {
        assert!(Arc::ptr_eq(before, kept), "{:?}", kept.sddc.name);
    }
}

#[test]
fn a_lower_version_is_held_back_and_an_unknown_one_is_not() {
    let before = reading(list());
    let known = before.content.entries[0].version.unwrap();
    for (version, is_newer) in
        [(Some(known - 1), false), (Some(known), true), (Some(known + 1), true), (None, true)]
    {
        let mut read = list();
        changed(&mut read.entries[0], version);
        keep_newer(
            &ShownCopies::of(Some(&before), None),
            &mut read,
            &VersionRegressions::default(),
        );
        assert_eq!(!first(&before.content.entries[0], &read), is_newer, "{version:?}");
        assert_eq!(read.held_back.is_empty(), is_newer, "{version:?}");
    }
}

#[test]
fn three_readings_in_a_row_have_to_agree_on_a_lower_version() {
    let before = reading(list());
    let known = before.content.entries[0].version.unwrap();
    // One that is lower still begins again, and so does one that is not lower.
    for (versions, restored) in [
        (&[-3, -3, -3][..], &[false, false, true][..]),
        (&[-3, -2, -1], &[false, false, true]),
        (&[-3, -4, -4, -4], &[false, false, false, true]),
        (&[-3, -3, 0, -3, -3, -3], &[false, false, false, false, false, true]),
    ] {
        let regressions = VersionRegressions::default();
        for (less, restored) in versions.iter().zip(restored) {
            let mut read = list();
            changed(&mut read.entries[0], Some(known + less));
            let versions =
                keep_newer(&ShownCopies::of(Some(&before), None), &mut read, &regressions);
            assert_eq!(!versions.restored.is_empty(), *restored, "{less}");
            let is_held = !restored && *less < 0;
            assert_eq!((versions.held > 0, read.held_back.len() == 1), (is_held, is_held));
        }
    }
}

#[test]
fn readings_of_the_list_without_deleted_documents_forget_no_lower_version_of_one() {
    let mut with_deleted = list();
    Arc::make_mut(&mut with_deleted.entries[0]).sddc.state = Some("DELETED".into());
    let known = with_deleted.entries[0].version.unwrap();
    let plain = reading(with_deleted.without_deleted());
    let all = reading(with_deleted.clone());
    let regressions = VersionRegressions::default();
    let restored = [false, false, true].map(|_| {
        let mut read = with_deleted.clone();
        changed(&mut read.entries[0], Some(known - 1));
        let versions =
            keep_newer(&ShownCopies::of(Some(&all), Some(&plain)), &mut read, &regressions);
        let mut others = plain.content.as_ref().clone();
        keep_newer(&ShownCopies::of(Some(&plain), Some(&all)), &mut others, &regressions);
        !versions.restored.is_empty()
    });
    assert_eq!(restored, [false, false, true]);
}

#[test]
fn a_held_back_document_keeps_its_age_from_reading_to_reading() {
    let before = reading(list());
    let known = before.content.entries[0].version.unwrap();
    let regressions = VersionRegressions::default();
    let mut shown = before.clone();
    for second in 1..=2 {
        let mut read = list();
        changed(&mut read.entries[0], Some(known - 1));
        keep_newer(&ShownCopies::of(Some(&shown), None), &mut read, &regressions);
        assert_eq!(read.held_back[0].begun, before.begun);
        let begun = before.begun + Duration::from_secs(second);
        shown = Reading { content: Arc::new(read), begun };
    }
}

#[test]
fn more_than_half_missing_looks_like_loss() {
    let mut before = list();
    before.entries.truncate(4);
    for (left, is_loss) in [(4, false), (3, false), (2, false), (1, true), (0, true)] {
        let mut read = before.clone();
        read.entries.truncate(left);
        assert_eq!(looks_like_loss(&before, &read), is_loss, "{left} left");
    }
    assert!(!looks_like_loss(&OrgList::whole(Vec::new()), &before), "nothing was there");
}

#[test]
fn what_is_not_shown_stays_for_as_long_as_it_may() {
    let before = reading(list());
    for (oldest, kept) in [(before.begun, 2), (before.begun + Duration::from_secs(1), 0)] {
        let mut read = list();
        read.entries.drain(..2);
        assert_eq!(keep_unshown(&before, &mut read, oldest), kept);
        assert_eq!(read.held_back.len(), kept);
        assert_eq!(read.entries.len() + 2 - kept, before.content.entries.len());
    }
}

#[test]
fn a_list_takes_over_the_newer_copies_of_the_other_and_nothing_else() {
    let other = reading(list());
    let mut read = list();
    let added = Arc::new(SddcEntry {
        sddc: crate::inventory::model::Sddc {
            id: "another".parse().unwrap(),
            ..read.entries[0].sddc.clone()
        },
        ..SddcEntry::clone(&read.entries[0])
    });
    read.entries.push(added);
    assert!(with_newer_copies(&other, &read, other.begun).is_none(), "equal copies");
    changed(&mut read.entries[0], Some(1));
    Arc::make_mut(&mut read.entries[1]).sddc.state = Some("DELETED".into());
    assert!(with_newer_copies(&other, &read, now() - Duration::from_secs(1)).is_none());
    let list = with_newer_copies(&other, &read, other.begun).unwrap();
    assert!(Arc::ptr_eq(&list.entries[0], &read.entries[0]));
    assert_eq!(list.entries.len(), other.content.entries.len());
    assert!(Arc::ptr_eq(&list.entries[1], &other.content.entries[1]), "not every list has it");
}
