//! Which compression a file has, and reading through it.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// Bytes from which [`Compression::detect`] can tell.
pub(crate) const MAGIC_LENGTH: usize = 6;
/// The largest window of a Zstandard stream, as a power of two in bytes: 512 MiB, as Docker and containerd take it. What
/// a stream says that it needs is what reading it costs: `zstd` says 8 MiB up to level 19, and 128 MiB at level 22.
const LARGEST_WINDOW: u32 = 29;
/// What libzstd says of a larger one.
const WINDOW_TOO_LARGE: &str = "too much memory";

/// How a layer or a tarball is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    None,
    /// gzip, possibly of several members.
    Gzip,
    /// Zstandard, possibly of several frames.
    Zstd,
}

impl Compression {
    /// Tells from a file's first bytes, as engines do; media types and file names are not asked. The error names a
    /// compression that image layers do not have.
    pub fn detect(start: &[u8]) -> Result<Self, &'static str> {
        match start {
            [0x1f, 0x8b, 0x08, ..] => Ok(Self::Gzip),
            // The second is a skippable frame, which may come first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            [b'B', b'Z', b'h', ..] => Err("bzip2-compressed data"),
            [0xfd, b'7', b'z', b'X', b'Z', 0x00, ..] => Err("xz-compressed data"),
            _ => Ok(Self::None),
        }
    }

    /// Reads what was compressed.
    pub fn reader<'a, R: BufRead + Send + 'a>(
        self,
        inner: R,
    ) -> io::Result<Box<dyn Read + Send + 'a>> {
        Ok(match self {
            Self::None => Box::new(inner),
            Self::Gzip => Box::new(MultiGzDecoder::new(inner)),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(inner)?;
                decoder.window_log_max(LARGEST_WINDOW)?;
                Box::new(decoder)
            }
        })
    }
}

/// What is wrong with a stream that needs a larger window than engines take; nothing if the error is another one.
#[must_use]
pub fn window_too_large(error: &io::Error) -> Option<String> {
    error.to_string().contains(WINDOW_TOO_LARGE).then(|| {
        format!(
            "its Zstandard window is larger than the {} MiB that engines take",
            (1_u64 << LARGEST_WINDOW) >> 20
        )
    })
}

/// Detects and undoes the compression of `inner`; the error names what is not supported.
pub(crate) fn peek<R: Read>(
    inner: R,
) -> io::Result<(BufReader<R>, Result<Compression, &'static str>)> {
    let mut reader = BufReader::with_capacity(64 << 10, inner);
    let detected = Compression::detect(reader.fill_buf()?);
    Ok((reader, detected))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// Bytes in one frame that says that it needs a window of this size.
    fn packed(window: u32) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(window).unwrap();
        // Without the length in its header, the frame says the window.
        encoder.include_contentsize(false).unwrap();
        encoder.write_all(b"some bytes").unwrap();
        encoder.flush().unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        Compression::Zstd.reader(packed)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn windows_are_taken_up_to_what_engines_take_and_larger_ones_are_named() {
        for window in [20, 25, 27, 29] {
            assert_eq!(unpacked(&packed(window)).unwrap(), b"some bytes");
        }
        let error = unpacked(&packed(30)).unwrap_err();
        assert!(
            window_too_large(&error).unwrap().contains("512 MiB"),
            "{error}"
        );
        let error = unpacked(b"\x28\xb5\x2f\xfdnothing of the kind").unwrap_err();
        assert_eq!(window_too_large(&error), None, "{error}");
    }
}
