//! From a container's files to its service's file.

use std::io;

use jiff::Timestamp;

use crate::{
    container_log::{Chunk, ContainerLog},
    entry,
    service_log::ServiceLog,
};

/// What is read at once. An entry of dockerd's is at most six times its 16 KiB, and its attributes.
pub(crate) const READ: usize = 256 << 10;
/// What one container may have read before the others have their turn.
const LOCK_RETRY: usize = 2 << 20;

/// Memory that all containers share, one after the other.
#[derive(Debug)]
pub(crate) struct Buffers {
    pub read: Vec<u8>,
    lines: Vec<u8>,
    /// Bytes that were copied since somebody set this to zero.
    pub copied: u64,
}

impl Buffers {
    pub(crate) fn new() -> Self {
        Self {
            read: vec![0; READ],
            lines: Vec::with_capacity(READ),
            copied: 0,
        }
    }
}

/// How far it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copied {
    /// There was nothing to copy.
    Nothing,
    /// Everything there was.
    All,
    /// There is more.
    Part,
    /// The service's file must be rotated first.
    Full,
}

/// Copies what there is. If it fails, what was not copied whole is not copied at all, and comes again.
pub(crate) fn copy(
    container: &mut ContainerLog,
    service: &mut ServiceLog,
    buffers: &mut Buffers,
) -> io::Result<Copied> {
    let mut copied = 0;
    while copied < LOCK_RETRY {
        let Some(chunk) = container.read(&mut buffers.read)? else {
            return Ok(if copied == 0 {
                Copied::Nothing
            } else {
                Copied::All
            });
        };
        service.look()?;
        let (consumed, is_full) = append(container, service, &mut buffers.lines, &chunk)?;
        copied += consumed;
        buffers.copied += consumed as u64;
        if is_full {
            return Ok(Copied::Full);
        }
    }
    Ok(Copied::Part)
}

/// Says that a container was removed while nobody copied.
pub(crate) fn note_removed(container: &ContainerLog, service: &mut ServiceLog) -> io::Result<()> {
    let name = container.source.name.as_str();
    let last = container.last().unwrap_or("its start");
    let text = format!(
        "output after {last} may be missing here: the container was removed before it was read"
    );
    tracing::warn!(container = name, "{text}");
    let mut out = Vec::new();
    service.look()?;
    let now = Timestamp::now();
    service
        .lines
        .note(&mut out, &format!("{now:.9}"), name, &text);
    service.append(&out)
}

/// Appends the lines of a chunk, as many as the service's file takes. Returns the bytes that were consumed, and whether the file is full.
fn append(
    container: &mut ContainerLog,
    service: &mut ServiceLog,
    out: &mut Vec<u8>,
    chunk: &Chunk<'_>,
) -> io::Result<(usize, bool)> {
    out.clear();
    let (lines_before, going_on_before) = (service.lines.clone(), container.going_on);
    let mut made = Made {
        container,
        service,
        consumed: 0,
        last: None,
        is_full: false,
    };
    match chunk {
        Chunk::NoEntry(length) => made.no_entry(out, *length),
        Chunk::Lines(lines) => made.lines(out, lines),
    }
    let Made {
        consumed,
        last,
        is_full,
        ..
    } = made;
    if let Err(error) = service.append(out) {
        service.lines = lines_before;
        container.going_on = going_on_before;
        return Err(error);
    }
    if consumed > 0 {
        container.advance(consumed, last.as_deref());
    }
    Ok((consumed, is_full))
}

/// Lines in the making.
struct Made<'a> {
    container: &'a mut ContainerLog,
    service: &'a mut ServiceLog,
    consumed: usize,
    last: Option<String>,
    is_full: bool,
}

impl Made<'_> {
    fn lines(&mut self, out: &mut Vec<u8>, lines: &[u8]) {
        let mut after_gap = self.container.is_after_gap();
        let mut last = None;
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let begin = out.len();
            let before = (self.service.lines.clone(), self.container.going_on);
            let parsed = entry::parse(line);
            if let Some((entry, _)) = &parsed
                && after_gap
            {
                self.gap(out, &entry.time);
            }
            match &parsed {
                Some((entry, rest)) => {
                    if *rest > 0 {
                        self.unreadable(out, *rest);
                    }
                    let whose = (&self.container.id, self.container.source.name.as_str());
                    self.service
                        .lines
                        .entry(out, whose, &mut self.container.going_on, entry);
                }
                None => self.unreadable(out, line.len()),
            }
            // An end that an unfinished line may need in a rotation is counted.
            if self.service.is_full_with(out.len() + 1) {
                out.truncate(begin);
                (self.service.lines, self.container.going_on) = before;
                self.is_full = true;
                break;
            }
            self.consumed += line.len();
            if let Some((entry, _)) = parsed {
                after_gap = false;
                last = Some(entry.time);
            }
        }
        self.last = last.map(std::borrow::Cow::into_owned);
    }

    fn no_entry(&mut self, out: &mut Vec<u8>, length: usize) {
        self.unreadable(out, length);
        self.is_full = self.service.is_full_with(out.len() + 1);
        if self.is_full {
            out.clear();
        } else {
            self.consumed = length;
        }
    }

    /// Says in the file, and in the log, that something may be missing.
    fn gap(&mut self, out: &mut Vec<u8>, next: &str) {
        let name = self.container.source.name.as_str();
        let last = self.container.last().unwrap_or("its start");
        let text = format!(
            "output between {last} and {next} may be missing here: it was rotated away or truncated before it was read"
        );
        self.service.lines.note(out, next, name, &text);
        tracing::warn!(container = name, "{text}");
    }

    fn unreadable(&mut self, out: &mut Vec<u8>, length: usize) {
        let name = self.container.source.name.as_str();
        let now = Timestamp::now();
        let text =
            format!("{length} bytes of the container's log file are no entry, and are left out");
        self.service
            .lines
            .note(out, &format!("{now:.9}"), name, &text);
        tracing::warn!(container = name, "{text}");
    }
}
