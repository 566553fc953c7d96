//! Writing an image as the tarball that `POST /images/load` takes.
//!
//! The tarball is both a docker-archive and an OCI image layout, as `docker save` makes them since Docker 25. The graph
//! drivers' store reads `manifest.json` and ignores the rest (moby, `image/tarexport/load.go`, 20.10 and later); the
//! containerd store takes the OCI part, so that the image keeps the digest of its index or manifest (containerd,
//! `images/archive/importer.go`), and takes blobs that are left out from its content store.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};

use serde::Serialize;
use tar::{Builder, EntryType};

use crate::compression::{self, Compression};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::files::damaged;
use crate::manifest::{Descriptor, Index};
use crate::oci::{CONTAINERD_NAME, INDEX, LAYOUT, REF_NAME};
use crate::reference::Reference;
use crate::tar_output::{Unfinished, append};
use crate::verify::{VerifiedImage, VerifiedLayer};

const BLOCK: u64 = 512;

/// What to do with layers that are compressed with Zstandard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ZstdLayers {
    /// Write them as they are: for the containerd store.
    #[default]
    Keep,
    /// Write them unpacked, and no OCI part: for the graph drivers' store, which learnt Zstandard only in Docker 23.
    Unpack,
}

/// What of an image is written, and how.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What to do with layers that are compressed with Zstandard.
    pub zstd: ZstdLayers,
    /// Diff IDs of layers that the engine has, and that are not written.
    pub leave_out: BTreeSet<Digest>,
    /// Names that the engine is not to give the image while it loads it.
    pub leave_unnamed: BTreeSet<Reference>,
}

/// A verified image on its way into an engine.
#[derive(Clone)]
pub struct DockerArchive {
    image: VerifiedImage,
    plan: Plan,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

impl DockerArchive {
    /// Prepares a tarball; nothing is read yet.
    #[must_use]
    pub fn new(image: VerifiedImage, plan: Plan) -> Self {
        Self { image, plan }
    }

    /// The image.
    #[must_use]
    pub fn image(&self) -> &VerifiedImage {
        &self.image
    }

    /// The exact length of the tarball in bytes.
    pub fn length(&self) -> Result<u64> {
        let small = self.small_files()?;
        let layers = self.written_layers();
        let large = layers.values().map(|layer| self.written_size(layer));
        let files = small
            .iter()
            .map(|(_, bytes)| bytes.len() as u64)
            .chain(large);
        let directories = 2 * BLOCK;
        Ok(files
            .map(|size| BLOCK + size.next_multiple_of(BLOCK))
            .sum::<u64>()
            + directories
            + 2 * BLOCK)
    }

    /// Writes the tarball.
    pub fn write(&self, out: impl Write) -> Result<()> {
        self.write_all(out)
            .map_err(|error| error.of_image(self.image.image.name()))
    }

    fn write_all(&self, out: impl Write) -> Result<()> {
        let mut tarball = Builder::new(Unfinished {
            out,
            is_stopped: false,
        });
        let written = self.write_entries(&mut tarball);
        if written.is_err() {
            tarball.get_mut().is_stopped = true;
            return written;
        }
        tarball
            .into_inner()
            .and_then(|mut unfinished| unfinished.flush())
            .map_err(|source| self.sending(source))
    }

    fn sending(&self, source: io::Error) -> Error {
        Error::Stream {
            reference: self.image.image.name(),
            source,
        }
    }

    fn write_entries<W: Write>(&self, tarball: &mut Builder<W>) -> Result<()> {
        let sending = |source| self.sending(source);
        for name in ["blobs/", "blobs/sha256/"] {
            append(tarball, name, 0, EntryType::Directory, io::empty()).map_err(sending)?;
        }
        for (name, bytes) in self.small_files()? {
            append(
                tarball,
                &name,
                bytes.len() as u64,
                EntryType::Regular,
                bytes.as_slice(),
            )
            .map_err(sending)?;
        }
        let layers = self.written_layers();
        let names: Vec<String> = layers.keys().map(|name| (*name).to_owned()).collect();
        let image = &self.image.image;
        image.files().visit(&names, &mut |name, data| {
            let Some(layer) = layers.get(name) else {
                return Ok(());
            };
            let (name_in_archive, size) = (self.written_name(layer), self.written_size(layer));
            let mut send = |data: &mut dyn Read| {
                let kind = EntryType::Regular;
                append(tarball, &name_in_archive, size, kind, data).map_err(sending)
            };
            if self.unpacks(layer) {
                let (reader, _) = compression::peek(data)
                    .map_err(|error| damaged(image.path(), name, 0, error))?;
                let mut data = layer
                    .compression
                    .reader(reader)
                    .map_err(|error| damaged(image.path(), name, 0, error))?;
                send(&mut data)
            } else {
                send(data)
            }
        })
    }

