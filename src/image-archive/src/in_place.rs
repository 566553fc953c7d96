//! Layouts whose blobs are given out as they lie: what they list, and where each blob is, in a directory or in a tarball.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::compression::{self, Compression};
use crate::digest::Digest;
use crate::docker_archive;
use crate::error::{Error, Result};
use crate::files::{Documents, Files};
use crate::layout::{Layout, Layouts};
use crate::limits::Limits;
use crate::manifest::Descriptor;
use crate::oci;
use crate::place::Place;
use crate::platform::Platform;
use crate::reference::Reference;
use crate::tar_archive::TarArchive;

/// What `index.json` lists.
#[derive(Clone, Debug)]
pub struct Listed {
    /// A manifest or an index.
    pub descriptor: Descriptor,
    /// Its names; of several manifests of one name, only that which fits this machine best has it.
    pub references: Vec<Reference>,
}

/// A layout that is read where it lies.
pub struct InPlace {
    files: Arc<dyn Files>,
    limits: Limits,
    /// Names out of `manifest.json`, which Docker writes beside its layouts.
    more_names: Vec<(Digest, Reference)>,
}

impl InPlace {
    /// Opens what lies at `path`. Nothing if its blobs cannot be given out from there: it is a tarball that is compressed, or
    /// one without a layout in it.
    ///
    /// # Errors
    /// It cannot be read, or is neither a layout nor a tarball.
    pub fn open(
        path: &Path,
        layouts: &Layouts,
        platform: &Platform,
        limits: Limits,
    ) -> Result<Option<Self>> {
        let metadata = path.metadata().map_err(Error::read(path))?;
        if metadata.is_dir() {
            let layout = Layout::open(path, layouts.clone())?;
            if layout.size(oci::INDEX)?.is_none() {
                return Err(Error::NotAnImage {
                    path: path.to_owned(),
                    why: "the directory has no index.json",
                });
            }
            return Ok(Some(Self {
                files: Arc::new(layout),
                limits,
                more_names: Vec::new(),
            }));
        }
        if !metadata.is_file() {
            return Err(Error::NotAnImage {
                path: path.to_owned(),
                why: "it is neither a file nor a directory",
            });
        }
        let file = File::open(path).map_err(Error::read(path))?;
        let (_, detected) = compression::peek(file).map_err(Error::read(path))?;
        if detected.is_ok_and(|compression| compression != Compression::None) {
            return Ok(None);
        }
        let tarball = Arc::new(TarArchive::open(path, limits, None)?);
        if tarball.size(oci::LAYOUT)?.is_none() || tarball.size(oci::INDEX)?.is_none() {
            return Ok(None);
        }
        // what is wrong with an image of it shows when it is read
        let images = docker_archive::images(&tarball, platform, limits).unwrap_or_default();
        let mut more_names = Vec::new();
        for image in images.iter().flatten() {
            if let Some(digest) = image.document_digests().next() {
                let named = image.references().iter().cloned();
                more_names.extend(named.map(|reference| (digest, reference)));
            }
        }
        Ok(Some(Self {
            files: tarball,
            limits,
            more_names,
        }))
    }

    /// What `index.json` lists, for all platforms, or what is wrong with an entry of it.
    ///
    /// # Errors
    /// It is no layout of a version that is known, or its index cannot be read.
    pub fn listed(&self, platform: &Platform) -> Result<Vec<Result<Listed>>> {
        let files = self.files.as_ref();
        let mut documents = Documents::new(files, self.limits.document, self.limits.documents);
        let (mut listed, mut entries) = (Vec::new(), Vec::new());
        for entry in oci::index(files, &mut documents)? {
            let rank = entry.rank(platform);
            match entry.descriptor {
                Ok(descriptor) => entries.push((descriptor, rank)),
                Err(why) => listed.push(Err(Error::Document {
                    path: files.path().to_owned(),
                    name: oci::INDEX.into(),
                    why,
                })),
            }
        }
        let groups = oci::group(entries.clone());
        let mut seen: HashSet<Digest> = groups
            .iter()
            .map(|(descriptor, _)| descriptor.digest)
            .collect();
        for (descriptor, names) in groups {
            let mut references = Vec::new();
            let wrong = listed.len();
            for name in &names {
                match oci::name(files, name) {
                    Ok(reference) => references.push(reference),
                    Err(error) => listed.push(Err(error)),
                }
            }
            for (digest, reference) in &self.more_names {
                if *digest == descriptor.digest && !references.contains(reference) {
                    references.push(reference.clone());
                }
            }
            // what is wrong with its names has been said
            if !references.is_empty() || listed.len() == wrong {
                listed.push(Ok(Listed {
                    descriptor,
                    references,
                }));
            }
        }
        for (descriptor, _) in entries {
            if seen.insert(descriptor.digest) {
                listed.push(Ok(Listed {
                    descriptor,
                    references: Vec::new(),
                }));
            }
        }
        Ok(listed)
    }

    /// Where a file of the layout lies (`blobs/sha256/…`), if it is there or in another layout.
    ///
    /// # Errors
    /// A link leads out of the layout.
    pub fn place(&self, name: &str) -> Result<Option<Place>> {
        self.files.place(name)
    }

    /// The bytes of a document, which are not checked, if it is there.
    ///
    /// # Errors
    /// It cannot be read, or is longer than any document.
    pub fn document(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let limit = self.limits.document;
        Documents::new(self.files.as_ref(), limit, limit).find(name)
    }
}
