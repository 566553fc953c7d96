use std::collections::BTreeMap;

use super::*;

type Tree = BTreeMap<PathBuf, Vec<u8>>;

fn tree(root: &Path) -> Tree {
    fn walk(root: &Path, directory: &Path, found: &mut Tree) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // An empty directory counts: it must not be left behind.
                found.insert(path.strip_prefix(root).unwrap().into(), b"/".into());
                walk(root, &path, found);
            } else {
                let bytes = fs::read(&path).unwrap();
                found.insert(path.strip_prefix(root).unwrap().into(), bytes);
            }
        }
    }
    let mut found = Tree::new();
    walk(root, root, &mut found);
    found.retain(|path, _| !path.starts_with(DIRECTORY));
    found
}

fn release() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("images.lock", "old lock"),
        ("packages/gone/spec", "gone"),
        ("packages/gone/packaging", "gone"),
        ("packages/kept/spec", "kept"),
        ("jobs/changed/spec", "old"),
        ("blobs/x/other", "other"),
    ] {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn change(root: &Path) -> ChangeSet {
    let mut set = ChangeSet::default();
    set.write(root, "images.lock", b"new lock".to_vec());
    set.write(root, "packages/kept/spec", b"kept".to_vec());
    set.write(root, "packages/new/spec", b"new".to_vec());
    set.write(root, "jobs/changed/spec", b"new".to_vec());
    set.delete(root, "packages/gone/spec");
    set.delete(root, "packages/gone/packaging");
    set.delete(root, "packages/never/spec");
    let part = root.join("elsewhere");
    fs::write(&part, "blob").unwrap();
    set.place("blobs/x/blob", part);
    set
}

fn states() -> (Tree, Tree) {
    let (old, new) = (release(), release());
    change(new.path()).commit(new.path()).unwrap();
    (tree(old.path()), tree(new.path()))
}

fn steps() -> Vec<String> {
    let release = release();
    let mut steps = Vec::new();
    change(release.path())
        .commit_with(release.path(), &mut |name| {
            steps.push(name.to_owned());
            Ok(())
        })
        .unwrap();
    steps
}

fn stop_at(wanted: usize) -> impl FnMut(&str) -> io::Result<()> {
    let mut number = 0;
    move |_| {
        number += 1;
        if number > wanted {
            return Err(io::Error::other("stopped"));
        }
        Ok(())
    }
}

#[test]
fn a_failure_at_any_step_leaves_the_release_as_it_was() {
    let (old, new) = states();
    assert_ne!(old, new);
    let steps = steps();
    assert!(steps.len() > 15, "{steps:?}");
    for (number, name) in steps.iter().enumerate() {
        let release = release();
        let root = release.path();
        change(root)
            .commit_with(root, &mut stop_at(number))
            .unwrap_err();
        let mut found = tree(root);
        found.remove(Path::new("elsewhere"));
        assert_eq!(found, old, "step {number}, {name}");
        assert!(!is_unfinished(root));
        assert!(!root.join(DIRECTORY).join(STAGE).exists());
    }
}

#[test]
fn a_crash_at_any_step_is_undone_or_finished_by_the_next_run() {
    let (old, new) = states();
    let steps = steps();
    let journal = steps.iter().position(|step| step == "journal").unwrap();
    for (number, name) in steps.iter().enumerate() {
        let release = release();
        let root = release.path();
        // As if killed there: none of the clean-up that follows an error.
        let mut step = stop_at(number);
        if change(root).prepare(root, &mut step).is_ok() {
            carry_out(root, &read_journal(root, JOURNAL).unwrap(), &mut step).unwrap_err();
        }
        recover(root).unwrap();
        let mut found = tree(root);
        found.remove(Path::new("elsewhere"));
        let expected = if number <= journal { &old } else { &new };
        assert_eq!(found, *expected, "step {number}, {name}");
        assert!(!is_unfinished(root));
        recover(root).unwrap();
    }
}

#[test]
fn a_crash_while_recovering_is_recovered_from() {
    let (_, new) = states();
    for number in 0..8 {
        let release = release();
        let root = release.path();
        change(root).prepare(root, &mut |_| Ok(())).unwrap();
        for again in 0..=number {
            let _ = carry_out(
                root,
                &read_journal(root, JOURNAL).unwrap(),
                &mut stop_at(again),
            );
        }
        recover(root).unwrap();
        assert_eq!(tree(root), new);
    }
}

#[test]
fn what_the_file_system_refuses_is_undone() {
    let release = release();
    let root = release.path();
    // A file where a directory is needed stops root too, unlike a mode.
    fs::write(root.join("packages/new"), "in the way").unwrap();
    let before = tree(root);
    let error = change(root).commit(root).unwrap_err();
    assert!(matches!(error, Error::Write { .. }), "{error}");
    let mut after = tree(root);
    after.remove(Path::new("elsewhere"));
    assert_eq!(after, before);
}

#[test]
fn nothing_is_written_or_deleted_through_links() {
    let (release, outside) = (release(), tempfile::tempdir().unwrap());
    let root = release.path();
    fs::remove_dir_all(root.join("packages")).unwrap();
    fs::create_dir(outside.path().join("gone")).unwrap();
    fs::write(outside.path().join("gone/spec"), "precious").unwrap();
    std::os::unix::fs::symlink(outside.path(), root.join("packages")).unwrap();
    let error = change(root).commit(root).unwrap_err();
    assert!(matches!(error, Error::Link { .. }), "{error}");
    assert_eq!(tree(outside.path()).len(), 2);
}

#[test]
fn a_journal_that_leads_out_is_refused() {
    let release = release();
    let root = release.path();
    make_directory(root).unwrap();
    for path in ["../x", "/etc/x", "", "a/../../x"] {
        let journal = serde_json::json!({"version": 1, "operations": [
            {"path": path, "replaced": false, "written": false}]});
        fs::write(root.join(DIRECTORY).join(JOURNAL), journal.to_string()).unwrap();
        assert!(
            matches!(recover(root), Err(Error::Invalid { .. })),
            "{path}"
        );
    }
}
