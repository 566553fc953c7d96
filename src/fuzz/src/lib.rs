//! What the fuzz targets share: a place in memory, what every error has to say, and images out of short texts.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a target fails by them"
)]

pub mod files;
pub mod images;

use std::cell::OnceCell;
use std::error::Error;
use std::path::PathBuf;

use tempfile::TempDir;

/// Characters of an error with all its causes: it is a line in a log.
const LONGEST_ERROR: usize = 8000;

thread_local! {
    static PLACE: OnceCell<TempDir> = const { OnceCell::new() };
}

/// A directory of this process. ci/fuzz has it in memory.
pub fn place() -> PathBuf {
    PLACE.with(|place| {
        let place = place.get_or_init(|| tempfile::tempdir().expect("a temporary directory"));
        place.path().to_owned()
    })
}

/// An error and its causes, as a program prints them.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// An error names what it is about, and is a line that a terminal can show.
pub fn check_error(error: &dyn Error, names: &str) {
    check_message(&chain(error), names);
}

/// A message names what it is about, and is a line that a terminal can show.
pub fn check_message(text: &str, names: &str) {
    assert!(text.contains(names), "{text:?} does not name {names}");
    assert!(!text.contains(char::is_control), "{text:?} is no line");
    assert!(text.chars().count() <= LONGEST_ERROR, "{text:?} is long");
}
