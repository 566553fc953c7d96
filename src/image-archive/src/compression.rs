//! Which compression a file has, and reading through it.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// Bytes from which [`Compression::detect`] can tell.
pub(crate) const MAGIC_LENGTH: usize = 6;

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
    pub(crate) fn reader<'a, R: BufRead + Send + 'a>(self, inner: R) -> Box<dyn Read + Send + 'a> {
        match self {
            Self::None => Box::new(inner),
            Self::Gzip => Box::new(MultiGzDecoder::new(inner)),
            Self::Zstd => Box::new(ZstdFrames {
                inner: Some(inner),
                frame: None,
            }),
        }
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

/// One Zstandard frame after the other: ruzstd reads a single one.
struct ZstdFrames<R: BufRead> {
    inner: Option<R>,
    frame: Option<Box<ruzstd::decoding::StreamingDecoder<R, ruzstd::decoding::FrameDecoder>>>,
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(mut frame) = self.frame.take() {
                let count = frame.read(buffer)?;
                if count > 0 {
                    self.frame = Some(frame);
                    return Ok(count);
                }
                self.inner = Some(frame.into_inner());
            }
            let Some(mut inner) = self.inner.take() else {
                return Ok(0);
            };
            if inner.fill_buf()?.is_empty() {
                return Ok(0);
            }
            if skip_skippable_frame(&mut inner)? {
                self.inner = Some(inner);
                continue;
            }
            let decoder = ruzstd::decoding::StreamingDecoder::new(inner)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            self.frame = Some(Box::new(decoder));
        }
    }
}

/// Skippable frames (RFC 8878, section 3.1.2) carry no data of the layer.
fn skip_skippable_frame<R: BufRead>(inner: &mut R) -> io::Result<bool> {
    let start = inner.fill_buf()?;
    // A first byte of 0x50-0x5f begins nothing else in a Zstandard stream.
    if !matches!(start.first(), Some(0x50..=0x5f)) {
        return Ok(false);
    }
    let mut header = [0; 8];
    inner.read_exact(&mut header)?;
    if header[1..4] != [0x2a, 0x4d, 0x18] {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "not a Zstandard frame",
        ));
    }
    let length = u64::from(u32::from_le_bytes([
        header[4], header[5], header[6], header[7],
    ]));
    if io::copy(&mut inner.take(length), &mut io::sink())? != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(true)
}
