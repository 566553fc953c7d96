//! A program that is run for its output.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::streams::{collect, received};
use super::wait::{Bounds, End, wait};
use super::{CommandError, last_lines};

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
        let cancel = self.cancel.take();
        let bounds = Bounds {
            deadline: Instant::now() + self.timeout,
            grace: self.grace,
            cancelled: &|| {
                cancel
                    .as_ref()
                    .is_some_and(|flag| flag.load(Ordering::Relaxed))
            },
        };
        let end =
            wait(&mut child, &bounds, None, &mut |_| {}).map_err(|source| CommandError::Start {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, timeout: Duration) -> Checked {
        Checked::new("/bin/sh", timeout).args(["-c", script])
    }

    #[test]
    fn a_success_carries_both_streams_and_the_environment_is_clean() {
        let output = sh("/usr/bin/env; echo oops >&2", Duration::from_secs(10))
            .env("A", "b")
            .run()
            .unwrap();
        let names: Vec<_> = output
            .stdout_text()
            .lines()
            .map(|line| line.split('=').next().unwrap().to_owned())
            .collect();
        assert!(names.contains(&"A".to_owned()));
        assert!(!names.contains(&"HOME".to_owned()), "{names:?}");
        assert_eq!(output.stderr, "oops\n");
    }

    #[test]
    fn a_failure_says_the_status_and_the_last_lines() {
        let error = sh(
            "echo first >&2; echo why >&2; exit 7",
            Duration::from_secs(10),
        )
        .run()
        .unwrap_err();
        assert!(
            error.to_string().ends_with("exited with 7: first; why"),
            "{error}"
        );
        let error = sh("kill -9 $$", Duration::from_secs(10)).run().unwrap_err();
        assert!(
            error.to_string().ends_with("was killed by signal 9"),
            "{error}"
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = Checked::new("/nonexistent/x", Duration::from_secs(1))
            .run()
            .unwrap_err();
        assert_eq!(error.to_string(), "starting /nonexistent/x");
    }

    #[test]
    fn the_time_limit_ends_the_children_too() {
        let begin = Instant::now();
        let error = sh(
            "echo waiting >&2; sleep 60 & sleep 60",
            Duration::from_millis(300),
        )
        .run()
        .unwrap_err();
        assert!(matches!(error, CommandError::Timeout { .. }), "{error}");
        assert_eq!(error.stderr(), ["waiting"]);
        assert!(begin.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_daemon_that_keeps_the_streams_does_not_hold_the_caller() {
        let begin = Instant::now();
        let output = sh("setsid sleep 3 & echo done", Duration::from_secs(10))
            .run()
            .unwrap();
        assert_eq!(output.stdout, b"done\n");
        assert!(begin.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn a_cancelled_program_ends_within_its_grace() {
        let flag = Arc::new(AtomicBool::new(false));
        let setter = Arc::clone(&flag);
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            setter.store(true, Ordering::Relaxed);
        });
        let begin = Instant::now();
        let error = sh(
            "trap 'exit 0' TERM; while :; do sleep 0.05; done",
            Duration::from_mins(1),
        )
        .grace(Duration::from_secs(5))
        .cancelled_by(flag)
        .run()
        .unwrap_err();
        assert!(matches!(error, CommandError::Cancelled { .. }), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(3));
    }

    #[test]
    fn input_reaches_the_program() {
        let output = Checked::new("/bin/cat", Duration::from_secs(5))
            .input(crate::Secret::new("x\ny"))
            .run()
            .unwrap();
        assert_eq!(output.stdout, b"x\ny");
    }
}
