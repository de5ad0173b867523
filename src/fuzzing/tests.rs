use std::{fmt, fs, panic, path::PathBuf};

use proptest::{prelude::*, sample::Index, test_runner::TestRunner};

use super::{Body, TARGETS};

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

#[test]
fn every_body_holds_for_its_corpus() {
    for (name, body) in TARGETS {
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "{name} has no corpus");
        for (path, data) in corpus {
            assert!(data.len() <= 16 * 1024, "{path:?} is too large to be mutated well");
            assert!(panic::catch_unwind(|| body(&data)).is_ok(), "{path:?}");
        }
    }
}

#[test]
fn every_corpus_has_a_body() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(TARGETS.iter().any(|(target, _)| **target == *name), "{name:?}");
    }
}

/// What libFuzzer does most: bytes that are changed, left out, put in, or taken from elsewhere.
#[derive(Debug, Clone)]
enum Mutation {
    Change(Index, u8),
    Cut(Index, Index),
    Insert(Index, Vec<u8>),
    Copy(Index, Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        any::<(Index, u8)>().prop_map(|(at, byte)| Mutation::Change(at, byte)),
        any::<(Index, Index)>().prop_map(|(from, to)| Mutation::Cut(from, to)),
        any::<(Index, Vec<u8>)>().prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        any::<(Index, Index, Index)>().prop_map(|(from, to, at)| Mutation::Copy(from, to, at)),
    ]
}

impl Mutation {
    fn apply(&self, data: &mut Vec<u8>) {
        let place = |index: &Index| index.index(data.len() + 1);
        let range = |one: &Index, other: &Index| {
            let (one, other) = (place(one), place(other));
            one.min(other)..one.max(other)
        };
        match self {
            Self::Change(at, byte) => match data.len() {
                0 => data.push(*byte),
                length => data[at.index(length)] = *byte,
            },
            Self::Cut(from, to) => drop(data.drain(range(from, to))),
            Self::Insert(at, bytes) => {
                let at = place(at);
                drop(data.splice(at..at, bytes.iter().copied()));
            }
            Self::Copy(from, to, at) => {
                let (bytes, at) = (data[range(from, to)].to_vec(), place(at));
                drop(data.splice(at..at, bytes));
            }
        }
    }
}

/// Shown as a file in the corpus can be made of it.
struct Data(Vec<u8>);

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

fn check(cases: u32, name: &str, strategy: impl Strategy<Value = Vec<u8>>, body: Body) {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) };
    let outcome = TestRunner::new(config).run(&strategy.prop_map(Data), |Data(data)| {
        body(&data);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{name}: {failure}");
    }
}

#[test]
fn every_body_holds_for_random_bytes() {
    for (name, body) in TARGETS {
        check(512, name, prop::collection::vec(any::<u8>(), 0..200), *body);
    }
}

#[test]
fn every_body_holds_for_a_corpus_that_is_changed_a_little() {
    for (name, body) in TARGETS {
        let seeds: Vec<_> = corpus(name).into_iter().map(|(_, data)| data).collect();
        let mutations = prop::collection::vec(mutation(), 1..4);
        let changed = (prop::sample::select(seeds), mutations).prop_map(|(mut data, mutations)| {
            for mutation in &mutations {
                mutation.apply(&mut data);
            }
            data
        });
        check(512, name, changed, *body);
    }
}
