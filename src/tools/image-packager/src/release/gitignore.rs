//! Whether git would leave out what a release needs.

use std::path::Path;
use std::process::{Command, Stdio};

/// The `.gitignore` of `bosh init-release --git` says `blobs`, which also hides `src/images/…/blobs`: anyone who clones the
/// release then lacks the images' documents.
pub(crate) fn warning<'a>(root: &Path, paths: impl Iterator<Item = &'a String>) -> Option<String> {
    let paths: Vec<&String> = paths.collect();
    if paths.is_empty() || !root.join(".git").exists() {
        return None;
    }
    // Without git nobody can say, and nobody commits.
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["check-ignore", "--no-index", "--"])
        .args(paths)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let ignored = String::from_utf8_lossy(&output.stdout).lines().count();
    let first = String::from_utf8_lossy(&output.stdout)
        .lines()
        .next()
        .map(str::to_owned)?;
    Some(format!(
        "git ignores {ignored} of the files that belong to the release, such as {first}; in .gitignore, write /blobs instead of blobs"
    ))
}
