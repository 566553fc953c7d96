//! One image, wherever it lies.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::compression::Compression;
use crate::config::ImageConfig;
use crate::digest::{Digest, HashingReader};
use crate::error::{Error, Result};
use crate::files::{Documents, Files, check_blob, damaged};
use crate::limits::Limits;
use crate::manifest::{Descriptor, Manifest};
use crate::platform::Platform;
use crate::reference::Reference;

/// An index or manifest with its exact bytes.
#[derive(Clone)]
pub(crate) struct Document {
    pub descriptor: Descriptor,
    pub bytes: Vec<u8>,
}

/// Where the config lies.
#[derive(Clone)]
pub(crate) struct Config {
    pub name: String,
    pub digest: Digest,
    pub size: u64,
    /// What an index says that the image is for, which goes before what the config says.
    pub platform: Option<Platform>,
}

/// A layer as it is stored.
#[derive(Clone)]
pub struct Layer {
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) descriptor: Option<Descriptor>,
}

impl Layer {
    /// Bytes as stored.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The digest of the stored bytes, where something names it: old tarballs do not.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.descriptor.as_ref().map(|descriptor| descriptor.digest)
    }
}

/// An image that was found and not yet verified. Immutable, and cheap to clone.
#[derive(Clone)]
pub struct Image {
    inner: Arc<Inner>,
    references: Arc<[Reference]>,
}

struct Inner {
    files: Arc<dyn Files>,
    limits: Limits,
    platform: Platform,
    documents: Vec<Document>,
    config: Config,
    layers: Vec<Layer>,
    target: OnceLock<Digest>,
}

impl Image {
    pub(crate) fn new(
        files: Arc<dyn Files>,
        limits: Limits,
        platform: Platform,
        references: Vec<Reference>,
        documents: Vec<Document>,
        config: Config,
        layers: Vec<Layer>,
    ) -> Self {
        let inner = Inner {
            files,
            limits,
            platform,
            documents,
            config,
            layers,
            target: OnceLock::new(),
        };
        Self {
            inner: Arc::new(inner),
            references: deduplicated(references).into(),
        }
    }

    /// The same image with more names.
    pub(crate) fn with_references(&self, more: &[Reference]) -> Self {
        let references = self.references.iter().chain(more).cloned().collect();
        Self {
            inner: self.inner.clone(),
            references: deduplicated(references).into(),
        }
    }

    /// The same image below other documents.
    pub(crate) fn with_documents(&self, documents: Vec<Document>) -> Self {
        let inner = &self.inner;
        let inner = Inner {
            files: inner.files.clone(),
            limits: inner.limits,
            platform: inner.platform.clone(),
            documents,
            config: inner.config.clone(),
            layers: inner.layers.clone(),
            target: OnceLock::new(),
        };
        Self {
            inner: Arc::new(inner),
            references: self.references.clone(),
        }
    }

    /// Digest and size of the config.
    pub(crate) fn config_blob(&self) -> (Digest, u64) {
        (self.inner.config.digest, self.inner.config.size)
    }

