//! Records in files, and in what is no file.

use std::{io, os::unix::fs::PermissionsExt};

use super::*;

#[tokio::test]
async fn a_full_device_and_a_reader_that_is_gone_are_failures() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (reader, closed) = io::pipe().unwrap();
    drop(reader);
    let outputs: [Box<dyn Write + Send>; 2] = [Box::new(full), Box::new(closed)];
    for output in outputs {
        let metrics = Metrics::new();
        let (audit, _guard) = Audit::to_writer(output, 10, metrics.clone()).unwrap();
        assert_eq!(audit.reserve().await.unwrap().write(&record("a")).await, Err(AuditFailed));
        assert_eq!(failures(&metrics), "1");
    }
}

#[tokio::test]
async fn a_file_is_private_appended_to_and_begun_on_a_line_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit");
    for (before, lines) in
        [("", &["a"][..]), ("\n", &["a", "", "a"]), ("{\"to", &["a", "", "a", "{\"to", "a"])]
    {
        let mut content = std::fs::read(&path).unwrap_or_default();
        content.extend_from_slice(before.as_bytes());
        if path.exists() {
            std::fs::write(&path, content).unwrap();
        }
        let (audit, _guard) = Audit::to_file(&path, 10, Metrics::new()).unwrap();
        audit.reserve().await.unwrap().write(&record("a")).await.unwrap();
        assert_eq!(ids(&std::fs::read_to_string(&path).unwrap()), lines);
    }
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_file_that_was_renamed_or_removed_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let (path, old) = (directory.path().join("audit"), directory.path().join("audit.1"));
    let (audit, _guard) = Audit::to_file(&path, 10, Metrics::new()).unwrap();
    let write = async |id: &str| audit.reserve().await.unwrap().write(&record(id)).await;
    write("a").await.unwrap();
    std::fs::rename(&path, &old).unwrap();
    write("b").await.unwrap();
    let content = |path: &Path| ids(&std::fs::read_to_string(path).unwrap());
    assert_eq!((content(&old), content(&path)), (vec!["a".into()], vec!["b".into()]));
    std::fs::remove_file(&path).unwrap();
    write("c").await.unwrap();
    assert_eq!(content(&path), ["c"]);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(write("d").await, Err(AuditFailed), "a file that is gone takes no record");
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    for path in [&pipe, directory.path(), Path::new("/dev/null"), &directory.path().join("no/no")] {
        let target = AuditTarget::File(path.into());
        assert!(Audit::open(&target, 10, Metrics::new()).is_err(), "{}", path.display());
    }
}