    /// By the name that the layer has in its source; each blob once, although an image may have equal layers.
    fn written_layers(&self) -> BTreeMap<&str, &VerifiedLayer> {
        let mut digests = BTreeSet::new();
        self.image
            .layers
            .iter()
            .filter(|layer| {
                !self.plan.leave_out.contains(&layer.diff_id)
                    && digests.insert(self.written_name(layer))
            })
            .map(|layer| (layer.name.as_str(), layer))
            .collect()
    }

    fn unpacks(&self, layer: &VerifiedLayer) -> bool {
        layer.compression == Compression::Zstd
            && self.plan.zstd == ZstdLayers::Unpack
            && layer.unpacked_size.is_some()
    }

    fn written_name(&self, layer: &VerifiedLayer) -> String {
        if self.unpacks(layer) {
            layer.diff_id.blob_path()
        } else {
            layer.digest.blob_path()
        }
    }

    /// A layer that is left out is listed under a name that no file has: an engine that has the layer does not look.
    fn listed_name(&self, diff_id: Digest) -> String {
        self.image
            .layers
            .iter()
            .find(|layer| layer.diff_id == diff_id)
            .map_or_else(|| diff_id.blob_path(), |layer| self.written_name(layer))
    }

    fn written_size(&self, layer: &VerifiedLayer) -> u64 {
        if self.unpacks(layer) {
            layer.unpacked_size.unwrap_or_default()
        } else {
            layer.size
        }
    }

    /// Everything but the layers.
    fn small_files(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let config = self.image.image.config_digest().blob_path();
        let tagged: BTreeSet<String> = self
            .names()
            .filter(|name| name.tag().is_some())
            .map(|name| name.familiar())
            .collect();
        let item = Item {
            config: config.clone(),
            repo_tags: tagged.into_iter().collect(),
            layers: self
                .image
                .diff_ids
                .iter()
                .map(|diff_id| self.listed_name(*diff_id))
                .collect(),
        };
        let mut files = vec![("manifest.json".to_owned(), self.json(&[item])?)];
        if self.image.layers.iter().all(|layer| !self.unpacks(layer)) {
            files.push((
                LAYOUT.to_owned(),
                br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
            ));
            files.push((INDEX.to_owned(), self.json(&self.index())?));
            for document in &self.image.documents {
                files.push((
                    document.descriptor.digest.blob_path(),
                    document.bytes.clone(),
                ));
            }
        }
        files.push((config, self.image.config.clone()));
        Ok(files)
    }

    /// One entry a name: a tag stands for what the source named, a digest for the document that has it.
    fn index(&self) -> Index {
        let documents = &self.image.documents;
        // A platform that it names is a choice that anyone who reads this has to know of.
        let bare = |document: &Descriptor| Descriptor {
            annotations: None,
            ..document.clone()
        };
        let mut manifests = Vec::new();
        for name in self.names() {
            let document = match name.digest() {
                None => documents.first(),
                digest => documents
                    .iter()
                    .find(|document| Some(document.descriptor.digest) == digest),
            };
            manifests.extend(document.map(|document| named(bare(&document.descriptor), &name)));
        }
        // Also without a name of its own: it is what the names are going to stand for.
        let target = documents.first().map(|document| &document.descriptor);
        if let Some(target) = target
            && manifests.iter().all(|entry| entry.digest != target.digest)
        {
            manifests.push(bare(target));
        }
        Index {
            schema_version: 2,
            media_type: Some("application/vnd.oci.image.index.v1+json".to_owned()),
            manifests,
        }
    }

    /// The names to write, each with either a tag or a digest.
    fn names(&self) -> impl Iterator<Item = Reference> {
        let references = self.image.image.references().iter();
        references
            .flat_map(|name| [name.tagged(), name.digested()])
            .flatten()
            .filter(|name| !self.plan.leave_unnamed.contains(name))
    }

    fn json<T: Serialize + ?Sized>(&self, value: &T) -> Result<Vec<u8>> {
        serde_json::to_vec(value).map_err(|source| Error::Json {
            path: self.image.image.path().to_owned(),
            name: INDEX.into(),
            source,
        })
    }
}

fn named(descriptor: Descriptor, reference: &Reference) -> Descriptor {
    let short = reference
        .tag()
        .map_or_else(|| reference.to_string(), str::to_owned);
    let annotations = BTreeMap::from([
        (CONTAINERD_NAME.to_owned(), reference.to_string()),
        (REF_NAME.to_owned(), short),
    ]);
    Descriptor {
        annotations: Some(annotations),
        ..descriptor
    }
}
