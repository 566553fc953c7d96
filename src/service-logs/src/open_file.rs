//! A file of a container's output that is being read.

use std::{
    fs::File,
    io::{self, ErrorKind},
    os::unix::fs::FileExt as _,
};

use crate::positions::FileId;

/// A file that is being read.
#[derive(Debug)]
pub(crate) struct Open {
    pub file: File,
    pub id: FileId,
    pub offset: u64,
    /// Something may be missing before what is read next.
    pub after_gap: bool,
}

/// Reads until the buffer is full or the file ends.
pub(crate) fn fill(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read_at(&mut buffer[length..], offset.saturating_add(length as u64)) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
