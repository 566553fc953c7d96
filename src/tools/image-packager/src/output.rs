//! What is printed: data on standard output, remarks on standard error.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use crate::release::{Change, Changes};
use anyhow::Result;
use serde::Serialize;

/// Text on standard output. A reader that stops, such as `head`, is no error.
pub fn text(text: &str) -> Result<()> {
    tolerate(io::stdout().lock().write_all(text.as_bytes()))
}

/// JSON on standard output.
pub fn json(value: &impl Serialize) -> Result<()> {
    text(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// A line on standard error.
pub fn remark(line: &str) {
    // Nobody reads it, and there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// What was changed, for people or as JSON; warnings on standard error.
pub fn changes(changes: &Changes, as_json: bool) -> Result<()> {
    for warning in &changes.warnings {
        remark(&format!("warning: {warning}"));
    }
    if as_json {
        return json(changes);
    }
    text(&describe(changes))
}

fn tolerate(result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn describe(changes: &Changes) -> String {
    let mut lines = String::new();
    // Writing to a string cannot fail.
    for image in &changes.images {
        let done = match image.change {
            Change::Added => "added",
            Change::Changed => "changed",
            Change::Unchanged => "unchanged",
            Change::Removed => "removed",
        };
        let _ = writeln!(lines, "{done} {} {}", image.reference, image.digest);
    }
    let mut list = |what: &str, names: &mut dyn Iterator<Item = String>| {
        for name in names {
            let _ = writeln!(lines, "  {what} {name}");
        }
    };
    list("+ package", &mut changes.packages_added.iter().cloned());
    list("- package", &mut changes.packages_removed.iter().cloned());
    list("+ blob", &mut changes.blobs_added.iter().cloned());
    let removed = changes
        .blobs_removed
        .iter()
        .map(|blob| match &blob.object_id {
            Some(id) => format!("{}, which stays in the blobstore as {id}", blob.path),
            None => blob.path.clone(),
        });
    list("- blob", &mut { removed });
    if changes.is_empty() {
        lines.push_str("the release is as it was\n");
    } else if changes.dry_run {
        lines.push_str("this was a dry run: nothing was changed\n");
    }
    lines
}
