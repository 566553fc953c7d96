//! What a stored layer unpacks to: its diff ID.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use image_archive::{
    Compression, Descriptor, Digest, HashingReader, Limits, MediaType, window_too_large,
};

use crate::source::{Error, Result};

const CHUNK: usize = 128 << 10;
/// Bytes from which a compression is told.
const MAGIC: u64 = 6;

/// The diff ID of a layer whose own digest was verified: a plain one need not be read again.
///
/// # Errors
/// As [`unpack`].
pub fn diff_id(path: &Path, layer: &Descriptor, stop: &AtomicBool) -> Result<Digest> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAGIC).read_to_end(&mut start))
        .map_err(Error::file("reading", path))?;
    if Compression::detect(&start) == Ok(Compression::None) {
        return Ok(layer.digest);
    }
    unpack(path, layer, &mut io::sink(), stop)
}

/// Unpacks a layer into `sink` and computes its diff ID. Memory does not grow with the layer.
///
/// # Errors
/// When the layer cannot be unpacked, unpacks to more than any real layer, or is compressed although its media type says
/// that it is not: containerd would take it as it is.
pub fn unpack(
    path: &Path,
    layer: &Descriptor,
    sink: &mut dyn Write,
    stop: &AtomicBool,
) -> Result<Digest> {
    let file = File::open(path).map_err(Error::file("opening", path))?;
    let mut stored = BufReader::with_capacity(CHUNK, file);
    let start = stored.fill_buf().map_err(Error::file("reading", path))?;
    let refuse = |why: String| Error::Unpack {
        digest: layer.digest,
        why,
    };
    let compression = Compression::detect(start).map_err(|what| refuse(format!("it is {what}")))?;
    if layer.kind() == MediaType::Layer && compression != Compression::None {
        return Err(refuse(format!(
            "it is compressed, but its media type is {}",
            layer.media_type
        )));
    }
    let limit = match compression {
        Compression::None => layer.size,
        _ => Limits::DEFAULT.unpacked_of(layer.size),
    };
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => refuse("it ends early".to_owned()),
        _ => refuse(window_too_large(&error).unwrap_or_else(|| error.to_string())),
    };
    let reader = compression.reader(stored).map_err(failed)?;
    let mut reader = HashingReader::new(reader.take(limit.saturating_add(1)));
    let mut buffer = vec![0; CHUNK];
    let mut count: u64 = 0;
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let read = reader.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            break;
        }
        count += read as u64;
        if count > limit {
            return Err(refuse(format!("it unpacks to more than {limit} bytes")));
        }
        sink.write_all(&buffer[..read])
            .map_err(|error| refuse(error.to_string()))?;
    }
    Ok(reader.finish().0)
}

#[cfg(test)]
mod tests {
    use image_fixture::{Packing, layer};

    use super::*;

    fn both(bytes: &[u8], media_type: &str) -> Result<Digest> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let descriptor = Descriptor {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            platform: None,
            annotations: None,
        };
        let stop = AtomicBool::new(false);
        let unpacked = unpack(file.path(), &descriptor, &mut io::sink(), &stop);
        let told = diff_id(file.path(), &descriptor, &stop);
        assert_eq!(told.ok(), unpacked.as_ref().ok().copied());
        unpacked
    }

    #[test]
    fn unpacks_plain_gzip_and_zstd_layers_of_several_members() {
        let tar = layer(&[("a", &vec![7; 300_000])]);
        let (left, right) = tar.split_at(1000);
        for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
            let packed = [packing.pack(left), packing.pack(right)].concat();
            assert_eq!(
                both(&packed, packing.media_type()).unwrap(),
                Digest::of(&tar)
            );
        }
    }

    #[test]
    fn refuses_what_is_cut_damaged_or_called_plain_when_it_is_not() {
        let tar = layer(&[("a", &vec![7; 300_000])]);
        for packing in [Packing::Gzip, Packing::Zstd] {
            let packed = packing.pack(&tar);
            assert!(both(&packed[..packed.len() - 1], packing.media_type()).is_err());
            assert!(both(&packed, Packing::Plain.media_type()).is_err());
            let mut damaged = packed.clone();
            let middle = damaged.len() / 2;
            damaged[middle] ^= 0x55;
            assert!(both(&damaged, packing.media_type()).ok() != Some(Digest::of(&tar)));
        }
    }
}
