//! Which images the release brought into the engine, and which of them its deploys use.
//!
//! An image becomes old when neither the present nor the previous healthy deploy uses it. Only what image-importer brought
//! or the recipe pulled is ever removed, and only under the names that these gave: what an operator loaded, pulled or built
//! was never brought, and is no candidate.
//!
//! The ledger lies in the data root, so that it has the same fate as the images: both outlive a recreated VM on the
//! persistent disk, and both go with that disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
};

use bosh_job::Paths;
use docker_engine::ImageStore;
use serde::{Deserialize, Serialize};

use crate::StateFile;

/// Healthy deploys whose images stay: the present one and the one before it.
const DEPLOYS: usize = 2;

/// The ledger of an engine's images.
#[derive(Debug)]
pub struct ImageLedger {
    paths: Paths,
    entries: Entries,
    changed: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Entries {
    /// By the engine's ID of the image.
    brought: BTreeMap<String, Brought>,
    /// IDs of the images that colocated jobs list.
    listed: BTreeSet<String>,
    /// IDs of the images that healthy deploys use, the present one first.
    deploys: Vec<BTreeSet<String>>,
}

impl StateFile for Entries {
    const VERSION: u32 = 1;

    fn path(paths: &Paths) -> PathBuf {
        paths.image_ledger()
    }
}

/// What was brought of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brought {
    /// The other store knows the image by another ID, and does not show it.
    store: ImageStore,
    /// The image itself, and not only names for one that was there.
    pub image: bool,
    /// Names in full.
    pub names: BTreeSet<String>,
}

impl ImageLedger {
    /// Reads it. One that cannot be read counts as empty: then nothing is removed.
    #[must_use]
    pub fn read(paths: &Paths) -> Self {
        let entries = Entries::read(paths).unwrap_or_else(|error| {
            tracing::warn!(why = %error, "the ledger of images cannot be read; the images in it will stay");
            None
        });
        Self {
            paths: paths.clone(),
            entries: entries.unwrap_or_default(),
            changed: false,
        }
    }

    /// Notes an image that is brought, with the names that it is given. To be written before it is: if the import is
    /// killed in between, it is known all the same.
    pub fn bring(&mut self, store: ImageStore, id: &str, names: impl IntoIterator<Item = String>) {
        self.note(store, id, names, true);
    }

    /// Notes names that are given to an image that somebody else brought, or that is noted already.
    pub fn name(&mut self, store: ImageStore, id: &str, names: impl IntoIterator<Item = String>) {
        self.note(store, id, names, false);
    }

    fn note(
        &mut self,
        store: ImageStore,
        id: &str,
        names: impl IntoIterator<Item = String>,
        image: bool,
    ) {
        let before = self.entries.brought.get(id).cloned();
        let entry = self
            .entries
            .brought
            .entry(id.to_owned())
            .or_insert_with(|| Brought {
                store,
                image,
                names: BTreeSet::new(),
            });
        entry.image |= image;
        entry.names.extend(names);
        self.changed |= before.as_ref() != Some(entry);
    }

    /// Whether an image was noted as brought.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.entries.brought.contains_key(id)
    }

    /// Forgets an image that was not brought after all.
    pub fn forget(&mut self, id: &str) {
        self.changed |= self.entries.brought.remove(id).is_some();
    }

    /// Notes the images that colocated jobs list now.
    pub fn list(&mut self, ids: BTreeSet<String>) {
        self.changed |= self.entries.listed != ids;
        self.entries.listed = ids;
    }

    /// Notes a deploy that is healthy, by the images that its recipe uses; those that jobs list are added. A start with
    /// the same images is the same deploy.
    pub fn note_deploy(&mut self, mut images: BTreeSet<String>) {
        images.extend(self.entries.listed.iter().cloned());
        let deploys = &mut self.entries.deploys;
        if deploys.first() != Some(&images) {
            deploys.insert(0, images);
            deploys.truncate(DEPLOYS);
            self.changed = true;
        }
    }

    /// Writes it, if it changed.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write(&mut self) -> io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        self.entries.write(&self.paths)?;
        self.changed = false;
        Ok(())
    }

    /// Writes it; that this fails is worth a warning and no more, since what it costs is disk space.
    pub fn keep(&mut self) {
        if let Err(error) = self.write() {
            tracing::warn!(why = %error, "cannot note which images were brought; they will not be removed when they are old");
        }
    }

    /// The images that were brought and that no deploy uses any more.
    #[must_use]
    pub fn old(&self, store: ImageStore) -> Vec<(String, Brought)> {
        let Entries {
            brought,
            listed,
            deploys,
        } = &self.entries;
        let in_use =
            |id: &String| listed.contains(id) || deploys.iter().any(|images| images.contains(id));
        brought
            .iter()
            .filter(|(id, entry)| entry.store == store && !in_use(id))
            .map(|(id, entry)| (id.clone(), entry.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: ImageStore = ImageStore::GraphDriver;

    fn set(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|&id| id.to_owned()).collect()
    }

    fn old(ledger: &ImageLedger, store: ImageStore) -> Vec<String> {
        ledger.old(store).into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn the_present_and_the_previous_deploy_keep_their_images() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        let mut ledger = ImageLedger::read(&paths);
        for id in ["1", "2", "3"] {
            ledger.bring(STORE, id, [format!("x:{id}")]);
            ledger.note_deploy(set(&[id]));
        }
        ledger.note_deploy(set(&["3"]));
        assert_eq!(old(&ledger, STORE), ["1"], "a restart is no deploy");
        assert_eq!(
            old(&ledger, ImageStore::Containerd),
            Vec::<String>::new(),
            "the other store does not show it"
        );
        ledger.write().unwrap();
        assert_eq!(ImageLedger::read(&paths).entries, ledger.entries);
        ledger.list(set(&["1"]));
        assert_eq!(old(&ledger, STORE), Vec::<String>::new(), "a job lists it");
        ledger.forget("2");
        assert!(!ledger.has("2") && ledger.has("1"));
    }

    #[test]
    fn a_name_for_somebody_elses_image_does_not_make_it_ours() {
        let directory = tempfile::tempdir().unwrap();
        let mut ledger = ImageLedger::read(&Paths::new(directory.path()));
        ledger.name(STORE, "1", ["x:1".to_owned()]);
        assert!(!ledger.entries.brought["1"].image);
        ledger.bring(STORE, "2", ["y:1".to_owned()]);
        ledger.name(STORE, "2", ["y:2".to_owned()]);
        assert!(ledger.entries.brought["2"].image);
        assert_eq!(ledger.entries.brought["2"].names, set(&["y:1", "y:2"]));
    }

    #[test]
    fn a_damaged_ledger_removes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        let mut ledger = ImageLedger::read(&paths);
        ledger.bring(STORE, "1", []);
        ledger.write().unwrap();
        std::fs::write(paths.image_ledger(), b"{\"brought\": 7").unwrap();
        assert!(ImageLedger::read(&paths).old(STORE).is_empty());
    }
}
