//! Names and phrases that plain, standard terms have replaced stay gone.

use std::{fs, path::Path};

use release_tests::repository;
use walkdir::WalkDir;

/// In names, messages, docs and comments, and what to write in their place.
const GONE: [(&str, &str); 33] = [
    ("Doors", "AuthCache"),
    ("Conversation", "RegistrySession"),
    ("Speaks", "Scheme"),
    ("Rung", "LoadStrategy"),
    ("HeldBack", "GatedReader"),
    ("Forsaken", "DependencyFailed"),
    ("Fares", "ServiceHealth"),
    ("fares", "is, or its state"),
    ("fare", "are, or their state"),
    ("Reservation", "DeployFailure"),
    ("going_for_good", "deleting"),
    ("take_turn", "acquire_lock"),
    ("DEAF", "UNRESPONSIVE_GRACE"),
    ("FIRST_BREATH", "STARTUP_CHECK"),
    ("PULSE", "KEEPALIVE"),
    ("mend", "fix"),
    ("mends", "fixes"),
    ("mended", "fixed"),
    ("mending", "fixing"),
    ("anew", "again, or recreated"),
    ("once more", "again"),
    ("recipe of before", "previous recipe"),
    ("settings of before", "previous settings"),
    ("one of before", "previous one"),
    ("lest", "to avoid"),
    ("want of memory", "out of memory"),
    ("memory was wanting", "out of memory"),
    ("gives way", "is replaced"),
    ("goes for good", "is deleted"),
    ("whoever", "anyone who"),
    ("Whoever", "Anyone who"),
    ("whatever it was", "its name"),
    ("is well", "is healthy"),
];

/// What is built, files of others, and this one.
fn is_passed_over(path: &Path) -> bool {
    ["vectors", "target", "words.rs"]
        .iter()
        .any(|name| path.ends_with(name))
}

fn words(line: &str) -> Vec<&str> {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '\''))
        .filter(|word| !word.is_empty())
        .collect()
}

#[test]
fn words_that_standard_terms_have_replaced_stay_gone() {
    let root = repository();
    let tops = [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "docs",
        "jobs",
        "packages",
        "manifests",
        "config",
        "ci",
        "src",
    ];
    let mut found = Vec::new();
    let mut files = 0;
    for top in tops {
        let walk = WalkDir::new(root.join(top)).into_iter();
        for entry in walk.filter_entry(|entry| !is_passed_over(entry.path())) {
            let entry = entry.unwrap();
            if !entry.file_type().is_file() {
                continue;
            }
            // What is no text has no words.
            let Ok(text) = fs::read_to_string(entry.path()) else {
                continue;
            };
            files += 1;
            for (number, line) in text.lines().enumerate() {
                let line = words(line);
                for (gone, instead) in GONE {
                    let gone: Vec<&str> = gone.split(' ').collect();
                    if line.windows(gone.len()).any(|window| window == gone) {
                        let path = entry.path().strip_prefix(&root).unwrap().display();
                        let gone = gone.join(" ");
                        found.push(format!("{path}:{}: {gone}: write {instead}", number + 1));
                    }
                }
            }
        }
    }
    assert!(files > 500, "only {files} files were read");
    assert!(found.is_empty(), "{}", found.join("\n"));
}
