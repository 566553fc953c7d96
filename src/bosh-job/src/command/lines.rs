//! The lines that a program writes, without secrets.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

/// A longer line is cut into pieces.
pub const LINE_BYTES: usize = 16 << 10;

/// Takes secrets out of what a program writes.
pub trait Redact: Send + Sync {
    /// The line without secrets.
    fn clean(&self, line: &str) -> String;

    /// Where to cut a text that is longer than `limit` bytes, so that no secret is cut in two; behind `limit` at most
    /// by [`Redact::longest`].
    fn cut(&self, text: &[u8], limit: usize) -> usize;

    /// Bytes of the longest text that may be a secret.
    fn longest(&self) -> usize;
}

/// The lines of a stream; one that is longer than [`LINE_BYTES`] comes in pieces, none of which ends within a secret.
pub(super) struct Pieces<S> {
    stream: BufReader<S>,
    /// What was read of a long line beyond its last piece.
    held: Vec<u8>,
    redact: Option<Arc<dyn Redact>>,
}

impl<S: Read> Pieces<S> {
    pub fn of(stream: S, redact: Option<Arc<dyn Redact>>) -> Self {
        Self {
            stream: BufReader::new(stream),
            held: Vec::new(),
            redact,
        }
    }
}

impl<S: Read> Iterator for Pieces<S> {
    type Item = String;

    /// The next line or piece; nothing at the end.
    fn next(&mut self) -> Option<String> {
        let longest = self.redact.as_ref().map_or(0, |redact| redact.longest());
        let most = LINE_BYTES + longest;
        if self.held.len() < most && !self.held.ends_with(b"\n") {
            let room = u64::try_from(most - self.held.len()).unwrap_or(u64::MAX);
            // A stream that cannot be read has ended.
            let _ = self
                .stream
                .by_ref()
                .take(room)
                .read_until(b'\n', &mut self.held);
        }
        if self.held.is_empty() {
            return None;
        }
        let end = match &self.redact {
            _ if self.held.len() <= LINE_BYTES => self.held.len(),
            Some(redact) => redact.cut(&self.held, LINE_BYTES),
            None => LINE_BYTES,
        };
        let piece = String::from_utf8_lossy(&self.held[..end]).into_owned();
        self.held.drain(..end);
        Some(piece)
    }
}
