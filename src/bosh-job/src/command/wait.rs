//! The loop that waits for a program.

use std::io;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::end_group;

/// Longest pause between two looks at a program.
const LOOK: Duration = Duration::from_millis(50);

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// By itself.
    Exited(ExitStatus),
    /// Its time was over; it was ended with its children.
    TimedOut,
    /// This program was told to end; the other was ended with its children.
    Cancelled,
}

/// What ends a program that does not end by itself.
pub(super) struct Bounds<'a> {
    pub deadline: Instant,
    /// Between SIGTERM and SIGKILL; zero is SIGKILL at once.
    pub grace: Duration,
    pub cancelled: &'a dyn Fn() -> bool,
}

/// Waits for a child that leads its own process group, and hands on its lines meanwhile.
pub(super) fn wait(
    child: &mut Child,
    bounds: &Bounds<'_>,
    mut lines: Option<&Receiver<String>>,
    on_line: &mut dyn FnMut(&str),
) -> io::Result<End> {
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(End::Exited(status));
        }
        if (bounds.cancelled)() || Instant::now() >= bounds.deadline {
            // What cannot be waited for has ended.
            let _ = end_group(child, bounds.grace);
            return Ok(if (bounds.cancelled)() {
                End::Cancelled
            } else {
                End::TimedOut
            });
        }
        // The streams may close before the program ends, or be held open after: so both are looked at.
        match lines.map(|lines| lines.recv_timeout(pause)) {
            Some(Ok(line)) => {
                on_line(&line);
                continue;
            }
            Some(Err(RecvTimeoutError::Timeout)) => {}
            Some(Err(RecvTimeoutError::Disconnected)) => lines = None,
            None => std::thread::sleep(pause),
        }
        pause = (pause * 2).min(LOOK);
    }
}
