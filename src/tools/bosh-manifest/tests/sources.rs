//! Sources of variables that need more than a case's files.

#![allow(
    clippy::unwrap_used,
    reason = "a helper that cannot go on fails the test"
)]

use std::fs;

use bosh_manifest::{InterpolateOptions, interpolate};
use tempfile::TempDir;

#[test]
fn reads_variables_from_the_environment_and_lets_files_win() {
    let directory = TempDir::new().unwrap();
    let manifest = directory.path().join("manifest.yml");
    fs::write(
        &manifest,
        "name: ((PKG_NAME))\nversion: ((PKG_VERSION_MAJOR))\n",
    )
    .unwrap();
    let vars_file = directory.path().join("vars.yml");
    fs::write(&vars_file, "PKG_NAME: from-file\n").unwrap();
    // Cargo sets these for tests.
    let mut options = InterpolateOptions {
        manifest,
        vars_env: vec!["CARGO".into()],
        ..InterpolateOptions::default()
    };
    let value = interpolate(&options).unwrap();
    assert_eq!(value.get("name").unwrap().as_str(), Some("bosh-manifest"));
    assert_eq!(value.get("version").unwrap().as_i64(), Some(0));
    options.vars_files.push(vars_file);
    assert_eq!(
        interpolate(&options).unwrap().get("name").unwrap().as_str(),
        Some("from-file")
    );
}

#[test]
fn names_the_file_that_cannot_be_read() {
    let directory = TempDir::new().unwrap();
    let options = InterpolateOptions {
        manifest: directory.path().join("none.yml"),
        ..InterpolateOptions::default()
    };
    let error = interpolate(&options).unwrap_err().to_string();
    assert!(
        error.starts_with("Opening file ") && error.contains("none.yml"),
        "{error}"
    );
}

#[test]
fn names_the_manifest_and_line_that_is_not_yaml() {
    let directory = TempDir::new().unwrap();
    let manifest = directory.path().join("manifest.yml");
    fs::write(&manifest, "a: 1\nb: c: d\n").unwrap();
    let error = interpolate(&InterpolateOptions {
        manifest,
        ..InterpolateOptions::default()
    })
    .unwrap_err()
    .to_string();
    assert!(
        error.starts_with("yaml: line 2: mapping values are not allowed in this context (in "),
        "{error}"
    );
    assert!(error.ends_with("manifest.yml)"), "{error}");
}

#[test]
fn shows_no_value_in_the_message_of_an_error() {
    let directory = TempDir::new().unwrap();
    let manifest = directory.path().join("manifest.yml");
    fs::write(&manifest, "a: x((h))\n").unwrap();
    for var in ["h={pw: s3cret}", "h=[s3cret", "=s3cret"] {
        let options = InterpolateOptions {
            manifest: manifest.clone(),
            vars: vec![var.into()],
            ..InterpolateOptions::default()
        };
        let error = interpolate(&options).unwrap_err().to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }
}
