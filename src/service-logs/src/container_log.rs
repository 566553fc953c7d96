//! The files of a container's json-file driver, read from the oldest to the newest.
//!
//! dockerd writes `<id>-json.log`. When that has reached its size, it becomes `.1`, `.1` becomes `.2`, the last one is removed,
//! and a new one begins (moby, `daemon/logger/loggerutils/logfile.go`). A file that is open here is read to its end whatever
//! becomes of its name, so what counts is that the next one is opened before it has been rotated away, too.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs::File,
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    line::GoingOn,
    open_file::{Open, fill},
    place::Place,
    positions::{ContainerPosition, FileId, ReadPosition},
};

/// Files of one container that are open at once: those that are read later are still found by their names then, or told as missing.
const OPEN: usize = 8;
/// No driver keeps so many.
const MOST_ROTATED: u32 = 1000;
/// If rotated files are removed or compressed at once, their names do not tell whether one was missed. Within this time
/// between two looks, none was: no container writes two full files in it.
const SURE: Duration = Duration::from_secs(1);

/// A container, and where it writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its full ID.
    pub id: String,
    /// Its name, which stands in each line.
    pub name: String,
    /// Its service, whose file its lines go to.
    pub service: String,
    /// The driver's current file (`LogPath`).
    pub log: PathBuf,
}

/// A container's output.
#[derive(Debug)]
pub(crate) struct ContainerLog {
    pub source: Source,
    pub id: Arc<str>,
    pub going_on: GoingOn,
    /// It stands in the positions, and so does its service's file.
    pub is_noted: bool,
    /// The oldest first.
    files: VecDeque<Open>,
    last: Option<String>,
    looked: Option<Instant>,
}

/// What a look at the names found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The container is there.
    Here,
    /// It has been removed; what is open is all there is.
    Removed,
}

impl ContainerLog {
    /// A container of which nothing has been read.
    pub(crate) fn new(source: Source) -> Self {
        Self {
            id: source.id.as_str().into(),
            source,
            going_on: [false; 2],
            is_noted: false,
            files: VecDeque::new(),
            last: None,
            looked: None,
        }
    }

    /// A container of which something may have been read. `false` if the place can't be found any more where reading ended; then what there
    /// is is read from what comes next in time.
    pub(crate) fn resume(
        id: &str,
        position: &ContainerPosition,
        buffer: &mut [u8],
    ) -> io::Result<(Self, bool)> {
        let mut log = Self::new(Source {
            id: id.to_owned(),
            name: position.name.clone(),
            service: position.service.clone(),
            log: position.log.clone(),
        });
        let Some(read) = &position.read else {
            return Ok((log, true));
        };
        log.last.clone_from(&read.last);
        let mut files = log.chain(None)?.0;
        let place = Place::find(&files, read, buffer)?;
        files.drain(..place.file);
        if let Some(first) = files.front_mut() {
            first.offset = place.offset;
            first.after_gap = !place.exact;
        }
        let found = place.exact && !files.is_empty();
        log.files = files;
        log.looked = Some(Instant::now());
        Ok((log, found))
    }

    /// What to note of it.
    pub(crate) fn position(&self) -> ContainerPosition {
        ContainerPosition {
            name: self.source.name.clone(),
            service: self.source.service.clone(),
            log: self.source.log.clone(),
            read: self.files.front().map(|open| ReadPosition {
                file: open.id,
                offset: open.offset,
                last: self.last.clone(),
            }),
        }
    }

    /// The directory of the driver's files.
    pub(crate) fn directory(&self) -> &Path {
        self.source.log.parent().unwrap_or(Path::new("/"))
    }

    /// Whether the container has not been removed.
    pub(crate) fn is_there(&self) -> bool {
        self.directory().exists()
    }

