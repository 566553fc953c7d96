//! Checking digests, sizes and diff IDs of an image, before an engine sees any of it.
//!
//! The layers are independent pieces of work, so that several threads can share it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use crate::compression::{self, Compression};
use crate::digest::{Digest, HashingReader, abridge};
use crate::error::{Error, Result};
use crate::files::{check_blob, damaged};
use crate::image::{Document, Image, Layer};
use crate::manifest::MediaType;

/// An image whose bytes were read and found right: all of them, or those of the layers that were wanted.
#[derive(Clone)]
pub struct VerifiedImage {
    pub(crate) image: Image,
    pub(crate) documents: Vec<Document>,
    pub(crate) config: Vec<u8>,
    pub(crate) diff_ids: Vec<Digest>,
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
    /// Digest of the unpacked bytes: checked, unless [`Depth::Stored`] left that to the engine.
    pub diff_id: Digest,
    /// Number of the unpacked bytes, where they were counted.
    pub unpacked_size: Option<u64>,
    /// How it is stored.
    pub compression: Compression,
}

/// How far layers are checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// Digest and size of the stored bytes, and the diff ID of the unpacked ones.
    #[default]
    Unpacked,
    /// Compressed layers whose digest the manifest names are not unpacked: with the manifest's digest, theirs proves
    /// every bit, and every engine checks diff IDs itself when it unpacks.
    Stored,
}

/// What of an image is to be verified.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Diff IDs of layers that nobody is going to read.
    pub leave_out: BTreeSet<Digest>,
    /// How far the others are checked.
    pub depth: Depth,
    /// Whether layers compressed with Zstandard are unpacked whatever `depth` says.
    pub unpack_zstd: bool,
}

/// What reading a stored layer showed.
#[derive(Clone, Copy)]
struct Seen {
    stored: (Digest, u64),
    unpacked: Option<(Digest, u64)>,
    compression: Compression,
}

/// A verification in pieces, which may be run on several threads.
pub struct Verification {
    image: Image,
    scope: Scope,
    config: Vec<u8>,
    diff_ids: Vec<Digest>,
    pieces: Vec<Vec<String>>,
    seen: Mutex<BTreeMap<String, Seen>>,
}

impl Image {
    /// Reads the whole image and checks config, platform, and each layer's digest, size and diff ID.
    ///
    /// The layers are streamed: memory does not grow with the image.
    pub fn verify(&self) -> Result<VerifiedImage> {
        let verification = self.verification(Scope::default())?;
        for piece in 0..verification.pieces() {
            verification.run(piece)?;
        }
        verification.finish()
    }

    /// Checks what is small - config, platform, the layers' sizes - and says what is left to do.
    pub fn verification(&self, scope: Scope) -> Result<Verification> {
        self.begin(scope)
            .map_err(|error| error.of_image(self.name()))
    }

    fn begin(&self, scope: Scope) -> Result<Verification> {
        let (config, bytes) = self.config()?;
        let diff_ids = config.diff_ids().to_vec();
        let mut names = Vec::new();
        for (layer, diff_id) in self.layers().iter().zip(&diff_ids) {
            if !scope.leave_out.contains(diff_id) {
                self.check_size(layer)?;
                names.push(layer.name.clone());
            }
        }
        names.sort();
        names.dedup();
        let pieces = if self.files().is_one_stream() {
            Some(names)
                .into_iter()
                .filter(|names| !names.is_empty())
                .collect()
        } else {
            names.into_iter().map(|name| vec![name]).collect()
        };
        Ok(Verification {
            image: self.clone(),
            scope,
            config: bytes,
            diff_ids,
            pieces,
            seen: Mutex::default(),
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
            name: abridge(&layer.name),
            expected: layer.size,
            actual,
        })
    }

