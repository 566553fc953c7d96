use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::entry::Stream;

const CAP: Cap = Cap { size: 10, files: 3 };

fn text(directory: &Path, name: &str) -> Option<String> {
    fs::read_to_string(directory.join(name)).ok()
}

#[test]
fn rotates_within_the_cap_and_keeps_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = ServiceLog::open(dir.path(), "web", CAP).unwrap();
    for round in 0..5 {
        let line = format!("line {round}\n");
        if log.is_full_with(line.len()) {
            log.rotate().unwrap();
        }
        log.append(line.as_bytes()).unwrap();
    }
    let file = |name| text(dir.path(), name);
    assert_eq!(file("service.web.log").unwrap(), "line 4\n");
    assert_eq!(file("rotated.web.1.log").unwrap(), "line 3\n");
    assert_eq!(file("rotated.web.2.log").unwrap(), "line 2\n");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    let mode = fs::metadata(dir.path().join("service.web.log"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);
    // A lower cap removes what is beyond it.
    let cap = Cap { size: 10, files: 1 };
    let mut log = ServiceLog::open(dir.path(), "web", cap).unwrap();
    log.rotate().unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(file("service.web.log").unwrap(), "");
}

#[test]
fn no_two_services_share_a_file() {
    let dir = Path::new("/d");
    let names = ["web", "web.1", "web.1.1", "dockerd", "service.web"];
    let mut all = std::collections::BTreeSet::new();
    for name in names {
        assert!(all.insert(current(dir, name)));
        for number in 1..3 {
            assert!(all.insert(rotated(dir, name, number)), "{name} {number}");
        }
    }
}

#[test]
fn resumes_at_the_position_also_when_it_was_rotated_since() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = ServiceLog::open(dir.path(), "web", CAP).unwrap();
    log.append(b"noted\n").unwrap();
    let position = log.position();
    log.append(b"not\n").unwrap();
    drop(log);
    let log = ServiceLog::resume(dir.path(), "web", CAP, &position).unwrap();
    assert_eq!(text(dir.path(), "service.web.log").unwrap(), "noted\n");
    assert_eq!(log.position(), position);
    let mut log = log;
    log.append(b"not\n").unwrap();
    log.rotate().unwrap();
    drop(log);
    let log = ServiceLog::resume(dir.path(), "web", CAP, &position).unwrap();
    assert_eq!(text(dir.path(), "rotated.web.1.log").unwrap(), "noted\n");
    assert_eq!(log.length, 0);
}

#[test]
fn a_line_without_end_goes_on_only_at_its_own_place() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = ServiceLog::open(dir.path(), "web", CAP).unwrap();
    log.append(b"half").unwrap();
    log.lines.unfinished = Some(("id".into(), Stream::Stdout));
    let position = log.position();
    let log = ServiceLog::resume(dir.path(), "web", CAP, &position).unwrap();
    assert_eq!(log.position(), position);
    // Truncated meanwhile, and written to.
    fs::write(dir.path().join("service.web.log"), "x").unwrap();
    let log = ServiceLog::resume(dir.path(), "web", CAP, &position).unwrap();
    assert_eq!(log.lines.unfinished, None);
    assert_eq!(text(dir.path(), "service.web.log").unwrap(), "x\n");
}

#[test]
fn bears_truncation_and_removal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("service.web.log");
    let mut log = ServiceLog::open(dir.path(), "web", CAP).unwrap();
    log.append(b"one\n").unwrap();
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(0)
        .unwrap();
    log.look().unwrap();
    log.append(b"two\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
    assert_eq!(log.length, 4);
    fs::remove_file(&path).unwrap();
    log.look().unwrap();
    log.append(b"three\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
}
