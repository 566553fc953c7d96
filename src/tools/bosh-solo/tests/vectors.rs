//! The command line against the vectors of the real tools; the libraries' own tests look closer.

#![allow(
    clippy::unwrap_used,
    reason = "a helper that cannot go on fails the test"
)]

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn solo(directory: &Path, arguments: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bosh-solo"))
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap()
}

/// The words of a shell line with single and double quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for character in line.trim_end().chars() {
        match (character, quote) {
            ('\'' | '"', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (end, Some(begin)) if end == begin => quote = None,
            (' ', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

fn cases(sibling: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(sibling)
        .join("tests/vectors");
    let mut cases: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(cases.len() >= 20, "only {} vectors were found", cases.len());
    cases
}

#[test]
fn interpolate_prints_and_ends_as_the_bosh_cli_does() {
    let mut wrong = Vec::new();
    for case in cases("bosh-manifest") {
        // A vars store is written: in a copy.
        let copy = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(&case).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        let output = solo(
            copy.path(),
            &words(&fs::read_to_string(case.join("args")).unwrap()),
        );
        let printed = String::from_utf8_lossy(&output.stdout);
        let right = match fs::read_to_string(case.join("expected.yml")) {
            Ok(expected) => output.status.code() == Some(0) && printed == expected,
            Err(_) => output.status.code() == Some(1) && printed.is_empty(),
        };
        if !right {
            wrong.push(format!("{}: {output:?}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn template_prints_what_the_director_renders() {
    let directory = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for path in cases("bosh-template") {
        let case: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        fs::write(
            directory.path().join("context.json"),
            case["context"].to_string(),
        )
        .unwrap();
        fs::write(
            directory.path().join("case.erb"),
            case["template"].as_str().unwrap(),
        )
        .unwrap();
        let arguments = ["template", "--context", "context.json", "case.erb"].map(str::to_owned);
        let output = solo(directory.path(), &arguments);
        let right = match case["output"].as_str() {
            Some(expected) => output.status.success() && output.stdout == expected.as_bytes(),
            None => output.status.code() == Some(1) && output.stdout.is_empty(),
        };
        if !right {
            wrong.push(format!("{}: {output:?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
