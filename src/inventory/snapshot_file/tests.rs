use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    process::Command,
    time::SystemTime,
};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{
    csp::Scrubber,
    inventory::mapping,
    simulator::{Options, Simulator},
    vmc::{OddCount, wire},
};

const DAY: Duration = Duration::from_secs(24 * 3600);
const LIMITED: &str = "SDDC_GATEWAY_TEST_SNAPSHOT";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn source() -> SnapshotSource {
    let url = |text: &str| text.parse().unwrap();
    SnapshotSource::of(&url("https://csp.test"), &url("https://vmc.test"), &"app".parse().unwrap())
}

/// Two orgs, the second read an hour before the first.
fn snapshot() -> SavedSnapshot {
    let cloud = Simulator::new(Options { sddcs: 3, ..Options::default() });
    let list = |documents: Vec<serde_json::Value>| serde_json::Value::from(documents).to_string();
    let orgs = list(cloud.org_ids().iter().filter_map(|id| cloud.org(id)).collect());
    let sddcs = list(cloud.sddc_ids().iter().filter_map(|id| cloud.sddc(id)).collect());
    let mut odd = OddCount::default();
    let orgs =
        mapping::orgs(wire::parse_orgs(orgs.as_bytes()).unwrap(), &mut odd, &Scrubber::default());
    let sddcs = wire::parse_sddcs(sddcs.as_bytes()).unwrap();
    let sddcs = mapping::sddcs(sddcs, &orgs[0].id, &mut odd, &Scrubber::default());
    let part = |id: &OrgId, sddcs: Vec<SddcEntry>, read_at: &str| SavedOrg {
        org_id: id.clone(),
        read_at: at(read_at),
        denied: false,
        held_back: sddcs
            .iter()
            .take(1)
            .map(|entry| SavedHeldBack {
                sddc_id: entry.sddc.id.clone(),
                read_at: at("2026-11-22T08:00:00Z"),
            })
            .collect(),
        without_id: 2,
        sddcs: sddcs.into_iter().map(Arc::new).collect(),
    };
    SavedSnapshot {
        source: source(),
        saved_at: at("2026-11-22T10:00:01Z"),
        orgs: vec![
            part(&orgs[0].id, sddcs, "2026-11-22T10:00:00.123456789Z"),
            part(&"other".parse().unwrap(), Vec::new(), "2026-11-22T09:00:00Z"),
        ],
        directory: Some(SavedOrgList { read_at: at("2026-11-22T09:30:00Z"), orgs }),
    }
}

