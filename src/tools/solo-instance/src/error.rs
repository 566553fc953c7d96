//! What can go wrong with a machine of bosh-solo, and what one can do about it.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation on an instance, its network, its disk or its base tree failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call on a file or directory failed.
    #[error("{doing} {}", path.display())]
    Io {
        /// What was tried, as a gerund: `reading`, `mounting`.
        doing: &'static str,
        /// The file, directory or mount point.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A program of this machine could not be started.
    #[error("starting {program}")]
    Spawn {
        /// The program.
        program: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A program of this machine ran and failed.
    #[error("{command} failed ({status}): {}", stderr.trim_end())]
    Failed {
        /// The program and its arguments.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines that it wrote to standard error.
        stderr: String,
    },
    /// A program did not end within its time and was killed.
    #[error("{command} did not end within {} s and was killed", after.as_secs())]
    TimedOut {
        /// The program.
        command: String,
        /// The bound.
        after: Duration,
    },
    /// Only root can make namespaces, mounts and links.
    #[error("bosh-solo needs root to make an instance")]
    NotRoot,
    /// A value of the spec cannot be used.
    #[error("{what} {value:?} is not usable: {why}")]
    Invalid {
        /// Which value: `deployment name`, `address`.
        what: &'static str,
        /// The value.
        value: String,
        /// Why not.
        why: String,
    },
    /// An environment variable cannot be used.
    #[error("environment variable {name} {value:?} is not usable: {why}")]
    Variable {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
        /// Why not.
        why: String,
    },
    /// A state file does not hold what it should.
    #[error("{} is not a state file of this version of bosh-solo", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// The instance does not run.
    #[error("instance {instance} of deployment {deployment} is not running")]
    NotRunning {
        /// The deployment's name.
        deployment: String,
        /// `group/index`.
        instance: String,
    },
    /// The instance runs already.
    #[error("instance {instance} of deployment {deployment} is running already")]
    Running {
        /// The deployment's name.
        deployment: String,
        /// `group/index`.
        instance: String,
    },
    /// The instance's PID 1 could not set the machine up.
    #[error("instance {instance} did not boot: {why}")]
    Boot {
        /// `deployment/group/index`, or the package that was to be compiled.
        instance: String,
        /// The last lines of its console.
        why: String,
    },
    /// Something still uses the persistent disk.
    #[error(
        "the persistent disk at /var/vcap/store is still in use{}",
        HolderList(holders)
    )]
    DiskBusy {
        /// The processes that use it, as far as they can be told.
        holders: Vec<DiskHolder>,
    },
    /// The instance has no persistent disk.
    #[error("instance {0} has no persistent disk")]
    NoDisk(String),
    /// Every private subnet that may be used is in use.
    #[error(
        "no subnet of 10.244.0.0/16 is free: this machine's routes and other deployments take them all"
    )]
    NoSubnet,
    /// A subnet that was asked for is taken.
    #[error("subnet {subnet} overlaps {by}")]
    SubnetTaken {
        /// The subnet that was asked for.
        subnet: String,
        /// What has it: a route of this machine or another deployment.
        by: String,
    },
    /// An address is outside the deployment's subnet, or taken.
    #[error("address {address} cannot be used: {why}")]
    Address {
        /// The address.
        address: Ipv4Addr,
        /// Why not.
        why: String,
    },
    /// Monit does not answer or answers nonsense.
    #[error("monit of instance {instance}: {why}")]
    Monit {
        /// `group/index`.
        instance: String,
        /// What happened.
        why: String,
    },
    /// A job's monit file cannot be understood as monit 5.2.5 understands it.
    #[error("{}", problems.join("; "))]
    MonitFile {
        /// What is wrong, each with its line.
        problems: Vec<String>,
    },
    /// After deletion something is still there.
    #[error("deployment {deployment} left something behind: {}", left.join("; "))]
    Leftovers {
        /// The deployment's name.
        deployment: String,
        /// What is left, one a line.
        left: Vec<String>,
    },
    /// This machine lacks something that an instance needs.
    #[error("{what}")]
    Unsupported {
        /// What is missing.
        what: String,
        /// What to do.
        hint: String,
    },
}

impl Error {
    /// What one can do about it, where something can be done.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotRoot => Some("run it with sudo".to_owned()),
            Self::Spawn { program, source } if source.kind() == std::io::ErrorKind::NotFound => {
                Some(format!(
                    "install {program}; `ci/setup` installs all that bosh-solo needs"
                ))
            }
            Self::DiskBusy { .. } => Some("end these processes, or stop the instance".to_owned()),
            Self::MonitFile { .. } => Some(
                "write `start program \"/path arguments\" with timeout N seconds`; monit looks no program up".to_owned(),
            ),
            Self::NotRunning { .. } => Some("`bosh-solo start` boots it".to_owned()),
            Self::Unsupported { hint, .. } => Some(hint.clone()),
            Self::NoSubnet => Some("delete deployments that are no longer needed".to_owned()),
            Self::State { .. } => Some("delete the deployment and deploy it again".to_owned()),
            _ => None,
        }
    }

    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    pub(crate) fn still_mounted(point: &Path) -> Self {
        Self::Unsupported {
            what: format!("{} is still mounted on this machine", point.display()),
            hint: format!("`umount {}`, then try again", point.display()),
        }
    }

    /// As [`Error::io`] for rustix's error type.
    pub(crate) fn sys(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(rustix::io::Errno) -> Self {
        let path = path.into();
        move |errno| Self::Io {
            doing,
            path,
            source: errno.into(),
        }
    }
}

/// A process that keeps the persistent disk from being unmounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskHolder {
    /// Its PID on this machine (not inside the instance).
    pub pid: i32,
    /// Its name, as `ps -o comm` shows it.
    pub command: String,
    /// How it holds the disk: `working directory`, `open file …`, `mount namespace`.
    pub how: String,
}

struct HolderList<'a>(&'a [DiskHolder]);

impl fmt::Display for HolderList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, holder) in self.0.iter().enumerate() {
            let lead = if n == 0 { ": " } else { ", " };
            write!(
                f,
                "{lead}{} (PID {}, {})",
                holder.command, holder.pid, holder.how
            )?;
        }
        Ok(())
    }
}
