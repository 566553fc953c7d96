//! Finding again the place up to which a container's output was read.

use std::{collections::VecDeque, fs::File, io, os::unix::fs::MetadataExt as _};

use crate::{
    entry,
    open_file::{Open, fill},
    positions::ReadPosition,
};

/// Where reading goes on.
pub(crate) struct Place {
    /// Which of the files.
    pub file: usize,
    pub offset: u64,
    /// It is the place itself, not the next one in time.
    pub exact: bool,
}

impl Place {
    /// Finds the place up to which a container's output was read. The file is known by its inode, and by the entry before the place, since
    /// inodes are used again; on another disk, by that entry alone. If that is gone, by time.
    pub(crate) fn find(
        files: &VecDeque<Open>,
        read: &ReadPosition,
        buffer: &mut [u8],
    ) -> io::Result<Self> {
        if let Some(index) = files.iter().position(|open| open.id == read.file)
            && ends_with_last(&files[index].file, read, buffer)?
        {
            return Ok(Self {
                file: index,
                offset: read.offset,
                exact: true,
            });
        }
        let Some(last) = &read.last else {
            return Ok(Self {
                file: 0,
                offset: 0,
                exact: false,
            });
        };
        let last_time: Option<jiff::Timestamp> = last.parse().ok();
        let mut later = None;
        for (index, open) in files.iter().enumerate() {
            let mut offset = 0;
            loop {
                let length = fill(&open.file, buffer, offset)?;
                let whole = match buffer[..length].iter().rposition(|byte| *byte == b'\n') {
                    Some(end) => end + 1,
                    None if length == buffer.len() => length,
                    None => break,
                };
                let mut at = offset;
                for line in buffer[..whole].split_inclusive(|byte| *byte == b'\n') {
                    if let Some((entry, _)) = entry::parse(line) {
                        if entry.time == last.as_str() {
                            return Ok(Self {
                                file: index,
                                offset: at + line.len() as u64,
                                exact: true,
                            });
                        }
                        if later.is_none()
                            && last_time.is_some()
                            && entry.time.parse::<jiff::Timestamp>().ok() > last_time
                        {
                            later = Some((index, at));
                        }
                    }
                    at += line.len() as u64;
                }
                offset += whole as u64;
            }
        }
        let (file, offset) = match (later, files.back()) {
            (Some(later), _) => later,
            // Nothing came after it: what there is is older.
            (None, Some(open)) => (files.len() - 1, open.file.metadata()?.size()),
            (None, None) => (0, 0),
        };
        Ok(Self {
            file,
            offset,
            exact: false,
        })
    }
}

/// Whether the entry before the place is the one that was copied last.
fn ends_with_last(file: &File, read: &ReadPosition, buffer: &mut [u8]) -> io::Result<bool> {
    if file.metadata()?.size() < read.offset {
        return Ok(false);
    }
    let (Some(last), 1..) = (&read.last, read.offset) else {
        return Ok(true);
    };
    let begin = read.offset.saturating_sub(buffer.len() as u64);
    // It fits, since no longer one was copied.
    let length = usize::try_from(read.offset - begin).unwrap_or(buffer.len());
    let length = fill(file, &mut buffer[..length], begin)?;
    let Some(before) = buffer[..length].strip_suffix(b"\n") else {
        return Ok(false);
    };
    let line = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(before, |end| &before[end + 1..]);
    Ok(entry::parse(line).is_none_or(|(entry, _)| entry.time == last.as_str()))
}
