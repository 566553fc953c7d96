//! Layers stored as Zstandard instead of what the registry has: they unpack several times faster on the VM, and the
//! image gets another digest.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use image_archive::{Descriptor, Digest};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Error, Fetcher, Stored};
use crate::image::Frozen;
use crate::source::{self, Layer};
use crate::unpack::unpack;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// Beyond this, layers shrink little and take much longer. The same level, library and thread give the same bytes.
const LEVEL: i32 = 9;
const NOTE: &str = "recompressed to zstd from ";

/// What an image of the lock was before it was recompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original {
    /// The digest that its source has for it.
    pub digest: Digest,
}

/// What the note of a recompressed image says of it; nothing if it is as its source has it.
#[must_use]
pub fn original(note: Option<&str>) -> Option<Original> {
    let (_, digest) = note?.rsplit_once(NOTE)?;
    digest.parse().ok().map(|digest| Original { digest })
}

pub(super) fn is_zstd(layer: &Descriptor) -> bool {
    layer.media_type == LAYER
}

/// Unpacks a fetched layer, checks what it unpacks to, and takes it into the release as Zstandard.
pub(super) fn keep(layer: &Layer, part: &Path, fetcher: &Fetcher<'_>) -> Result<Stored, Error> {
    let packed = part.with_extension("zst");
    let (diff_id, digest, size) = pack(layer, part, &packed, fetcher)?;
    if diff_id != layer.diff_id {
        let _ = std::fs::remove_file(&packed);
        let _ = std::fs::remove_file(part);
        return Ok(Stored {
            descriptor: layer.descriptor.clone(),
            diff_id,
        });
    }
    let descriptor = Descriptor {
        media_type: LAYER.to_owned(),
        digest,
        size,
        platform: None,
        annotations: None,
    };
    fetcher.release.keep_checked_layer(&packed, &descriptor)?;
    std::fs::remove_file(part).map_err(source::Error::file("removing", part))?;
    Ok(Stored {
        descriptor,
        diff_id,
    })
}

fn pack(
    layer: &Layer,
    part: &Path,
    packed: &Path,
    fetcher: &Fetcher<'_>,
) -> Result<(Digest, Digest, u64), source::Error> {
    let failed = || source::Error::file("writing", packed);
    let file = File::create(packed).map_err(failed())?;
    let hashing = HashingWriter {
        inner: BufWriter::with_capacity(128 << 10, file),
        hasher: Sha256::new(),
        count: 0,
    };
    let mut encoder = zstd::Encoder::new(hashing, LEVEL).map_err(failed())?;
    let diff_id = unpack(part, &layer.descriptor, &mut encoder, fetcher.stop)?;
    let mut hashing = encoder.finish().map_err(failed())?;
    hashing.flush().map_err(failed())?;
    let digest: [u8; 32] = hashing.hasher.finalize().into();
    Ok((diff_id, Digest::from(digest), hashing.count))
}

/// Passes bytes on and computes their digest and number.
struct HashingWriter<W> {
    inner: W,
    hasher: Sha256,
    count: u64,
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.count += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The image with a manifest for the layers as they are now. Its annotations stay; the index, which names the old
/// manifest, goes. An image none of whose layers changed stays as it is.
pub(super) fn rewrite(mut frozen: Frozen, before: &[Layer]) -> Result<Frozen, source::Error> {
    let same = (before.iter().zip(&frozen.layers))
        .all(|(before, now)| before.descriptor.digest == now.digest);
    let last = if same {
        None
    } else {
        frozen.documents.last().cloned()
    };
    let Some((old, bytes)) = last else {
        return Ok(frozen);
    };
    let cannot = |why: String| source::Error::Document {
        what: "manifest",
        digest: old.digest,
        image: frozen.reference.familiar(),
        why,
    };
    let mut manifest: Value =
        serde_json::from_slice(&bytes).map_err(|error| cannot(error.to_string()))?;
    manifest["mediaType"] = json!(MANIFEST);
    manifest["config"]["mediaType"] = json!(CONFIG);
    if let Some(layers) = manifest["layers"].as_array_mut() {
        for (layer, now) in layers.iter_mut().zip(&frozen.layers) {
            layer["mediaType"] = json!(now.media_type);
            layer["digest"] = json!(now.digest);
            layer["size"] = json!(now.size);
        }
    }
    let bytes = serde_json::to_vec(&manifest).map_err(|error| cannot(error.to_string()))?;
    let mut named = frozen.documents.iter().rev();
    let descriptor = Descriptor {
        media_type: MANIFEST.to_owned(),
        digest: Digest::of(&bytes),
        size: bytes.len() as u64,
        // The index, which goes, said this; the config may say something else.
        platform: named.find_map(|(document, _)| document.platform.clone()),
        annotations: None,
    };
    let from = format!("{NOTE}{}", frozen.digest);
    frozen.note = Some(
        frozen
            .note
            .map_or_else(|| from.clone(), |note| format!("{note}, {from}")),
    );
    frozen.digest = descriptor.digest;
    frozen.config.0.media_type = CONFIG.into();
    frozen.documents = vec![(descriptor, bytes)];
    Ok(frozen)
}
