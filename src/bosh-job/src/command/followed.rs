//! Programs that run for a while: their lines are handed on as they come, without secrets, and the last ones are kept.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use super::lines::{Pieces, Redact};
use super::wait::{Bounds, End, wait};

/// Lines kept for the error.
const TAIL_LINES: usize = 20;
/// How long what an ended program leaves behind may keep its output open.
const STREAM_GRACE: Duration = Duration::from_millis(500);

/// What takes the lines.
type OnLine<'a> = Box<dyn FnMut(&str) + 'a>;

/// A program to run and to follow. It gets `/dev/null` on stdin; where its streams go that are not read is the command's.
pub struct Followed<'a> {
    command: &'a mut Command,
    deadline: Instant,
    grace: Duration,
    cancelled: Box<dyn Fn() -> bool + 'a>,
    redact: Option<Arc<dyn Redact>>,
    reads_stdout: bool,
    on_line: Option<OnLine<'a>>,
}

/// What became of a program that was followed.
#[derive(Debug)]
pub struct Run {
    /// How it ended.
    pub end: End,
    /// Its last lines that are not blank, at most 20, without secrets. None of one that was cancelled.
    pub tail: Vec<String>,
}

impl<'a> Followed<'a> {
    /// A run of `command` that must be over at `deadline`. Its streams are not read.
    pub fn new(command: &'a mut Command, deadline: Instant) -> Self {
        Self {
            command,
            deadline,
            grace: Duration::ZERO,
            cancelled: Box::new(|| false),
            redact: None,
            reads_stdout: false,
            on_line: None,
        }
    }

    /// When it must end early, it gets SIGTERM and this long, before SIGKILL. Default: SIGKILL at once.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Ends it as soon as this says so.
    #[must_use]
    pub fn cancelled_by(mut self, cancelled: impl Fn() -> bool + 'a) -> Self {
        self.cancelled = Box::new(cancelled);
        self
    }

    /// Takes secrets out of its lines before anyone sees them.
    #[must_use]
    pub fn redacted_by(mut self, redact: impl Redact + 'static) -> Self {
        self.redact = Some(Arc::new(redact));
        self
    }

    /// Hands on each line of its stderr that is not blank, as it comes.
    #[must_use]
    pub fn on_stderr_line(mut self, on_line: impl FnMut(&str) + 'a) -> Self {
        self.on_line = Some(Box::new(on_line));
        self
    }

    /// Hands on each line of both its streams that is not blank, as it comes.
    #[must_use]
    pub fn on_line(self, on_line: impl FnMut(&str) + 'a) -> Self {
        let mut this = self.on_stderr_line(on_line);
        this.reads_stdout = true;
        this
    }

    /// Runs it to its end, or ends it with its children.
    ///
    /// # Errors
    /// It cannot be started or waited for.
    pub fn run(mut self) -> io::Result<Run> {
        self.command.stdin(Stdio::null()).process_group(0);
        if self.on_line.is_some() {
            self.command.stderr(Stdio::piped());
        }
        if self.reads_stdout {
            self.command.stdout(Stdio::piped());
        }
        let mut child = self.command.spawn()?;
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|stream| Box::new(stream) as _),
            child.stderr.take().map(|stream| Box::new(stream) as _),
        ];
        let lines = read(streams.into_iter().flatten(), self.redact.as_ref());
        let mut tail = VecDeque::new();
        let mut on_line = self.on_line.take();
        let redact = self.redact.take();
        let mut take = |line: &str| {
            let line = line.trim_end();
            let line = redact
                .as_ref()
                .map_or_else(|| line.to_owned(), |redact| redact.clean(line));
            if line.trim().is_empty() {
                return;
            }
            if let Some(on_line) = &mut on_line {
                on_line(&line);
            }
            if tail.len() == TAIL_LINES {
                tail.pop_front();
            }
            tail.push_back(line.trim_start().to_owned());
        };
        let bounds = Bounds {
            deadline: self.deadline,
            grace: self.grace,
            cancelled: &*self.cancelled,
        };
        let end = wait(&mut child, &bounds, Some(&lines), &mut take)?;
        if matches!(end, End::Cancelled) {
            return Ok(Run {
                end,
                tail: Vec::new(),
            });
        }
        // The lines that are still on their way.
        let over = Instant::now() + STREAM_GRACE;
        while let Ok(line) = lines.recv_timeout(over.saturating_duration_since(Instant::now())) {
            take(&line);
        }
        Ok(Run {
            end,
            tail: tail.into(),
        })
    }
}

