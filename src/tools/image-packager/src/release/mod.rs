//! The release that images are frozen into.
//!
//! A [`Release`] is opened, filled with layers ([`Release::keep_layer`]) and changed as a whole: [`Release::put`] and
//! [`Release::remove`] work out every file of the new state first, and [`journal`] makes it happen entirely or not at
//! all. What packages and jobs look like follows from `images.lock` alone ([`tree`]), so the same lock always gives the
//! same fingerprints, and [`verify`] can tell what was changed by hand.

mod blobs;
mod change;
mod change_set;
mod checked;
mod complete;
mod consistency;
mod error;
mod export;
mod files;
mod gitignore;
mod guard;
mod images_lock;
mod journal;
mod layer_package;
mod layers;
mod names;
mod next_steps;
mod pins;
mod put;
mod refusal;
mod remake;
mod remove;
mod scaffold;
mod scratch;
mod stored;
mod tree;
mod verify;

use std::path::{Path, PathBuf};

pub use blobs::{Blob, Blobs};
pub use change::{Change, Changes, ImageChange, RemovedBlob};
pub use error::{Error, Result};
pub use export::ExportFormat;
pub use images_lock::{FILE as LOCK_FILE, ImagesLock, Layout, LockedImage, LockedLayer};
pub use next_steps::next_steps;
pub use put::{PutOptions, megabytes};
pub use scaffold::{Scaffolded, scaffold};
pub use verify::{Problem, Verdict};

/// What a release is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To look at it.
    Read,
    /// To change it; nobody else can at the same time.
    Write,
}

/// A BOSH release with the images that are frozen in it.
///
/// Its functions on layers may be called from several threads.
#[derive(Debug)]
pub struct Release {
    root: PathBuf,
    name: String,
    lock: ImagesLock,
    blobs: Blobs,
    checked: checked::Checked,
    guard: Option<guard::Guard>,
}

impl Release {
    /// Opens the release that `start` lies in. What an interrupted run left is finished or undone first.
    ///
    /// # Errors
    /// When there is none, when it is being changed by another process, or when one of its files is not valid.
    pub fn open(start: &Path, access: Access) -> Result<Self> {
        let root = find_root(start)?;
        let guard = match access {
            Access::Write => Some(guard::Guard::take(&root)?),
            // A reader has to wait only for a change that is being made right now.
            Access::Read if journal::is_unfinished(&root) => Some(guard::Guard::take(&root)?),
            Access::Read => None,
        };
        if guard.is_some() {
            journal::recover(&root)?;
            scratch::sweep(&root);
        }
        Ok(Self {
            name: name_of(&root)?,
            lock: ImagesLock::read(&root)?,
            blobs: Blobs::read(&root)?,
            checked: checked::Checked::read(&root),
            guard: guard.filter(|_| access == Access::Write),
            root,
        })
    }

    /// The release's directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The release's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is frozen in it.
    #[must_use]
    pub fn lock(&self) -> &ImagesLock {
        &self.lock
    }

    /// Its blobs, also those that are no images'.
    #[must_use]
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }
}

/// The directory that holds `config/final.yml`: `start` or one above it.
fn find_root(start: &Path) -> Result<PathBuf> {
    let real = start.canonicalize().map_err(Error::read(start))?;
    real.ancestors()
        .find(|directory| directory.join(FINAL).is_file())
        .map(Path::to_owned)
        .ok_or_else(|| Error::NoRelease {
            start: start.to_owned(),
        })
}

const FINAL: &str = "config/final.yml";

/// `name`, or `final_name` as older releases have it.
fn name_of(root: &Path) -> Result<String> {
    let path = root.join(FINAL);
    let text = files::read_text(&path)?.unwrap_or_default();
    let value = bosh_manifest::parse(text.as_bytes())
        .map_err(|error| Error::invalid(&path, error.to_string()))?;
    ["name", "final_name"]
        .iter()
        .find_map(|key| value.get(key)?.as_str())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| Error::invalid(&path, "name: the release has none"))
}