struct Place {
    directory: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        Self { path: directory.path().join("picture"), directory }
    }

    fn saved() -> Self {
        let place = Self::new();
        save(&place.path, &snapshot()).unwrap();
        place
    }

    fn load(&self) -> Result<Option<SavedSnapshot>, RefusedSnapshot> {
        load(&self.path, &source(), at("2026-11-22T10:00:02Z"), DAY)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn what_is_saved_is_loaded() {
    let place = Place::new();
    assert_eq!(place.load(), Ok(None));
    let size = save(&place.path, &snapshot()).unwrap();
    assert_eq!(place.load(), Ok(Some(snapshot())));
    let found = fs::metadata(&place.path).unwrap();
    assert_eq!((found.len(), found.permissions().mode() & 0o777), (size, 0o600));
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o644)).unwrap();
    let newer = SavedSnapshot { saved_at: at("2026-11-22T10:00:02Z"), ..snapshot() };
    save(&place.path, &newer).unwrap();
    assert_eq!(place.load(), Ok(Some(newer)));
    assert_eq!(fs::metadata(&place.path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(place.names(), ["picture"]);
    let text = fs::read_to_string(&place.path).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(!text.contains("CANARY"));
}

#[test]
fn a_snapshot_of_nothing_is_one_too() {
    let place = Place::new();
    let nothing = SavedSnapshot { directory: None, orgs: Vec::new(), ..snapshot() };
    save(&place.path, &nothing).unwrap();
    assert_eq!(place.load(), Ok(Some(nothing)));
}

/// A field that an older file lacks would be read as `null`, which says something else.
#[test]
fn a_change_of_the_documents_takes_another_version() {
    let entry = serde_json::to_value(&*snapshot().orgs[0].sddcs[0]).unwrap();
    let org = serde_json::to_value(&snapshot().directory.unwrap().orgs[0]).unwrap();
    let names = |value: &serde_json::Value| {
        value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
    };
    let (sddc, cluster, host) = (&entry["sddc"], &entry["clusters"][0], &entry["hosts"][0]);
    let documents = [&entry, sddc, &sddc["capacity"], cluster, host, &org];
    let names: Vec<_> = documents.map(names).into();
    let hash = hex(&Sha256::digest(names.join("\n")));
    assert_eq!(
        (VERSION, &hash[..8]),
        (2, "dee8edc5"),
        "raise VERSION, and note the new hash here: {names:#?}"
    );
}

#[test]
fn each_refusal_has_its_reason() {
    let text = {
        let place = Place::saved();
        fs::read_to_string(&place.path).unwrap()
    };
    let body = text.split_once('\n').unwrap().1;
    let honest = |body: &str| header(&Sha256::digest(body), body.len() as u64) + body;
    for (content, expected) in [
        ("\n".to_owned(), RefusedSnapshot::NotASnapshot),
        ("{}\n{}".to_owned(), RefusedSnapshot::NotASnapshot),
        ("x".repeat(100_000), RefusedSnapshot::NotASnapshot),
        (text.replace(FORMAT, "another"), RefusedSnapshot::NotASnapshot),
        (text.replacen("\"version\":2", "\"version\":3", 1), RefusedSnapshot::OtherVersion(3)),
        (format!("{{\"format\":\"{FORMAT}\",\"version\":9}}\n"), RefusedSnapshot::OtherVersion(9)),
        (format!("{{\"format\":\"{FORMAT}\",\"version\":2}}\n{body}"), RefusedSnapshot::Damaged),
        (format!("{text} "), RefusedSnapshot::Damaged),
        (text.replace("READY", "ready"), RefusedSnapshot::Damaged),
        (header(&Sha256::digest(body), u64::MAX) + body, RefusedSnapshot::Damaged),
        (honest(""), RefusedSnapshot::Damaged),
        (honest("[]"), RefusedSnapshot::Damaged),
        (honest(&body.replace("\"saved_at\"", "\"saved\"")), RefusedSnapshot::Damaged),
        (honest(&"[".repeat(100_000)), RefusedSnapshot::Damaged),
        (honest(&body.replace(&source().0, &"0".repeat(64))), RefusedSnapshot::OtherSource),
    ] {
        let place = Place::new();
        fs::write(&place.path, &content).unwrap();
        assert_eq!(place.load(), Err(expected), "{content:.200}");
    }
}

#[test]
fn another_app_or_upstream_is_another_source() {
    let url = |text: &str| text.parse().unwrap();
    let of = |csp, vmc, app: &str| SnapshotSource::of(&url(csp), &url(vmc), &app.parse().unwrap());
    let all = [
        source(),
        of("https://vmc.test", "https://csp.test", "app"),
        of("https://csp.test", "https://vmc.test", "App"),
        of("https://csp.test/x", "https://vmc.test", "app"),
    ];
    for (at, one) in all.iter().enumerate() {
        assert!(all[..at].iter().all(|other| other != one));
    }
    assert_eq!(source(), source());
}

#[test]
fn parts_too_old_are_dropped_and_nothing_from_the_future_is_believed() {
    let place = Place::saved();
    let load = |now, minutes: u64| {
        let loaded = load(&place.path, &source(), at(now), Duration::from_secs(minutes * 60));
        loaded.map(|snapshot| {
            let snapshot = snapshot.unwrap();
            (snapshot.directory.is_some(), snapshot.orgs.len())
        })
    };
    assert_eq!(load("2026-11-22T10:00:01Z", 61), Ok((true, 2)));
    assert_eq!(load("2026-11-22T10:00:01Z", 31), Ok((true, 1)));
    assert_eq!(load("2026-11-22T10:00:01Z", 1), Ok((false, 1)));
    assert_eq!(load("2026-11-22T10:30:00Z", 60), Ok((true, 1)));
    assert_eq!(load("2026-11-22T10:30:00.000000001Z", 60), Ok((false, 1)));
    assert_eq!(load("2026-11-22T10:10:00Z", 1), Err(RefusedSnapshot::TooOld));
    assert_eq!(load("2026-11-22T10:00:00.5Z", 60), Err(RefusedSnapshot::FromTheFuture));
    assert_eq!(load("1970-01-01T00:00:00Z", 60), Err(RefusedSnapshot::FromTheFuture));
    assert_eq!(load("9999-01-01T00:00:00Z", 60), Err(RefusedSnapshot::TooOld));
    let mut odd = snapshot();
    odd.orgs[1].read_at = at("2026-11-22T12:00:00Z");
    save(&place.path, &odd).unwrap();
    assert_eq!(load("2026-11-22T11:00:00Z", 600), Err(RefusedSnapshot::FromTheFuture));
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let place = Place::saved();
    let whole = fs::read(&place.path).unwrap();
    for end in (0..300).chain((300..whole.len()).step_by(97)).chain([whole.len() - 1]) {
        assert!(read(&whole[..end]).is_err(), "{end}");
    }
    assert_eq!(read(&*whole), Ok(snapshot()));
}

proptest! {
    #[test]
    fn a_flipped_bit_is_found(at in any::<prop::sample::Index>(), early: bool, bit in 0..8) {
        static WHOLE: std::sync::LazyLock<Vec<u8>> =
            std::sync::LazyLock::new(|| fs::read(Place::saved().path).unwrap());
        let mut file = WHOLE.clone();
        let at = at.index(if early { 200 } else { file.len() });
        file[at] ^= 1_u8 << bit;
        prop_assert!(read(&*file).is_err(), "{at}");
    }

    #[test]
    fn no_file_is_too_odd_to_be_refused(file in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(read(&*file).is_err());
    }
}

#[test]
fn only_a_regular_file_is_read_or_replaced() {
    let place = Place::new();
    fs::create_dir(&place.path).unwrap();
    assert_eq!(place.load(), Err(RefusedSnapshot::NotAFile));
    assert_eq!(save(&place.path, &snapshot()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    assert_eq!(place.names(), ["picture"]);
    let pipe = place.directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [&*pipe, Path::new("/dev/null")] {
        let loaded = load(path, &source(), at("2026-11-22T10:00:02Z"), DAY);
        assert_eq!(loaded, Err(RefusedSnapshot::NotAFile), "{}", path.display());
        let refused = save(path, &snapshot()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    }
}

#[test]
fn without_its_directory_there_is_nothing_to_read_and_no_place_to_write() {
    let path = Place::new().path.join("below");
    assert_eq!(load(&path, &source(), at("2026-11-22T10:00:02Z"), DAY), Ok(None));
    assert_eq!(save(&path, &snapshot()).unwrap_err().kind(), io::ErrorKind::NotFound);
    for path in ["", "/", ".."] {
        assert!(save(Path::new(path), &snapshot()).is_err(), "{path}");
    }
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let place = Place::new();
    let file = fs::File::create(&place.path).unwrap();
    file.set_len(MAX_BYTES + 1).unwrap();
    assert_eq!(place.load(), Err(RefusedSnapshot::TooLarge));
}

#[test]
fn links_are_followed_and_stay() {
    let place = Place::new();
    let volume = place.directory.path().join("volume");
    fs::create_dir(&volume).unwrap();
    symlink("volume", place.directory.path().join("data")).unwrap();
    symlink("data/real", &place.path).unwrap();
    assert_eq!(place.load(), Ok(None));
    save(&place.path, &snapshot()).unwrap();
    save(&place.path, &snapshot()).unwrap();
    assert_eq!(place.load(), Ok(Some(snapshot())));
    assert!(fs::symlink_metadata(&place.path).unwrap().is_symlink());
    assert!(volume.join("real").is_file());
    assert_eq!(place.names(), ["data", "picture", "volume"]);
    let round = place.directory.path().join("round");
    symlink("round", &round).unwrap();
    assert!(save(&round, &snapshot()).is_err());
}

#[test]
fn what_a_killed_process_left_is_removed_once_it_is_old() {
    let place = Place::new();
    let left = |name: &str, minutes: u64| {
        let file = fs::File::create(place.directory.path().join(name)).unwrap();
        let now = file.metadata().unwrap().modified().unwrap();
        let then: SystemTime = now - Duration::from_secs(minutes * 60);
        file.set_modified(then).unwrap();
    };
    left(".picture.0123456789abcdef.tmp", 11);
    left(".picture.0123456789abcdee.tmp", 9);
    left(".picture.0123456789abcde.tmp", 99);
    left(".picture.other.tmp", 99);
    left(".pictures.0123456789abcdef.tmp", 99);
    save(&place.path, &snapshot()).unwrap();
    let kept = [
        ".picture.0123456789abcde.tmp",
        ".picture.0123456789abcdee.tmp",
        ".picture.other.tmp",
        ".pictures.0123456789abcdef.tmp",
        "picture",
    ];
    assert_eq!(place.names(), kept);
}

#[test]
fn a_full_disk_leaves_the_old_file_and_nothing_else() {
    if let Some(path) = std::env::var_os(LIMITED) {
        let error = save(Path::new(&path), &snapshot()).unwrap_err();
        return assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
    let place = Place::saved();
    // A file in this child may have 512 bytes: the same to the writer as a disk that is full.
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" --exact \"$1\"";
    let (_, module) = module_path!().split_once("::").unwrap();
    let child = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg(format!("{module}::a_full_disk_leaves_the_old_file_and_nothing_else"))
        .env(LIMITED, &place.path)
        .output();
    let said = String::from_utf8(child.unwrap().stdout).unwrap();
    assert!(said.contains("1 passed"), "{said}");
    assert_eq!(place.load(), Ok(Some(snapshot())));
    assert_eq!(place.names(), ["picture"]);
}
