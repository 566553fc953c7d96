//! Running another program, so that its failure cannot go unseen: checked exit status, a clean environment, a time
//! limit for it and all its children, and an error that says what it said.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

mod error;
mod streams;

pub use error::CommandError;
pub use streams::last_lines;
use streams::{collect, received};

/// Lines of stderr that an error carries.
const TAIL_LINES: usize = 20;

/// What a successful program said.
#[derive(Debug)]
pub struct Output {
    /// Its stdout.
    pub stdout: Vec<u8>,
    /// Its stderr, bytes that are no UTF-8 replaced.
    pub stderr: String,
}

impl Output {
    /// Its stdout as text, bytes that are no UTF-8 replaced.
    #[must_use]
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// A program to run. It gets exactly the environment that [`Checked::env`] names, and `/dev/null` on stdin.
///
/// Arguments appear in errors and in `ps`: no secret may be one. Environment values and the input appear in neither.
#[derive(Debug)]
pub struct Checked {
    program: PathBuf,
    args: Vec<OsString>,
    command: Command,
    timeout: Duration,
    grace: Duration,
    input: Option<crate::Secret>,
    cancel: Option<Arc<AtomicBool>>,
}

impl Checked {
    /// A run of `program` that may take `timeout`.
    pub fn new(program: impl AsRef<Path>, timeout: Duration) -> Self {
        let program = program.as_ref().to_owned();
        let mut command = Command::new(&program);
        command
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        Self {
            program,
            args: Vec::new(),
            command,
            timeout,
            grace: Duration::ZERO,
            input: None,
            cancel: None,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        for arg in args {
            self.args.push(arg.as_ref().to_owned());
            self.command.arg(arg);
        }
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(self, arg: impl AsRef<OsStr>) -> Self {
        self.args([arg])
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Adds environment variables.
    #[must_use]
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.command.envs(variables);
        self
    }

    /// Runs it in another directory.
    #[must_use]
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Gives it something to read on stdin.
    #[must_use]
    pub fn input(mut self, text: crate::Secret) -> Self {
        self.command.stdin(Stdio::piped());
        self.input = Some(text);
        self
    }

    /// When it must end early, it gets SIGTERM and this long, before SIGKILL. Default: SIGKILL at once.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Ends it as soon as the flag is true.
    #[must_use]
    pub fn cancelled_by(mut self, flag: Arc<AtomicBool>) -> Self {
        self.cancel = Some(flag);
        self
    }

    /// Program and arguments, for logs and errors.
    #[must_use]
    pub fn display(&self) -> String {
        let mut text = self.program.display().to_string();
        for arg in &self.args {
            text.push(' ');
            text.push_str(&arg.to_string_lossy());
        }
        text
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// It cannot be started, exits with another status than 0, outlives its time, or was cancelled.
    pub fn run(mut self) -> Result<Output, CommandError> {
        let command = self.display();
        let mut child = self.command.spawn().map_err(|source| CommandError::Start {
            command: command.clone(),
            source,
        })?;
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().map(collect);
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), self.input.take()) {
            // a program that does not read its input says itself why
            std::thread::spawn(move || stdin.write_all(input.reveal().as_bytes()));
        }
        let end = self
            .wait(&mut child)
            .map_err(|source| CommandError::Start {
                command: command.clone(),
                source,
            })?;
        let stdout = stdout.as_ref().map(received).unwrap_or_default();
        let stderr = String::from_utf8_lossy(&stderr.as_ref().map(received).unwrap_or_default())
            .into_owned();
        match end {
            End::Exited(status) if status.success() => Ok(Output { stdout, stderr }),
            End::Exited(status) => Err(CommandError::Status {
                command,
                status,
                stderr: last_lines(&stderr, TAIL_LINES),
            }),
            End::TimedOut => Err(CommandError::Timeout {
                command,
                limit: self.timeout,
                stderr: last_lines(&stderr, TAIL_LINES),
            }),
            End::Cancelled => Err(CommandError::Cancelled { command }),
        }
    }

    fn wait(&self, child: &mut Child) -> io::Result<End> {
        let deadline = Instant::now() + self.timeout;
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(End::Exited(status));
            }
            let cancelled = self
                .cancel
                .as_ref()
                .is_some_and(|flag| flag.load(Ordering::Relaxed));
            if cancelled || Instant::now() >= deadline {
                end_group(child, self.grace)?;
                return Ok(if cancelled {
                    End::Cancelled
                } else {
                    End::TimedOut
                });
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

enum End {
    Exited(ExitStatus),
    TimedOut,
    Cancelled,
}

/// Ends a child that leads its own process group, with all that is in the group.
///
/// # Errors
/// The child cannot be waited for.
pub fn end_group(child: &mut Child, grace: Duration) -> io::Result<()> {
    // not yet waited for, so the number is still this child's and its group's
    let group = Pid::from_child(child);
    if !grace.is_zero() {
        let _ = kill_process_group(group, Signal::TERM);
        let deadline = Instant::now() + grace;
        while Instant::now() < deadline {
            if has_ended(group) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    let _ = kill_process_group(group, Signal::KILL);
    child.wait().map(drop)
}

/// Whether a child has ended, without reaping it: its number must stay its own until the group is killed.
fn has_ended(child: Pid) -> bool {
    crate::ProcessInfo::read(child).is_none_or(|info| !info.is_alive())
}

#[cfg(test)]
mod tests;
