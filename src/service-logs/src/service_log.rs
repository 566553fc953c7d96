//! The file of a service: `service.<name>.log`, and the ones before it, `rotated.<name>.<number>.log`.
//!
//! Others touch it, too: the stemcell rotates what has grown to 50 MB by copying and truncating, operators remove files. So it is
//! open for appending, and looked at before each write.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, fchown},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    file_name::in_file_name,
    line::Lines,
    positions::{FileId, ServicePosition},
};

/// How much of a service's output is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// Bytes of a file.
    pub size: u64,
    /// Files of a service, the current one included.
    pub files: u32,
}

/// A service's file, open.
#[derive(Debug)]
pub(crate) struct ServiceLog {
    directory: PathBuf,
    service: String,
    cap: Cap,
    file: File,
    id: FileId,
    length: u64,
    is_synced: bool,
    /// What lies in the file without its line end.
    pub lines: Lines,
}

impl ServiceLog {
    /// Opens the file as it was left by a runner that ended in order, or before there was one.
    pub(crate) fn open(directory: &Path, service: &str, cap: Cap) -> io::Result<Self> {
        let mut log = Self::append_to_current(directory, service, cap)?;
        log.end_last_line()?;
        Ok(log)
    }

    /// The file as it lies there.
    fn append_to_current(directory: &Path, service: &str, cap: Cap) -> io::Result<Self> {
        let path = current(directory, service);
        let (file, metadata) = open(&path)?;
        Ok(Self {
            directory: directory.to_owned(),
            service: service.to_owned(),
            cap,
            file,
            id: FileId::from(&metadata),
            length: metadata.len(),
            is_synced: true,
            lines: Lines::default(),
        })
    }

    /// Opens the file and cuts off what was written after the position was noted. The file may have been rotated since then,
    /// once: rotations are noted before anything more is written.
    pub(crate) fn resume(
        directory: &Path,
        service: &str,
        cap: Cap,
        position: &ServicePosition,
    ) -> io::Result<Self> {
        for path in [current(directory, service), rotated(directory, service, 1)] {
            let metadata = match fs::metadata(&path) {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if FileId::from(&metadata) == position.file && metadata.len() > position.length {
                OpenOptions::new()
                    .write(true)
                    .open(&path)?
                    .set_len(position.length)?;
            }
        }
        let mut log = Self::append_to_current(directory, service, cap)?;
        if (log.id, log.length) == (position.file, position.length) {
            log.lines.unfinished = position
                .unfinished
                .as_ref()
                .map(|(container, stream)| (Arc::from(container.as_str()), *stream));
        } else {
            log.end_last_line()?;
        }
        Ok(log)
    }

    /// What to note of it.
    pub(crate) fn position(&self) -> ServicePosition {
        ServicePosition {
            file: self.id,
            length: self.length,
            unfinished: self
                .lines
                .unfinished
                .as_ref()
                .map(|(container, stream)| (container.as_ref().to_owned(), *stream)),
        }
    }

    /// Looks whether somebody truncated or removed the file. To be called before lines are made for it.
    pub(crate) fn look(&mut self) -> io::Result<()> {
        let path = current(&self.directory, &self.service);
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(named(&path, &error)),
        };
        match metadata {
            Some(metadata) if FileId::from(&metadata) == self.id => {
                if metadata.len() < self.length {
                    self.length = metadata.len();
                    self.lines = Lines::default();
                } else if metadata.len() > self.length {
                    // A write that failed, and could not be undone then.
                    self.file
                        .set_len(self.length)
                        .map_err(|error| named(&path, &error))?;
                }
            }
            _ => self.reopen()?,
        }
        Ok(())
    }

    /// Whether so many bytes more would be more than a file may hold.
    pub(crate) fn is_full_with(&self, more: usize) -> bool {
        self.length > 0 && self.length.saturating_add(more as u64) > self.cap.size
    }

    /// Appends lines: all, or nothing if it fails.
    pub(crate) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.is_synced = false;
        if let Err(error) = self.file.write_all(lines) {
            // If this fails, too, the next look does it.
            let _ = self.file.set_len(self.length);
            return Err(named(&current(&self.directory, &self.service), &error));
        }
        self.length = self.length.saturating_add(lines.len() as u64);
        Ok(())
    }

    /// Begins a new file. The caller notes the position before it writes into that.
    pub(crate) fn rotate(&mut self) -> io::Result<()> {
        let mut end = Vec::new();
        self.lines.finish(&mut end);
        self.append(&end)?;
        self.sync()?;
        let path = |number| match number {
            0 => current(&self.directory, &self.service),
            number => rotated(&self.directory, &self.service, number),
        };
        // The cap may have been higher once.
        let mut number = self.cap.files.max(1);
        while remove(&path(number))? {
            number += 1;
        }
        for number in (1..self.cap.files).rev() {
            match fs::rename(path(number - 1), path(number)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(named(&path(number - 1), &error));
                }
                _ => {}
            }
        }
        if self.cap.files < 2 {
            remove(&path(0))?;
        }
        self.reopen()
    }

    /// What was written reaches the disk.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.is_synced {
            return Ok(());
        }
        self.file
            .sync_data()
            .map_err(|error| named(&current(&self.directory, &self.service), &error))?;
        self.is_synced = true;
        Ok(())
    }

    fn reopen(&mut self) -> io::Result<()> {
        let (file, metadata) = open(&current(&self.directory, &self.service))?;
        self.file = file;
        self.id = FileId::from(&metadata);
        self.length = metadata.len();
        self.lines = Lines::default();
        self.end_last_line()
    }

    /// Ends a line that nobody will go on with.
    fn end_last_line(&mut self) -> io::Result<()> {
        let Some(last) = self.length.checked_sub(1) else {
            return Ok(());
        };
        let mut byte = [0];
        self.file
            .read_exact_at(&mut byte, last)
            .map_err(|error| named(&current(&self.directory, &self.service), &error))?;
        if byte == *b"\n" {
            Ok(())
        } else {
            self.append(b"\n")
        }
    }
}

// A service's name has no other characters than letters, digits, `.`, `_` and `-` (Compose's schema), and the number comes
// last: no two services share a file, and none has one of this release's own, whatever it is called.

fn current(directory: &Path, service: &str) -> PathBuf {
    directory.join(format!("service.{}.log", in_file_name(service)))
}

fn rotated(directory: &Path, service: &str, number: u32) -> PathBuf {
    directory.join(format!("rotated.{}.{number}.log", in_file_name(service)))
}

/// Readable for the directory's group, as the agent made it: `vcap`.
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let opened = || {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o640)
            .open(path)?;
        let metadata = file.metadata()?;
        if metadata.len() == 0
            && let Some(directory) = path.parent()
        {
            fchown(&file, None, Some(fs::metadata(directory)?.gid()))?;
        }
        Ok((file, metadata))
    };
    opened().map_err(|error| named(path, &error))
}

/// Removes a file; `false` if there is none.
fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(named(path, &error)),
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
