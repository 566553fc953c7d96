//! Tarballs whose blobs cannot be given out as they lie: those of `docker save` before Docker 25, which have no digests of a
//! registry, and compressed ones. Each is converted once, into an OCI image layout below `frozen/` in the store.
//!
//! A conversion is derived from its tarball and needs no backup. It is written below `tmp/` and renamed when all of it is on the
//! disk, so that one that is there is whole. Its name is made of the tarball's path, size, time and inode: that is how it is
//! found at the next start, without reading the tarball.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use image_archive::{
    Descriptor, Digest, Index, Layouts, Limits, Platform, Reference, Source, VerifiedImage,
};
use serde::{Deserialize, Serialize};

use super::contents::told;
use crate::storage::durable;

const NAME: &str = "org.opencontainers.image.ref.name";
/// Of what a conversion consists, and of what is understood; another one is not found.
const VERSION: u32 = 1;

/// The conversions in a store.
#[derive(Clone, Debug)]
pub struct Conversions {
    directory: PathBuf,
    temporary: PathBuf,
}

/// A tarball in another form.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// Its layout.
    pub layout: PathBuf,
    /// What is wrong with images of the tarball, which are not in the layout.
    pub problems: Vec<String>,
}

/// Which tarball it is: a change of it changes one of these.
#[derive(Serialize)]
struct Stamp<'a> {
    version: u32,
    path: &'a Path,
    size: u64,
    modified: (i64, i64),
    inode: u64,
}

/// What the layout's `source.json` says.
#[derive(Serialize, Deserialize)]
struct Record {
    /// For people.
    path: PathBuf,
    problems: Vec<String>,
}

impl Conversions {
    /// Those of the store in a directory.
    pub fn new(store: &Path) -> Self {
        Self {
            directory: store.join("frozen"),
            temporary: store.join("tmp"),
        }
    }

    /// Where a tarball's conversion is, or is to be.
    fn layout(&self, tarball: &Path, metadata: &Metadata) -> PathBuf {
        let stamp = Stamp {
            version: VERSION,
            path: tarball,
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            inode: metadata.ino(),
        };
        // numbers and a path, which always have a form in JSON
        let text = serde_json::to_vec(&stamp).unwrap_or_default();
        self.directory.join(Digest::of(&text).hex())
    }

