//! What a program writes: read to its end, kept within bounds.

use std::io::Read;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Most bytes kept of a stream; the rest is read and dropped, so that the program does not block.
const KEPT_BYTES: usize = 16 << 20;
/// How long an ended program's children may keep its streams open.
const STREAM_GRACE: Duration = Duration::from_millis(500);

pub(super) fn collect(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut kept = 0;
        let mut chunk = vec![0; 64 << 10];
        while let Ok(length @ 1..) = stream.read(&mut chunk) {
            let wanted = length.min(KEPT_BYTES - kept);
            kept += wanted;
            if wanted > 0 && sender.send(chunk[..wanted].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

/// What a stream carried until its end. Something that left the process group may hold it open: then what came so far.
pub(super) fn received(chunks: &Receiver<Vec<u8>>) -> Vec<u8> {
    let deadline = Instant::now() + STREAM_GRACE;
    let mut all = Vec::new();
    while let Ok(chunk) = chunks.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        all.extend(chunk);
    }
    all
}

/// The last `count` lines of a text that are not blank.
#[must_use]
pub fn last_lines(text: &str, count: usize) -> Vec<String> {
    let mut lines: Vec<String> = text
        .lines()
        .rev()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .take(count)
        .map(str::to_owned)
        .collect();
    lines.reverse();
    lines
}
