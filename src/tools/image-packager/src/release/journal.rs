//! Changes of many files that happen entirely or not at all.
//!
//! New files are written beside the release's own first (`.image-packager/stage`), with hard links to the ones that they
//! replace. Then `journal.json` appears, in one step: before it, whatever happens is undone, after it, finished, if need
//! be by the next run. A step that the file system refuses is undone with all those before it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::change_set::{ChangeSet, Operation};
use super::error::{Error, Result};
use super::files;

/// What belongs to this program alone; its own `.gitignore` hides it in any release.
pub(crate) const DIRECTORY: &str = ".image-packager";
/// Layers that are being fetched, within [`DIRECTORY`].
pub(crate) const PARTS: &str = "parts";
const STAGE: &str = "stage";
/// A change that is to be finished.
const JOURNAL: &str = "journal.json";
/// A change that could not be finished, and is to be undone.
const UNDO: &str = "undo.json";

/// Makes [`DIRECTORY`].
pub(crate) fn make_directory(root: &Path) -> Result<()> {
    let directory = root.join(DIRECTORY);
    let ignore = directory.join(".gitignore");
    if ignore.is_file() {
        return Ok(());
    }
    fs::create_dir_all(&directory).map_err(Error::write(&directory))?;
    files::write(&ignore, b"*\n")
}

/// Whether a change was begun and not finished.
pub(crate) fn is_unfinished(root: &Path) -> bool {
    [JOURNAL, UNDO]
        .iter()
        .any(|name| root.join(DIRECTORY).join(name).exists())
}

/// Called with the name of each step before it; a test fails there.
type Step<'a> = &'a mut dyn FnMut(&str) -> io::Result<()>;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Journal {
    version: u32,
    operations: Vec<Entry>,
}

/// A path in the release, and whether a new file is staged for it under the entry's number.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    path: String,
    replaced: bool,
    written: bool,
}

impl ChangeSet {
    /// Makes the change happen. When this fails the release is as it was.
    pub(crate) fn commit(self, root: &Path) -> Result<()> {
        self.commit_with(root, &mut |_| Ok(()))
    }

    fn commit_with(self, root: &Path, step: Step<'_>) -> Result<()> {
        if self.operations.is_empty() {
            return Ok(());
        }
        self.prepare(root, step).inspect_err(|_| {
            // What is left of it harms nobody, and the next run tries again.
            let _ = clean(root);
        })?;
        finish(root, step)
    }

    /// Everything up to the point from which the change is finished rather than undone.
    fn prepare(self, root: &Path, step: Step<'_>) -> Result<()> {
        make_directory(root)?;
        let stage = root.join(DIRECTORY).join(STAGE);
        fs::create_dir_all(&stage).map_err(Error::write(&stage))?;
        let mut operations = Vec::new();
        for (number, (relative, operation)) in self.operations.into_iter().enumerate() {
            files::refuse_links(root, relative.parent().unwrap_or(Path::new("")))?;
            let path = root.join(&relative);
            let replaced = path.symlink_metadata().is_ok();
            if replaced {
                fails(step, "keep", &path)?;
                keep(&path, &old(&stage, number))?;
            }
            fails(step, "stage", &path)?;
            let new = new(&stage, number);
            let written = match operation {
                Operation::Write(bytes) => files::write(&new, &bytes).map(|()| true)?,
                Operation::Place(from) => {
                    files::sync(&from)?;
                    fs::rename(&from, &new).map_err(Error::write(&new))?;
                    true
                }
                Operation::Delete => false,
            };
            operations.push(Entry {
                path: relative
                    .to_str()
                    .map(str::to_owned)
                    .ok_or_else(|| Error::invalid(&path, "its name is not UTF-8"))?,
                replaced,
                written,
            });
        }
        files::sync(&stage)?;
        let journal = Journal {
            version: 1,
            operations,
        };
        let bytes = serde_json::to_vec(&journal)
            .map_err(|error| Error::invalid(Path::new(JOURNAL), error.to_string()))?;
        let path = root.join(DIRECTORY).join(JOURNAL);
        let draft = path.with_extension("draft");
        fails(step, "draft", &draft)?;
        files::write(&draft, &bytes)?;
        fails(step, "journal", &path)?;
        fs::rename(&draft, &path).map_err(Error::write(&path))?;
        files::sync_directory_of(&path)
    }
}

/// Finishes or undoes what an interrupted run left.
pub(crate) fn recover(root: &Path) -> Result<()> {
    let directory = root.join(DIRECTORY);
    if directory.join(UNDO).exists() {
        undo(root, &read_journal(root, UNDO)?)?;
    } else if directory.join(JOURNAL).exists() {
        return finish(root, &mut |_| Ok(()));
    }
    clean(root)
}