/// The lines of all the streams, as they come.
fn read(
    streams: impl Iterator<Item = Box<dyn Read + Send>>,
    redact: Option<&Arc<dyn Redact>>,
) -> Receiver<String> {
    let (sender, lines) = mpsc::sync_channel(64);
    for stream in streams {
        let sender = sender.clone();
        let pieces = Pieces::of(stream, redact.cloned());
        std::thread::spawn(move || {
            for line in pieces {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    struct Hunter2;

    impl Redact for Hunter2 {
        fn clean(&self, line: &str) -> String {
            line.replace("hunter2", "[redacted]")
        }

        fn cut(&self, text: &[u8], limit: usize) -> usize {
            let found = text.windows(7).position(|bytes| bytes == b"hunter2");
            match found {
                Some(start) if start < limit && limit < start + 7 => start + 7,
                _ => limit,
            }
        }

        fn longest(&self) -> usize {
            7
        }
    }

    fn sh(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    fn within(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[test]
    fn the_deadline_ends_the_grandchildren_too() {
        let grandchild = Cell::new(0);
        let mut command = sh("sh -c 'sleep 60 & echo $!; wait' & wait");
        let run = Followed::new(&mut command, Instant::now() + Duration::from_millis(500))
            .grace(Duration::from_secs(1))
            .on_line(|line| grandchild.set(line.parse().unwrap()))
            .run()
            .unwrap();
        assert!(matches!(run.end, End::TimedOut), "{run:?}");
        let pid = rustix::process::Pid::from_raw(grandchild.get()).unwrap();
        // What killed it does not wait for it: init does.
        while crate::ProcessInfo::read(pid).is_some_and(|info| info.is_alive()) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn lines_arrive_while_it_runs_and_a_cancel_ends_it() {
        let told = Cell::new(false);
        let begin = Instant::now();
        let run = Followed::new(&mut sh("echo up >&2; sleep 60"), within(60))
            .cancelled_by(|| told.get())
            .on_stderr_line(|line| told.set(line == "up"))
            .run()
            .unwrap();
        assert!(matches!(run.end, End::Cancelled), "{run:?}");
        assert!(begin.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn one_that_ignores_sigterm_is_killed_after_its_grace() {
        let begin = Instant::now();
        let run = Followed::new(
            &mut sh("trap '' TERM; while :; do sleep 0.1; done"),
            Instant::now() + Duration::from_millis(200),
        )
        .grace(Duration::from_millis(300))
        .run()
        .unwrap();
        assert!(matches!(run.end, End::TimedOut), "{run:?}");
        assert!(begin.elapsed() >= Duration::from_millis(450));
        assert!(begin.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn all_lines_are_handed_on_and_the_last_ones_kept() {
        let all = RefCell::new(Vec::new());
        let mut command = sh("i=0; while [ $i -lt 300 ]; do echo line $i; echo; i=$((i+1)); done");
        let run = Followed::new(&mut command, within(60))
            .on_line(|line| all.borrow_mut().push(line.to_owned()))
            .run()
            .unwrap();
        assert!(matches!(run.end, End::Exited(status) if status.success()));
        assert_eq!(all.borrow().len(), 300);
        assert_eq!(run.tail, all.borrow()[300 - TAIL_LINES..]);
    }

    #[test]
    fn no_secret_reaches_the_callback_or_the_tail_wherever_a_long_line_is_cut() {
        for before in [0, super::super::LINE_BYTES - 3] {
            let script = format!("head -c {before} /dev/zero | tr '\\0' x; echo hunter2");
            let heard = RefCell::new(String::new());
            let run = Followed::new(&mut sh(&script), within(60))
                .redacted_by(Hunter2)
                .on_line(|line| heard.borrow_mut().push_str(line))
                .run()
                .unwrap();
            assert!(heard.borrow().ends_with("[redacted]"));
            assert_eq!(run.tail.concat(), *heard.borrow());
        }
    }
}