    /// Opens what has begun since the last look.
    pub(crate) fn look(&mut self) -> io::Result<Found> {
        let sure = self.looked.is_some_and(|looked| looked.elapsed() < SURE);
        self.looked = Some(Instant::now());
        match std::fs::metadata(&self.source.log) {
            Ok(current) => {
                if self
                    .files
                    .back()
                    .is_some_and(|open| open.id == FileId::from(&current))
                {
                    return Ok(Found::Here);
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if !self.directory().try_exists()? {
                    return Ok(Found::Removed);
                }
            }
            Err(error) => return Err(error),
        }
        if self.files.len() >= OPEN {
            return Ok(Found::Here);
        }
        let newest = self.files.back().map(|open| open.id);
        let (mut files, mut linked, mut by_name) = self.chain(newest)?;
        if newest.is_some() && !linked && by_name {
            // In the middle of a rotation a name is missing for a moment.
            std::thread::sleep(Duration::from_millis(2));
            (files, linked, by_name) = self.chain(newest)?;
        }
        if newest.is_some()
            && !linked
            && (by_name || !sure)
            && let Some(first) = files.front_mut()
        {
            first.after_gap = true;
        }
        files.truncate(OPEN - self.files.len());
        self.files.append(&mut files);
        Ok(Found::Here)
    }

    /// The files from the oldest, or from the one after `newest`, to the current one; whether `newest` was found; and whether
    /// it would have been, since rotated files keep their names.
    fn chain(&self, newest: Option<FileId>) -> io::Result<(VecDeque<Open>, bool, bool)> {
        let mut files: VecDeque<Open> = VecDeque::new();
        let mut by_name = false;
        // From the newest on: a rotation meanwhile shows a file twice, and hides none.
        let mut absent = 0;
        for number in 0..MOST_ROTATED {
            let path = self.numbered(number);
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    absent += 1;
                    if absent > 2 {
                        break;
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            by_name |= number > 0;
            let id = FileId::from(&file.metadata()?);
            if Some(id) == newest {
                return Ok((files, true, true));
            }
            if files.front().is_none_or(|open| open.id != id) {
                files.push_front(Open {
                    file,
                    id,
                    offset: 0,
                    after_gap: false,
                });
            }
        }
        Ok((files, false, by_name))
    }

    fn numbered(&self, number: u32) -> PathBuf {
        if number == 0 {
            return self.source.log.clone();
        }
        let mut path = OsString::from(&self.source.log);
        path.push(format!(".{number}"));
        path.into()
    }

    /// Reads whole lines, as many as fit; nothing if there are none for the time being. Files that were read to their end are
    /// closed when there is a newer one.
    pub(crate) fn read<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<Chunk<'b>>> {
        loop {
            let newer = self.files.len() > 1;
            let Some(open) = self.files.front_mut() else {
                return Ok(None);
            };
            let length = fill(&open.file, buffer, open.offset)?;
            let whole = buffer[..length]
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |end| end + 1);
            if whole > 0 {
                return Ok(Some(Chunk::Lines(&buffer[..whole])));
            }
            if length == buffer.len() || (length > 0 && newer) {
                return Ok(Some(Chunk::NoEntry(length)));
            }
            if length == 0 && open.file.metadata()?.size() < open.offset {
                // Somebody truncated it.
                open.offset = 0;
                open.after_gap = true;
                continue;
            }
            if !newer {
                return Ok(None);
            }
            let gap = open.after_gap;
            self.files.pop_front();
            if let Some(next) = self.files.front_mut() {
                next.after_gap |= gap;
            }
        }
    }

    /// Whether something may be missing before what is read next.
    pub(crate) fn is_after_gap(&self) -> bool {
        self.files.front().is_some_and(|open| open.after_gap)
    }

    /// The time of the last entry that was copied.
    pub(crate) fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// So many bytes are copied, up to the entry of this time.
    pub(crate) fn advance(&mut self, bytes: usize, last: Option<&str>) {
        if let Some(open) = self.files.front_mut() {
            open.offset = open.offset.saturating_add(bytes as u64);
            open.after_gap = false;
        }
        if let Some(time) = last {
            let kept = self.last.get_or_insert_default();
            kept.clear();
            kept.push_str(time);
        }
    }

    /// Whether there is nothing to read, as far as the open files tell.
    pub(crate) fn is_read(&self) -> io::Result<bool> {
        match (self.files.len(), self.files.front()) {
            (0, _) => Ok(!self.source.log.try_exists()?),
            (1, Some(open)) => Ok(open.file.metadata()?.size() == open.offset),
            _ => Ok(false),
        }
    }
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chunk<'b> {
    /// Whole lines.
    Lines(&'b [u8]),
    /// So many bytes that are no entry, and are longer than one can be, or the rest of a file.
    NoEntry(usize),
}
