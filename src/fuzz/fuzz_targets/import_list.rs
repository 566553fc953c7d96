//! A list of images: each word of it is an entry that is there, or a problem that names the line.
#![no_main]

use std::{fs, path::Path};

use bosh_job::Paths;
use fuzz::{check_message, place};
use import_lists::Lists;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let root = place().join("vcap");
    let directory = root.join("jobs/images/docker-bosh-release-import");
    let list = directory.join("images.lst");
    if !directory.exists() {
        fs::create_dir_all(&directory).expect("a directory");
        fs::create_dir_all(root.join("packages/web")).expect("a directory");
        fs::write(root.join("packages/web.tgz"), b"").expect("writing to memory");
    }
    fs::write(&list, bytes).expect("writing to memory");
    let lists = Lists::read(&Paths::new(&root));

    let mut words = 0;
    for line in bytes.split(|byte| *byte == b'\n') {
        words += match std::str::from_utf8(line) {
            Err(_) => 1,
            Ok(line) if line.trim_start().starts_with('#') => 0,
            Ok(line) => line.split_whitespace().count(),
        };
    }
    // a path that stands there twice is one entry
    assert!(lists.entries.len() + lists.problems.len() <= words);
    assert_eq!(
        words > 0,
        !(lists.entries.is_empty() && lists.problems.is_empty())
    );
    let lines = bytes.split(|byte| *byte == b'\n').count();
    for (position, entry) in lists.entries.iter().enumerate() {
        assert_eq!(entry.list, list);
        assert!((1..=lines).contains(&entry.line));
        assert!(entry.path.is_absolute() && entry.path.exists(), "{entry:?}");
        assert!(
            lists.entries[..position]
                .iter()
                .all(|other| other.path != entry.path)
        );
        assert!(
            !entry.path.starts_with(Path::new(Paths::DEFAULT_ROOT)),
            "{entry:?}"
        );
    }
    let named = format!("{}, line ", list.display());
    for problem in &lists.problems {
        check_message(&problem.to_string(), &named);
    }
});
