//! What became of a program that did not succeed.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// What became of a program that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started.
    #[error("starting {command}")]
    Start {
        /// Program and arguments.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// It ended with another status than 0.
    #[error("{command} {}{}", ended(*status), tail(stderr))]
    Status {
        /// Program and arguments.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// Its last lines on stderr.
        stderr: Vec<String>,
    },
    /// It ran longer than it may, and was killed with its children.
    #[error("{command} did not end within {} s and was killed{}", limit.as_secs_f32(), tail(stderr))]
    Timeout {
        /// Program and arguments.
        command: String,
        /// What it was given.
        limit: Duration,
        /// Its last lines on stderr.
        stderr: Vec<String>,
    },
    /// This program was told to end meanwhile; the other was ended with its children.
    #[error("{command} was ended, since this program was told to end")]
    Cancelled {
        /// Program and arguments.
        command: String,
    },
}

impl CommandError {
    /// The last lines that the program wrote to stderr.
    #[must_use]
    pub fn stderr(&self) -> &[String] {
        match self {
            Self::Status { stderr, .. } | Self::Timeout { stderr, .. } => stderr,
            Self::Start { .. } | Self::Cancelled { .. } => &[],
        }
    }
}

/// "exited with 1", "was killed by signal 9".
#[must_use]
pub fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

fn tail(stderr: &[String]) -> String {
    if stderr.is_empty() {
        String::new()
    } else {
        format!(": {}", stderr.join("; "))
    }
}
