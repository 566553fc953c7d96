//! Programs that run for a while: each line they write goes into the log as it comes, without secrets, and the last
//! lines are kept for the error.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use bosh_job::command::end_group;

use crate::{cancel::Cancel, redact::Redactor};

/// Lines kept for the error.
const KEPT: usize = 20;
/// A longer line is cut into pieces.
const LINE: usize = 16 << 10;
/// Between SIGTERM and SIGKILL. The runner has 2 s to end, with its children.
const GRACE: Duration = Duration::from_millis(700);
/// How long what an ended program leaves behind may keep its output open.
const LEFTOVER: Duration = Duration::from_millis(500);

/// How lines reach the log.
#[derive(Clone, Copy, Debug)]
pub enum Lines {
    /// As events of this program, named for the one that wrote them.
    From(&'static str),
    /// As they are, those of stderr alone: the program writes log lines of its own there. Its stdout is the caller's.
    AsTheyAre,
}

/// A program that runs for a while.
pub struct Logged<'a> {
    pub command: Command,
    pub lines: Lines,
    pub limit: Duration,
    pub redactor: &'a Redactor,
    pub cancel: &'a Cancel,
}

/// How it ended.
#[derive(Debug)]
pub enum End {
    /// By itself.
    Exited {
        /// Its status.
        status: ExitStatus,
        /// Its last lines.
        tail: Vec<String>,
    },
    /// Its time was over; it was ended with its children.
    TimedOut {
        /// Its last lines.
        tail: Vec<String>,
    },
    /// This program was told to end; it was ended with its children.
    Cancelled,
    /// It could not be started.
    NotStarted(std::io::Error),
}

/// "exited with 1", "was killed by signal 9".
pub fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// A command with nothing of this program's environment.
pub fn clean_command(
    program: &Path,
    environment: &[(String, String)],
    directory: PathBuf,
) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(directory);
    command
}

impl Logged<'_> {
    /// Runs it to its end, or ends it. One that a signal killed (the kernel, out of memory; an operator) is run once
    /// more within the same time: what it does can be done twice, and nobody else would do so after a reboot.
    pub fn run(self) -> End {
        self.run_with(|| {})
    }

    /// The same, with something to be done before it is run again.
    pub fn run_with(mut self, before_again: impl FnOnce()) -> End {
        let deadline = Instant::now() + self.limit;
        let end = self.run_once(deadline);
        let End::Exited { status, .. } = &end else {
            return end;
        };
        if status.signal().is_none() || self.cancel.is_set() {
            return end;
        }
        let program = self.command.get_program().to_string_lossy();
        tracing::warn!("{program} {}; running it again", ended(*status));
        before_again();
        self.run_once(deadline)
    }

    fn run_once(&mut self, deadline: Instant) -> End {
        let Some(_announced) = self.cancel.child() else {
            return End::Cancelled;
        };
        self.command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0);
        if matches!(self.lines, Lines::From(_)) {
            self.command.stdout(Stdio::piped());
        }
        let mut child = match self.command.spawn() {
            Ok(child) => child,
            Err(error) => return End::NotStarted(error),
        };
        let (sender, lines) = mpsc::sync_channel(64);
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|stream| Box::new(stream) as _),
            child.stderr.take().map(|stream| Box::new(stream) as _),
        ];
        for stream in streams.into_iter().flatten() {
            let sender = sender.clone();
            let mut pieces = Pieces::of(stream, self.redactor.clone());
            std::thread::spawn(move || {
                while let Some(line) = pieces.next() {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        self.follow(&mut child, &lines, deadline)
    }

    fn follow(&self, child: &mut Child, lines: &Receiver<String>, deadline: Instant) -> End {
        let mut tail = VecDeque::new();
        // Both streams may close before the program ends, or be held open after: so both are looked at.
        let mut open = true;
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Err(error) => return End::NotStarted(error),
                Ok(None) => {}
            }
            if self.cancel.is_set() || Instant::now() >= deadline {
                // What cannot be waited for has ended.
                let _ = end_group(child, GRACE);
                if self.cancel.is_set() {
                    return End::Cancelled;
                }
                self.drain(lines, &mut tail);
                return End::TimedOut { tail: tail.into() };
            }
            let pause = Duration::from_millis(50);
            if !open {
                self.cancel.sleep(pause);
                continue;
            }
            match lines.recv_timeout(pause) {
                Ok(line) => self.log(&line, &mut tail),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => open = false,
            }
        };
        self.drain(lines, &mut tail);
        End::Exited {
            status,
            tail: tail.into(),
        }
    }

    /// The lines that are still on their way.
    fn drain(&self, lines: &Receiver<String>, tail: &mut VecDeque<String>) {
        let end = Instant::now() + LEFTOVER;
        while let Ok(line) = lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            self.log(&line, tail);
        }
    }

    fn log(&self, line: &str, tail: &mut VecDeque<String>) {
        let (frame, said) = compose_frame(line.trim_end());
        let line = format!("{frame}{}", self.redactor.clean(said));
        if line.trim().is_empty() {
            return;
        }
        match self.lines {
            Lines::From(program) => tracing::info!("{program}: {line}"),
            // A log that cannot be written is no reason to stop.
            Lines::AsTheyAre => drop(writeln!(std::io::stderr(), "{line}")),
        }
        if tail.len() == KEPT {
            tail.pop_front();
        }
        tail.push_back(line.trim_start().to_owned());
    }
}

/// What Compose's logger puts before its message (`time="…" level=warning msg=`), and the rest of the line.
fn compose_frame(line: &str) -> (&str, &str) {
    let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_time = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || b"-:+.TZ".contains(&byte))
    };
    let found = (|| {
        let (time, rest) = line.strip_prefix("time=\"")?.split_once('"')?;
        let (level, said) = rest.strip_prefix(" level=")?.split_once(" msg=")?;
        (is_time(time) && is_word(level)).then(|| line.split_at(line.len() - said.len()))
    })();
    found.unwrap_or(("", line))
}

/// The lines of a stream; one that is longer than [`LINE`] bytes comes in pieces, none of which ends within a secret.
struct Pieces<S> {
    stream: BufReader<S>,
    /// What was read of a long line beyond its last piece.
    held: Vec<u8>,
    redactor: Redactor,
}

impl<S: Read> Pieces<S> {
    fn of(stream: S, redactor: Redactor) -> Self {
        Self {
            stream: BufReader::new(stream),
            held: Vec::new(),
            redactor,
        }
    }

    /// The next line or piece; nothing at the end.
    fn next(&mut self) -> Option<String> {
        let most = LINE + self.redactor.longest();
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
        let end = if self.held.len() <= LINE {
            self.held.len()
        } else {
            self.redactor.cut(&self.held, LINE)
        };
        let piece = String::from_utf8_lossy(&self.held[..end]).into_owned();
        self.held.drain(..end);
        Some(piece)
    }
}

#[cfg(test)]
mod tests;
