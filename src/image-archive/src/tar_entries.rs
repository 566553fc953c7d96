//! The entries of a tar stream: headers read one by one, with bounds on everything that a header can claim.
//!
//! The tar crate decodes the headers; it is not used to walk them, since it takes a long name of any length into memory.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use tar::{EntryType, Header};

const BLOCK: u64 = 512;
/// Bytes of one long name or of one set of extended attributes.
const LONGEST_EXTENSION: u64 = 64 << 10;

/// What an entry is, as far as images have such.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    File,
    Directory,
    /// Relative to the link's own directory.
    Symlink(String),
    /// Relative to the root of the tarball.
    Hardlink(String),
}

/// One file, directory or link.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub name: String,
    pub kind: Kind,
    pub size: u64,
    /// Where the data begins in the unpacked stream.
    pub offset: u64,
}

/// Why a stream is no tar that is taken.
#[derive(Debug)]
pub(crate) enum TarError {
    Io(io::Error),
    Damaged(String),
    Refused(String),
}

impl From<io::Error> for TarError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A stream that can pass over bytes without handing them out.
pub(crate) trait Skip: Read {
    /// Passes over `count` bytes; an error if there are fewer.
    fn skip(&mut self, count: u64) -> io::Result<()>;
}

/// Walks the entries of a tar stream; the data of the last one may be read from [`Entries::stream`].
pub(crate) struct Entries<S> {
    stream: S,
    position: u64,
    next: u64,
}

#[derive(Default)]
struct Extensions {
    name: Option<String>,
    link: Option<String>,
    size: Option<u64>,
}

impl<S: Skip> Entries<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            position: 0,
            next: 0,
        }
    }

    /// Bytes passed so far.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Reads the beginning of the last entry's data into `buffer`, as much as there is.
    pub(crate) fn read_data(
        &mut self,
        size: u64,
        buffer: &mut Vec<u8>,
        limit: u64,
    ) -> io::Result<()> {
        let wanted = size.min(limit);
        let count = (&mut self.stream).take(wanted).read_to_end(buffer)? as u64;
        self.position += count;
        if count == wanted {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// The next entry, or nothing at the end.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, TarError> {
        let mut extensions = Extensions::default();
        loop {
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            let size = header
                .entry_size()
                .map_err(|_| TarError::Damaged("a size is not a number".into()))?;
            match header.entry_type() {
                EntryType::GNULongName => extensions.name = Some(text(&self.extension(size)?)),
                EntryType::GNULongLink => extensions.link = Some(text(&self.extension(size)?)),
                EntryType::XHeader => read_pax(&self.extension(size)?, &mut extensions)?,
                // Attributes of the whole tarball: git writes a comment there; none is of use here.
                EntryType::XGlobalHeader => {
                    self.extension(size)?;
                }
                kind => return self.entry(&header, kind, size, extensions).map(Some),
            }
        }
    }

    fn entry(
        &mut self,
        header: &Header,
        kind: EntryType,
        size: u64,
        extensions: Extensions,
    ) -> Result<Entry, TarError> {
        let name = extensions
            .name
            .unwrap_or_else(|| text(&header.path_bytes()));
        let link = || {
            extensions
                .link
                .or_else(|| header.link_name_bytes().map(|link| text(&link)))
                .unwrap_or_default()
        };
        let kind = match kind {
            EntryType::Regular | EntryType::Continuous => Kind::File,
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink(link()),
            EntryType::Link => Kind::Hardlink(link()),
            EntryType::Char | EntryType::Block => {
                return Err(TarError::Refused(format!("a device node, `{name}`")));
            }
            EntryType::Fifo => return Err(TarError::Refused(format!("a named pipe, `{name}`"))),
            _ => {
                return Err(TarError::Refused(format!(
                    "an entry of an unknown kind, `{name}`"
                )));
            }
        };
        let size = match kind {
            Kind::File => extensions.size.unwrap_or(size),
            _ => 0,
        };
        self.advance_over(size)?;
        Ok(Entry {
            name,
            kind,
            size,
            offset: self.position,
        })
    }

    /// The next header, or nothing at the end: a block of zeros, or no more blocks.
    fn header(&mut self) -> Result<Option<Header>, TarError> {
        if self.next > self.position {
            self.stream.skip(self.next - self.position)?;
            self.position = self.next;
        }
        let mut header = Header::new_old();
        if !self.block(header.as_mut_bytes())? {
            return Ok(None);
        }
        self.next = self.position;
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let sum: u32 = header
            .as_bytes()
            .iter()
            .enumerate()
            .map(|(at, byte)| {
                if (148..156).contains(&at) {
                    32
                } else {
                    u32::from(*byte)
                }
            })
            .sum();
        match header.cksum() {
            Ok(claimed) if claimed == sum => Ok(Some(header)),
            _ => Err(TarError::Damaged(
                "this is not the header of a file in a tarball".into(),
            )),
        }
    }

    /// Fills `block`; false at the end of the stream.
    fn block(&mut self, block: &mut [u8; 512]) -> Result<bool, TarError> {
        let mut filled = 0;
        while filled < block.len() {
            match self.stream.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.position += BLOCK;
        Ok(true)
    }

    fn extension(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        if size > LONGEST_EXTENSION {
            return Err(TarError::Refused(format!("a name of {size} bytes")));
        }
        self.advance_over(size)?;
        let mut bytes = Vec::new();
        self.read_data(size, &mut bytes, size)?;
        Ok(bytes)
    }

    fn advance_over(&mut self, size: u64) -> Result<(), TarError> {
        self.next = size
            .checked_next_multiple_of(BLOCK)
            .and_then(|size| self.position.checked_add(size))
            .ok_or_else(|| TarError::Damaged("a size is out of range".into()))?;
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// Extended attributes, `LENGTH KEY=VALUE\n` each (POSIX pax).
fn read_pax(mut bytes: &[u8], extensions: &mut Extensions) -> Result<(), TarError> {
    let damaged = || TarError::Damaged("extended attributes are not well formed".into());
    while !bytes.is_empty() {
        let space = bytes
            .iter()
            .position(|byte| *byte == b' ')
            .ok_or_else(damaged)?;
        let length: usize = std::str::from_utf8(&bytes[..space])
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(damaged)?;
        if length <= space + 1 || length > bytes.len() || bytes[length - 1] != b'\n' {
            return Err(damaged());
        }
        let record = &bytes[space + 1..length - 1];
        let equals = record
            .iter()
            .position(|byte| *byte == b'=')
            .ok_or_else(damaged)?;
        let value = text(&record[equals + 1..]);
        match &record[..equals] {
            b"path" => extensions.name = Some(value),
            b"linkpath" => extensions.link = Some(value),
            b"size" => extensions.size = Some(value.parse().map_err(|_| damaged())?),
            key if key.starts_with(b"GNU.sparse.") => {
                return Err(TarError::Refused("a sparse file".into()));
            }
            _ => {}
        }
        bytes = &bytes[length..];
    }
    Ok(())
}
