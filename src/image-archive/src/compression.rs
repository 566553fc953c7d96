//! Which compression a file has, and reading through it.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// Bytes from which [`Compression::detect`] can tell.
pub(crate) const MAGIC_LENGTH: usize = 6;
/// Memory that one Zstandard stream may take, as a power of two in bytes: what RFC 8878, section 3.1.1.1.2 recommends
/// every decoder to support, and what `zstd` needs up to level 19.
const LARGEST_WINDOW: u32 = 23;

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
    pub(crate) fn detect(start: &[u8]) -> Result<Self, &'static str> {
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
    pub(crate) fn reader<'a, R: BufRead + Send + 'a>(
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

/// Detects and undoes the compression of `inner`; the error names what is not supported.
pub(crate) fn peek<R: Read>(
    inner: R,
) -> io::Result<(BufReader<R>, Result<Compression, &'static str>)> {
    let mut reader = BufReader::with_capacity(64 << 10, inner);
    let detected = Compression::detect(reader.fill_buf()?);
    Ok((reader, detected))
}
