//! Fuzz body: the snapshot file. See [`crate::fuzzing`].

use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{RefusedSnapshot, SavedSnapshot, header, read};

/// A file as it is, and what follows its first line with an honest header: what is believed is whole,
/// reads back as it was, and holds nothing of the future or too old.
pub(crate) fn snapshot(data: &[u8]) {
    if let Ok(snapshot) = read(data) {
        assert!(data.len() < 1 << 20);
        is_sound(snapshot);
    }
    let body = data.splitn(2, |byte| *byte == b'\n').nth(1).unwrap_or(data);
    let honest = with_header(body);
    match read(&honest[..]) {
        Ok(snapshot) => is_sound(snapshot),
        Err(refused) => assert_eq!(refused, RefusedSnapshot::Damaged),
    }
    // One more byte, one less, another one.
    let last = honest.len() - 1;
    let longer = [&honest[..], b"\n"].concat();
    let mut other = honest.clone();
    other[last] ^= 1;
    for damaged in [&longer[..], &honest[..last], &other] {
        assert!(read(damaged).is_err());
    }
}

fn with_header(body: &[u8]) -> Vec<u8> {
    [header(&Sha256::digest(body), body.len() as u64).as_bytes(), body].concat()
}

fn is_sound(snapshot: SavedSnapshot) {
    let mut body = serde_json::to_vec(&snapshot).expect("documents have string keys only");
    body.push(b'\n');
    assert_eq!(read(&with_header(&body)[..]).as_ref(), Ok(&snapshot));
    let now: Timestamp = "2026-11-22T10:00:02Z".parse().expect("it is a time");
    let oldest = Duration::from_secs(24 * 3600);
    let parts = snapshot.orgs.len();
    if let Ok(young) = snapshot.younger_than(now, oldest) {
        assert!(young.orgs.len() <= parts);
        let directory = young.directory.iter().map(|directory| directory.read_at);
        for read_at in young.orgs.iter().map(|part| part.read_at).chain(directory) {
            assert!(
                (Duration::ZERO..=oldest).contains(&now.duration_since(read_at).unsigned_abs())
            );
            assert!(read_at <= now && young.saved_at <= now);
        }
        assert_eq!(young.clone().younger_than(now, oldest), Ok(young));
    }
}
