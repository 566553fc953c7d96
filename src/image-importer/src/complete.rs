//! What was found out about images in the containerd store, because asking again is dear.
//!
//! Any engine calls `x:1` a name of the image also when somebody loaded an archive that did not write it in full, and then
//! does not find the image under it. And what layers all images of the engine have, those of others included, is told by
//! a list for which the engine counts every layer's files. So this is settled once, and what passed is kept under the
//! engine's ID. What is asked at every start is whether the image is there with all its layers unpacked.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use bosh_job::{atomic_write, make_dir};
use serde::{Deserialize, Serialize};

/// Bytes of the file; a real one has a hundred for each image.
const LONGEST: u64 = 16 << 20;

/// The images that were found complete.
pub struct Complete {
    file: PathBuf,
    engine: String,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    images: BTreeMap<String, Known>,
    changed: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    engine: String,
    images: BTreeMap<String, Known>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    complete: bool,
    names: BTreeSet<String>,
}

impl Complete {
    /// Reads what is known of the engine with this ID. A file that cannot be read or is another engine's says nothing.
    pub fn read(file: PathBuf, engine: String) -> Self {
        let small = file.metadata().is_ok_and(|file| file.len() <= LONGEST);
        let known = small
            .then(|| std::fs::read(&file).ok())
            .flatten()
            .and_then(|bytes| serde_json::from_slice::<Document>(&bytes).ok())
            .filter(|known| known.engine == engine && !engine.is_empty());
        let images = known.map(|known| known.images).unwrap_or_default();
        Self {
            file,
            engine,
            state: RefCell::new(State {
                images,
                changed: false,
            }),
        }
    }

    /// Whether an image was found complete.
    pub fn knows(&self, digest: &str) -> bool {
        let state = self.state.borrow();
        state.images.get(digest).is_some_and(|known| known.complete)
    }

    /// Whether the engine found it under this name.
    pub fn knows_name(&self, digest: &str, name: &str) -> bool {
        let state = self.state.borrow();
        let known = state.images.get(digest);
        known.is_some_and(|known| known.names.contains(name))
    }

    /// Notes that an image is complete.
    pub fn note(&self, digest: &str) {
        self.change(digest, |known| known.complete = true);
    }

    /// Notes that the engine finds it under this name.
    pub fn note_name(&self, digest: &str, name: &str) {
        self.change(digest, |known| {
            known.names.insert(name.to_owned());
        });
    }

    /// Forgets an image that is not there, or not whole.
    pub fn forget(&self, digest: &str) {
        let mut state = self.state.borrow_mut();
        state.changed |= state.images.remove(digest).is_some();
    }

    fn change(&self, digest: &str, change: impl Fn(&mut Known)) {
        let mut state = self.state.borrow_mut();
        state.changed = true;
        change(state.images.entry(digest.to_owned()).or_default());
    }

    /// Writes what is known. If that fails, the next start asks the engine again.
    pub fn keep(&self) {
        let state = self.state.borrow();
        if !state.changed || self.engine.is_empty() {
            return;
        }
        let document = Document {
            engine: self.engine.clone(),
            images: state.images.clone(),
        };
        let written = serde_json::to_vec(&document)
            .map_err(std::io::Error::other)
            .and_then(|bytes| {
                if let Some(directory) = self.file.parent() {
                    make_dir(directory, 0o700)?;
                }
                atomic_write(&self.file, &bytes, 0o600)
            });
        if let Err(error) = written {
            tracing::warn!(why = %error, "cannot remember what was found out about images");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_images_and_names_for_the_same_engine() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("import/complete.json");
        let complete = Complete::read(file.clone(), "E1".into());
        assert!(!complete.knows("sha256:1"));
        complete.note("sha256:1");
        complete.note_name("sha256:1", "x:1");
        complete.keep();
        let again = Complete::read(file.clone(), "E1".into());
        assert!(again.knows("sha256:1") && !again.knows("sha256:2"));
        assert!(again.knows_name("sha256:1", "x:1") && !again.knows_name("sha256:1", "x:2"));
        assert!(!Complete::read(file.clone(), "E2".into()).knows("sha256:1"));
        again.forget("sha256:1");
        again.keep();
        assert!(!Complete::read(file.clone(), "E1".into()).knows("sha256:1"));
        std::fs::write(&file, b"{").unwrap();
        assert!(!Complete::read(file, "E1".into()).knows("sha256:1"));
    }

    #[test]
    fn an_engine_without_an_id_is_never_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("complete.json");
        let complete = Complete::read(file.clone(), String::new());
        complete.note("sha256:1");
        complete.keep();
        assert!(!file.exists());
    }
}