/// Carries a journal out, or undoes what was done of it.
fn finish(root: &Path, step: Step<'_>) -> Result<()> {
    let journal = read_journal(root, JOURNAL)?;
    if let Err(error) = carry_out(root, &journal, step) {
        let directory = root.join(DIRECTORY);
        let undo_file = directory.join(UNDO);
        fs::rename(directory.join(JOURNAL), &undo_file).map_err(Error::write(&undo_file))?;
        files::sync(&directory)?;
        undo(root, &journal)?;
        clean(root)?;
        return Err(error);
    }
    clean(root)
}

fn read_journal(root: &Path, name: &str) -> Result<Journal> {
    let path = root.join(DIRECTORY).join(name);
    let bytes = files::read(&path)?.unwrap_or_default();
    let journal: Journal =
        serde_json::from_slice(&bytes).map_err(|error| Error::invalid(&path, error.to_string()))?;
    let inside = |entry: &Entry| {
        !entry.path.is_empty()
            && Path::new(&entry.path)
                .components()
                .all(|component| matches!(component, Component::Normal(_)))
    };
    if journal.version != 1 || !journal.operations.iter().all(inside) {
        return Err(Error::invalid(
            &path,
            "it is of another version, or leads out of the release",
        ));
    }
    Ok(journal)
}

/// Any part of it may have been done before.
fn carry_out(root: &Path, journal: &Journal, step: Step<'_>) -> Result<()> {
    let stage = root.join(DIRECTORY).join(STAGE);
    let mut directories = BTreeSet::new();
    for (number, entry) in journal.operations.iter().enumerate() {
        let (relative, path) = (Path::new(&entry.path), root.join(&entry.path));
        fails(step, if entry.written { "place" } else { "delete" }, &path)?;
        if entry.written {
            files::make_directory_of(root, relative)?;
            let new = new(&stage, number);
            if new.exists() || !path.exists() {
                fs::rename(&new, &path).map_err(Error::write(&path))?;
            }
        } else {
            files::refuse_links(root, relative.parent().unwrap_or(Path::new("")))?;
            files::remove(&path)?;
            remove_empty_directories(root, relative);
        }
        directories.extend(path.parent().map(Path::to_owned));
    }
    for directory in directories.iter().filter(|directory| directory.exists()) {
        files::sync(directory)?;
    }
    fails(step, "done", root)
}

fn undo(root: &Path, journal: &Journal) -> Result<()> {
    let stage = root.join(DIRECTORY).join(STAGE);
    for (number, entry) in journal.operations.iter().enumerate() {
        let (relative, path) = (Path::new(&entry.path), root.join(&entry.path));
        let old = old(&stage, number);
        if entry.replaced {
            if old.symlink_metadata().is_ok() {
                files::make_directory_of(root, relative)?;
                fs::rename(&old, &path).map_err(Error::write(&path))?;
            }
        } else if path.symlink_metadata().is_ok() {
            files::remove(&path)?;
            remove_empty_directories(root, relative);
        }
    }
    Ok(())
}

/// Forgets the journal, and only then what it speaks of.
fn clean(root: &Path) -> Result<()> {
    let directory = root.join(DIRECTORY);
    if !directory.exists() {
        return Ok(());
    }
    files::remove(&directory.join(JOURNAL))?;
    files::remove(&directory.join(UNDO))?;
    files::remove(&directory.join(JOURNAL).with_extension("draft"))?;
    files::sync(&directory)?;
    let stage = directory.join(STAGE);
    match fs::remove_dir_all(&stage) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::write(&stage)(error)),
        _ => Ok(()),
    }
}

/// Up to, and without, the release's own directories: `packages`, `jobs`, `src`, `blobs`.
fn remove_empty_directories(root: &Path, relative: &Path) {
    for directory in relative.ancestors().skip(1) {
        let below_top = directory.components().count() > 1;
        if !below_top || fs::remove_dir(root.join(directory)).is_err() {
            return;
        }
    }
}

/// A second name for what is to be replaced; a link stays a link.
fn keep(path: &Path, old: &Path) -> Result<()> {
    files::remove(old)?;
    match fs::hard_link(path, old) {
        Ok(()) => Ok(()),
        // Not every file system has hard links.
        Err(_) => fs::copy(path, old).map(|_| ()).map_err(Error::write(path)),
    }
}

fn new(stage: &Path, number: usize) -> PathBuf {
    stage.join(format!("new-{number}"))
}

fn old(stage: &Path, number: usize) -> PathBuf {
    stage.join(format!("old-{number}"))
}

fn fails(step: Step<'_>, name: &str, path: &Path) -> Result<()> {
    step(name).map_err(Error::write(path))
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