    /// The conversion of a tarball, if there is one.
    pub fn find(&self, tarball: &Path) -> io::Result<Option<Conversion>> {
        let metadata = tarball.metadata()?;
        let layout = self.layout(tarball, &metadata);
        let record = match fs::read(layout.join("source.json")) {
            Ok(bytes) => serde_json::from_slice::<Record>(&bytes),
            Err(error) if durable::is_missing(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        // one that is damaged is made again
        Ok(record.ok().map(|record| Conversion {
            layout,
            problems: record.problems,
        }))
    }

    /// Converts a tarball. What is wrong with one of its images harms no other.
    pub fn convert(&self, tarball: &Path) -> anyhow::Result<Conversion> {
        let metadata = tarball.metadata()?;
        let layout = self.layout(tarball, &metadata);
        let platform = Platform::host();
        let opened = Source::open(tarball, &Layouts::default(), &platform, Limits::DEFAULT);
        let images = opened.map_or_else(|error| vec![Err(error)], Source::into_images);
        let unfinished = Unfinished::new(&self.temporary)?;
        let (mut entries, mut problems) = (Vec::new(), Vec::new());
        for image in &images {
            let verified = match image {
                Ok(image) if image.references().is_empty() => {
                    problems.push(format!("image {}: it has no name", image.name()));
                    continue;
                }
                Ok(image) => image.verify(),
                Err(error) if error.is_verification() => {
                    problems.push(told(error));
                    continue;
                }
                Err(error) => anyhow::bail!("{}", told(error)),
            };
            match verified {
                Ok(verified) => entries.extend(unfinished.write_image(&verified)?),
                Err(error) if error.is_verification() => problems.push(told(&error)),
                Err(error) => anyhow::bail!("{}", told(&error)),
            }
        }
        let index = Index {
            schema_version: 2,
            media_type: None,
            manifests: entries,
        };
        let record = Record {
            path: tarball.to_owned(),
            problems,
        };
        unfinished.write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        unfinished.write("index.json", &serde_json::to_vec(&index)?)?;
        unfinished.write("source.json", &serde_json::to_vec(&record)?)?;
        unfinished.move_to(&layout)?;
        Ok(Conversion {
            layout,
            problems: record.problems,
        })
    }

    /// Removes the conversions of tarballs that are not listed any more, and says where they were.
    pub fn remove_others(&self, listed: &BTreeSet<PathBuf>) -> io::Result<Vec<PathBuf>> {
        let found = match fs::read_dir(&self.directory) {
            Ok(found) => found,
            Err(error) if durable::is_missing(&error) => return Ok(Vec::new()),
            Err(error) => return Err(durable::named(&error, "listing", &self.directory)),
        };
        let mut removed = Vec::new();
        for entry in found {
            let path = entry?.path();
            if !listed.contains(&path) {
                fs::remove_dir_all(&path)
                    .map_err(|error| durable::named(&error, "removing", &path))?;
                removed.push(path);
            }
        }
        if !removed.is_empty() {
            durable::sync_dir(&self.directory)?;
        }
        Ok(removed)
    }

    /// Where the conversion of a tarball is to be, which may not be there yet.
    pub fn place(&self, tarball: &Path) -> io::Result<PathBuf> {
        Ok(self.layout(tarball, &tarball.metadata()?))
    }
}

/// A layout that is being written; dropped, it is gone.
struct Unfinished {
    path: PathBuf,
}

impl Unfinished {
    fn new(temporary: &Path) -> io::Result<Self> {
        let path = temporary.join(durable::random_name()?);
        durable::make_dir(&path.join("blobs/sha256"))?;
        Ok(Self { path })
    }

    /// Writes an image's blobs, and gives its entries for `index.json`, one a name.
    fn write_image(&self, image: &VerifiedImage) -> anyhow::Result<Vec<Descriptor>> {
        for (descriptor, bytes) in image.documents() {
            self.write(&descriptor.digest.blob_path(), bytes)?;
        }
        let config = image.image().config_digest();
        self.write(&config.blob_path(), image.config())?;
        let path = |digest: &Digest| self.path.join(digest.blob_path());
        image.read_layers::<anyhow::Error>(
            |layer| !path(&layer.digest).exists(),
            &mut |layer, data| Ok(write_new(&path(&layer.digest), data)?),
        )?;
        let Some((target, _)) = image.documents().next() else {
            return Ok(Vec::new());
        };
        let named = |reference: &Reference| {
            let mut entry = target.clone();
            let names = entry.annotations.get_or_insert_default();
            names.insert(NAME.to_owned(), reference.to_string());
            entry
        };
        Ok(image.image().references().iter().map(named).collect())
    }

    fn write(&self, name: &str, mut bytes: &[u8]) -> io::Result<()> {
        write_new(&self.path.join(name), &mut bytes)
    }

    fn move_to(self, place: &Path) -> anyhow::Result<()> {
        for directory in ["blobs/sha256", "blobs", ""] {
            durable::sync_dir(&self.path.join(directory))?;
        }
        let parent = place.parent().context("a conversion lies in a directory")?;
        durable::make_dir(parent)?;
        match fs::remove_dir_all(place) {
            Err(error) if !durable::is_missing(&error) => {
                Err(durable::named(&error, "removing", place))?;
            }
            _ => {}
        }
        fs::rename(&self.path, place)
            .map_err(|error| durable::named(&error, "renaming to", place))?;
        durable::sync_dir(parent)?;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // what stays is removed at the next start
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Writes a file to the disk; one that is there with this name stays.
fn write_new(path: &Path, data: &mut dyn Read) -> io::Result<()> {
    let mut file = match File::create_new(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(durable::named(&error, "making", path)),
    };
    let copied = io::copy(data, &mut file).and_then(|_| file.flush());
    copied
        .and_then(|()| file.sync_all())
        .map_err(|error| durable::named(&error, "writing", path))
}