    fn read_layer(&self, name: &str, data: &mut (dyn Read + Send), scope: &Scope) -> Result<Seen> {
        let failed = |error| damaged(self.path(), name, 0, error);
        let mut stored = HashingReader::new(data);
        let (mut reader, detected) = compression::peek(&mut stored).map_err(failed)?;
        let compression = detected.map_err(|what| Error::Unsupported {
            path: self.path().to_owned(),
            what: format!("{what}, `{}`", abridge(name)),
        })?;
        let has_digest = self
            .layers()
            .iter()
            .any(|layer| layer.name == name && layer.descriptor.is_some());
        let unpacks = scope.depth == Depth::Unpacked
            || !has_digest
            || (scope.unpack_zstd && compression == Compression::Zstd);
        if compression == Compression::None || !unpacks {
            io::copy(&mut reader, &mut io::sink()).map_err(failed)?;
            let stored = stored.finish();
            return Ok(Seen {
                stored,
                unpacked: (compression == Compression::None).then_some(stored),
                compression,
            });
        }
        let size = self.files().size(name)?.unwrap_or_default();
        let limit = self.limits().unpacked_of(size);
        let reader = compression.reader(reader).map_err(failed)?;
        let mut unpacked = HashingReader::new(reader.take(limit.saturating_add(1)));
        io::copy(&mut unpacked, &mut io::sink()).map_err(failed)?;
        let unpacked = unpacked.finish();
        if unpacked.1 > limit {
            return Err(Error::TooLarge {
                path: self.path().to_owned(),
                what: format!("unpacked layer `{}`", abridge(name)),
                limit,
            });
        }
        io::copy(&mut stored, &mut io::sink()).map_err(failed)?;
        Ok(Seen {
            stored: stored.finish(),
            unpacked: Some(unpacked),
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
                    name: abridge(name),
                    why,
                });
            }
        }
        if let Some((actual, _)) = seen.unpacked
            && actual != diff_id
        {
            return Err(Error::WrongDiffId {
                path: path.to_owned(),
                name: abridge(name),
                expected: diff_id,
                actual,
            });
        }
        Ok(VerifiedLayer {
            name: name.clone(),
            digest: seen.stored.0,
            size: seen.stored.1,
            diff_id,
            unpacked_size: seen.unpacked.map(|(_, size)| size),
            compression: seen.compression,
        })
    }
}

impl Verification {
    /// How many pieces there are; each is to be [run](Self::run) once, in any order.
    #[must_use]
    pub fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// Reads and checks the layers of one piece, streaming them.
    pub fn run(&self, piece: usize) -> Result<()> {
        let of_image = |error: Error| error.of_image(self.image.name());
        let Some(names) = self.pieces.get(piece) else {
            return Ok(());
        };
        self.image
            .files()
            .visit(names, &mut |name, data| {
                let seen = self.image.read_layer(name, data, &self.scope)?;
                for (layer, diff_id) in self.wanted().filter(|(layer, _)| layer.name == name) {
                    self.image.check_layer(layer, *diff_id, &seen)?;
                }
                self.seen
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(name.to_owned(), seen);
                Ok(())
            })
            .map_err(of_image)
    }

    /// The verified image.
    ///
    /// # Errors
    /// When a piece was not run, or failed.
    pub fn finish(&self) -> Result<VerifiedImage> {
        self.collect()
            .map_err(|error| error.of_image(self.image.name()))
    }

    fn wanted(&self) -> impl Iterator<Item = (&Layer, &Digest)> {
        self.image
            .layers()
            .iter()
            .zip(&self.diff_ids)
            .filter(|(_, diff_id)| !self.scope.leave_out.contains(diff_id))
    }

    fn collect(&self) -> Result<VerifiedImage> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut layers = Vec::new();
        for (layer, diff_id) in self.wanted() {
            let seen = seen
                .get(&layer.name)
                .ok_or_else(|| self.image.files().missing(&layer.name))?;
            layers.push(self.image.check_layer(layer, *diff_id, seen)?);
        }
        let known = |name: &str| seen.get(name).map(|seen| (seen.stored.0, seen.compression));
        let documents = if self.image.documents().is_empty() {
            vec![self.image.synthesised(known)?]
        } else {
            self.image.documents().to_vec()
        };
        Ok(VerifiedImage {
            image: self.image.clone(),
            documents,
            config: self.config.clone(),
            diff_ids: self.diff_ids.clone(),
            layers,
        })
    }
}

impl VerifiedImage {
    /// The image.
    #[must_use]
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The layers that were verified, lowest first.
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
