//! Checking every digest, size and diff ID of an image, before an engine sees any of it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};

use crate::compression::{self, Compression};
use crate::digest::{Digest, HashingReader};
use crate::error::{Error, Result};
use crate::files::{check_blob, damaged};
use crate::image::{Document, Image, Layer, synthesise};
use crate::manifest::MediaType;

/// An image all of whose bytes were read and found right.
#[derive(Clone)]
pub struct VerifiedImage {
    pub(crate) image: Image,
    pub(crate) documents: Vec<Document>,
    pub(crate) config: Vec<u8>,
    pub(crate) layers: Vec<VerifiedLayer>,
}

/// What is known of a layer when all of it was read.
#[derive(Clone, Debug)]
pub struct VerifiedLayer {
    pub(crate) name: String,
    /// Digest of the stored bytes.
    pub digest: Digest,
    /// Number of the stored bytes.
    pub size: u64,
    /// Digest of the unpacked bytes.
    pub diff_id: Digest,
    /// Number of the unpacked bytes.
    pub unpacked_size: u64,
    /// How it is stored.
    pub compression: Compression,
}

/// What reading a stored layer showed.
#[derive(Clone, Copy)]
struct Seen {
    stored: (Digest, u64),
    unpacked: (Digest, u64),
    compression: Compression,
}

impl Image {
    /// Reads the whole image and checks config, platform, and each layer's digest, size and diff ID.
    ///
    /// The layers are streamed: memory does not grow with the image.
    pub fn verify(&self) -> Result<VerifiedImage> {
        self.verify_all()
            .map_err(|error| error.of_image(self.name()))
    }

    fn verify_all(&self) -> Result<VerifiedImage> {
        let (config, bytes) = self.config()?;
        let mut names: Vec<String> = self
            .layers()
            .iter()
            .map(|layer| layer.name.clone())
            .collect();
        names.sort();
        names.dedup();
        for layer in self.layers() {
            self.check_size(layer)?;
        }
        let mut seen = BTreeMap::new();
        self.files().visit(&names, &mut |name, data| {
            seen.insert(name.to_owned(), self.read_layer(name, data)?);
            Ok(())
        })?;
        let mut layers = Vec::new();
        for (layer, diff_id) in self.layers().iter().zip(config.diff_ids()) {
            let seen = seen
                .get(&layer.name)
                .ok_or_else(|| self.files().missing(&layer.name))?;
            layers.push(self.check_layer(layer, *diff_id, seen)?);
        }
        let documents = if self.documents().is_empty() {
            let blobs: Vec<_> = layers
                .iter()
                .map(|layer| (layer.digest, layer.size, layer.compression))
                .collect();
            vec![synthesise(
                self.config_digest(),
                bytes.len() as u64,
                &blobs,
            )?]
        } else {
            self.documents().to_vec()
        };
        Ok(VerifiedImage {
            image: self.clone(),
            documents,
            config: bytes,
            layers,
        })
    }

    /// Before anything is read: there, and of the size that the manifest says.
    fn check_size(&self, layer: &Layer) -> Result<()> {
        let actual = self
            .files()
            .size(&layer.name)?
            .ok_or_else(|| self.files().missing(&layer.name))?;
        if actual == layer.size {
            return Ok(());
        }
        Err(Error::WrongSize {
            path: self.path().to_owned(),
            name: layer.name.clone(),
            expected: layer.size,
            actual,
        })
    }

    fn read_layer(&self, name: &str, data: &mut (dyn Read + Send)) -> Result<Seen> {
        let failed = |error| damaged(self.path(), name, 0, error);
        let mut stored = HashingReader::new(data);
        let (reader, detected) = compression::peek(&mut stored).map_err(failed)?;
        let compression = detected.map_err(|what| Error::Unsupported {
            path: self.path().to_owned(),
            what: format!("{what}, `{name}`"),
        })?;
        if compression == Compression::None {
            let mut reader = reader;
            io::copy(&mut reader, &mut io::sink()).map_err(failed)?;
            let stored = stored.finish();
            return Ok(Seen {
                stored,
                unpacked: stored,
                compression,
            });
        }
        let size = self.files().size(name)?.unwrap_or_default();
        let limit = self.limits().unpacked_of(size);
        let mut unpacked =
            HashingReader::new(compression.reader(reader).take(limit.saturating_add(1)));
        io::copy(&mut unpacked, &mut io::sink()).map_err(failed)?;
        let unpacked = unpacked.finish();
        if unpacked.1 > limit {
            return Err(Error::TooLarge {
                path: self.path().to_owned(),
                what: format!("unpacked layer `{name}`"),
                limit,
            });
        }
        io::copy(&mut stored, &mut io::sink()).map_err(failed)?;
        Ok(Seen {
            stored: stored.finish(),
            unpacked,
            compression,
        })
    }

    fn check_layer(&self, layer: &Layer, diff_id: Digest, seen: &Seen) -> Result<VerifiedLayer> {
        let (path, name) = (self.path(), &layer.name);
        if let Some(descriptor) = &layer.descriptor {
            check_blob(
                path,
                name,
                (descriptor.digest, descriptor.size),
                seen.stored,
            )?;
            // containerd does not unpack what is said to be a plain tar.
            if descriptor.kind() == MediaType::Layer && seen.compression != Compression::None {
                let why = format!(
                    "it is compressed, but its media type is {}",
                    descriptor.media_type
                );
                return Err(Error::Document {
                    path: path.to_owned(),
                    name: name.clone(),
                    why,
                });
            }
        }
        if seen.unpacked.0 != diff_id {
            let (path, name) = (path.to_owned(), name.clone());
            return Err(Error::WrongDiffId {
                path,
                name,
                expected: diff_id,
                actual: seen.unpacked.0,
            });
        }
        Ok(VerifiedLayer {
            name: name.clone(),
            digest: seen.stored.0,
            size: seen.stored.1,
            diff_id,
            unpacked_size: seen.unpacked.1,
            compression: seen.compression,
        })
    }
}

impl VerifiedImage {
    /// The image.
    #[must_use]
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The layers, lowest first.
    #[must_use]
    pub fn layers(&self) -> &[VerifiedLayer] {
        &self.layers
    }
}

impl fmt::Debug for VerifiedImage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("VerifiedImage")
            .field("image", &self.image)
            .field("layers", &self.layers)
            .finish_non_exhaustive()
    }
}
