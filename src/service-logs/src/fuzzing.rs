//! The parser of the json-file driver's entries, for the fuzz targets of `src/fuzz` alone.

use std::sync::Arc;

use crate::{
    entry,
    line::{GoingOn, Lines},
};

/// What of a driver's file is copied for container `web`, and how many bytes of it were no entry.
#[must_use]
pub fn copied(file: &[u8]) -> (Vec<u8>, usize) {
    let (mut out, mut left_out) = (Vec::new(), 0);
    let (mut lines, mut going_on) = (Lines::default(), GoingOn::default());
    let id: Arc<str> = "id".into();
    for line in file.split_inclusive(|byte| *byte == b'\n') {
        if let Some((entry, before)) = entry::parse(line) {
            left_out += before;
            lines.entry(&mut out, (&id, "web"), &mut going_on, &entry);
        } else {
            left_out += line.len();
        }
    }
    lines.finish(&mut out);
    (out, left_out)
}
