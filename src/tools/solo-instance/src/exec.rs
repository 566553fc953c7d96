//! What one says of a program that is to run inside an instance, and what one hears of it.

use std::fs::File;
use std::process::ExitStatus;
use std::time::Duration;

/// A program to run inside an instance, with nothing inherited from this machine's environment.
#[derive(Debug)]
pub struct Exec {
    /// The program and its arguments; a name without a slash is looked up in `PATH` of `env`.
    pub argv: Vec<String>,
    /// The whole environment; without `PATH` it gets `/usr/sbin:/usr/bin:/sbin:/bin`, as BOSH's agent gives scripts.
    pub env: Vec<(String, String)>,
    /// The working directory inside the instance; none: `/`.
    pub cwd: Option<String>,
    /// User and group; root when none.
    pub user: Option<(u32, u32)>,
    /// Standard input.
    pub stdin: Input,
    /// Standard output.
    pub stdout: Sink,
    /// Standard error.
    pub stderr: Sink,
    /// After this time its process group gets SIGTERM, 10 s later SIGKILL (as BOSH's agent cancels an errand).
    pub timeout: Option<Duration>,
}

impl Exec {
    /// Runs `argv` as root in `/`, captures what it prints, gives it no input, waits as long as it takes.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            cwd: None,
            user: None,
            stdin: Input::Null,
            stdout: Sink::Capture,
            stderr: Sink::Capture,
            timeout: None,
        }
    }

    /// Adds a variable to the environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Bounds the time that the program may take.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// Where a program's input comes from.
#[derive(Debug)]
pub enum Input {
    /// `/dev/null`.
    Null,
    /// This process's own.
    Inherit,
    /// These bytes, then the end.
    Bytes(Vec<u8>),
    /// An open file of this machine.
    File(File),
}

/// Where a program's output goes.
#[derive(Debug)]
pub enum Sink {
    /// Into [`ExecOutput`].
    Capture,
    /// This process's own.
    Inherit,
    /// Nowhere.
    Null,
    /// An open file of this machine (open it for appending when several write to it).
    File(File),
}

/// How a program in an instance ended.
#[derive(Debug)]
pub struct ExecOutput {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it wrote to standard output, when captured.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, when captured.
    pub stderr: Vec<u8>,
    /// Whether it was ended because its time was over.
    pub timed_out: bool,
}

impl ExecOutput {
    /// The captured standard output as text.
    #[must_use]
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The captured standard error as text.
    #[must_use]
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// The exit code as a shell gives it: 128 + the signal when a signal ended it.
    #[must_use]
    pub fn code(&self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        self.status
            .code()
            .unwrap_or_else(|| 128 + self.status.signal().unwrap_or_default())
    }
}
