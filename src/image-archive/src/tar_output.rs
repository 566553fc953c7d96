//! Writing tarballs: entries of a size that is known, and an end only where everything was written.

use std::io::{self, Read, Write};

use tar::{Builder, EntryType, Header};

use crate::exactly::Exactly;

/// Where a tarball goes. The builder writes its end when it is dropped, after an error, too, and an engine that has seen the end
/// takes what came before it.
pub(crate) struct Unfinished<W> {
    pub(crate) out: W,
    pub(crate) is_stopped: bool,
}

impl<W: Write> Write for Unfinished<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_stopped {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Appends exactly `size` bytes of `data`. Fewer, or more, mean that the source changed after it was verified.
pub(crate) fn append(
    tarball: &mut Builder<impl Write>,
    name: &str,
    size: u64,
    kind: EntryType,
    mut data: impl Read,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_path(name)?;
    header.set_entry_type(kind);
    header.set_mode(if kind == EntryType::Directory {
        0o755
    } else {
        0o644
    });
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    let mut exactly = Exactly::new(&mut data, size);
    tarball.append(&header, &mut exactly)?;
    exactly.finish()
}