    /// The tarball or layout.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.inner.files.path()
    }

    /// The names, each once. There may be none.
    #[must_use]
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// The first name as people write it, or the config digest.
    #[must_use]
    pub fn name(&self) -> String {
        self.references
            .first()
            .map_or_else(|| self.inner.config.digest.to_string(), Reference::familiar)
    }

    /// The digest of the config: what the graph drivers' image store calls the image's ID.
    #[must_use]
    pub fn config_digest(&self) -> Digest {
        self.inner.config.digest
    }

    /// The layers as stored, lowest first.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.inner.layers
    }

    /// Bytes of all layers as stored.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.inner.layers.iter().map(|layer| layer.size).sum()
    }

    /// The digest of the index or manifest that the names stand for: what the containerd image store calls the image's
    /// ID.
    ///
    /// An old tarball has neither; [`crate::DockerArchive`] then writes a manifest for it, whose digest this is. It
    /// costs nothing but the config if the layers are stored plainly, as `docker save` stores them; compressed ones have
    /// to be read.
    pub fn target(&self) -> Result<Digest> {
        if let Some(document) = self.documents().first() {
            return Ok(document.descriptor.digest);
        }
        if let Some(digest) = self.inner.target.get() {
            return Ok(*digest);
        }
        let computed = self
            .synthesised(|_| None)
            .map_err(|error| error.of_image(self.name()))?;
        let digest = computed.descriptor.digest;
        Ok(*self.inner.target.get_or_init(|| digest))
    }

    /// The diff IDs that the config names, lowest first: as many as there are layers.
    ///
    /// # Errors
    /// When the config is damaged, for another platform, or does not fit the layers.
    pub fn diff_ids(&self) -> Result<Vec<Digest>> {
        self.config()
            .map(|(config, _)| config.diff_ids().to_vec())
            .map_err(|error| error.of_image(self.name()))
    }

    /// The digests of all documents that names may stand for: index, manifest.
    pub fn document_digests(&self) -> impl Iterator<Item = Digest> {
        self.documents()
            .iter()
            .map(|document| document.descriptor.digest)
    }

    /// The config, and its exact bytes.
    pub(crate) fn config(&self) -> Result<(ImageConfig, Vec<u8>)> {
        let wanted = &self.inner.config;
        let mut documents =
            Documents::new(self.files(), self.limits().document, self.limits().document);
        let bytes = documents.read(&wanted.name)?;
        let actual = (Digest::of(&bytes), bytes.len() as u64);
        check_blob(
            self.path(),
            &wanted.name,
            (wanted.digest, wanted.size),
            actual,
        )?;
        let config: ImageConfig = documents.parse(&wanted.name, &bytes)?;
        let (layers, diff_ids) = (self.layers().len(), config.diff_ids().len());
        if layers != diff_ids {
            return Err(Error::LayerCount {
                path: self.path().to_owned(),
                layers,
                diff_ids,
            });
        }
        if wanted.platform.is_none() && !config.platform.may_be(&self.inner.platform) {
            return Err(Error::WrongPlatform {
                path: self.path().to_owned(),
                wanted: self.inner.platform.to_string(),
                found: config.platform.to_string(),
            });
        }
        Ok((config, bytes))
    }

    pub(crate) fn documents(&self) -> &[Document] {
        &self.inner.documents
    }

    pub(crate) fn files(&self) -> &dyn Files {
        self.inner.files.as_ref()
    }

    pub(crate) fn limits(&self) -> Limits {
        self.inner.limits
    }

    /// The manifest that stands for an image that has none. `known` may tell digest and compression of layers that were
    /// read.
    pub(crate) fn synthesised(
        &self,
        known: impl Fn(&str) -> Option<(Digest, Compression)>,
    ) -> Result<Document> {
        let (config, bytes) = self.config()?;
        let mut blobs = Vec::new();
        for (layer, diff_id) in self.layers().iter().zip(config.diff_ids()) {
            let (digest, compression) = match known(&layer.name) {
                Some(known) => known,
                None => match self.files().compression(&layer.name)? {
                    Compression::None => (*diff_id, Compression::None),
                    packed => (self.hash(&layer.name)?, packed),
                },
            };
            blobs.push((digest, layer.size, compression));
        }
        synthesise(self.config_digest(), bytes.len() as u64, &blobs)
    }

    fn hash(&self, name: &str) -> Result<Digest> {
        let mut reader = HashingReader::new(self.files().open(name)?);
        std::io::copy(&mut reader, &mut std::io::sink())
            .map_err(|error| damaged(self.path(), name, 0, error))?;
        Ok(reader.finish().0)
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Image")
            .field("path", &self.path())
            .field("references", &self.references)
            .field("config_digest", &self.config_digest())
            .finish_non_exhaustive()
    }
}

fn deduplicated(references: Vec<Reference>) -> Vec<Reference> {
    let mut seen = std::collections::HashSet::new();
    references
        .into_iter()
        .filter(|reference| seen.insert(reference.clone()))
        .collect()
}

/// Makes a manifest for an image that has none. The containerd image store would make one itself, but one that nobody
/// can foretell; the same image always gets this one, so that it is found again at the next start.
pub(crate) fn synthesise(
    config: Digest,
    config_size: u64,
    layers: &[(Digest, u64, Compression)],
) -> Result<Document> {
    const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    let descriptor = |media_type: &str, digest, size| Descriptor {
        media_type: media_type.to_owned(),
        digest,
        size,
        platform: None,
        annotations: None,
    };
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.to_owned()),
        config: descriptor(
            "application/vnd.oci.image.config.v1+json",
            config,
            config_size,
        ),
        layers: layers
            .iter()
            .map(|(digest, size, compression)| {
                let media_type = match compression {
                    Compression::None => "application/vnd.oci.image.layer.v1.tar",
                    Compression::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
                    Compression::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
                };
                descriptor(media_type, *digest, *size)
            })
            .collect(),
    };
    let bytes = serde_json::to_vec(&manifest).map_err(|source| Error::Json {
        path: std::path::PathBuf::new(),
        name: "manifest".into(),
        source,
    })?;
    let descriptor = descriptor(MANIFEST, Digest::of(&bytes), bytes.len() as u64);
    Ok(Document { descriptor, bytes })
}
