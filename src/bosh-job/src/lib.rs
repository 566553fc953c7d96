//! What the release's programs on a BOSH VM have in common: where things lie, what the operator asked for,
//! how errors and logs look, and how processes are recognised, run and ended.
//!
//! Nothing here talks to Docker; `docker-engine` does. Nothing here knows Compose; `recipe` does.

pub mod command;
pub mod logging;
pub mod pidfile;
pub mod process;
pub mod stop_bounds;

mod atomic_write;
mod container_processes;
mod error_report;
mod exit_code;
mod file_lock;
mod import_lists;
mod log_level;
mod options;
mod paths;
mod problems;
mod report;
mod secret;
mod visible;

pub use atomic_write::{Owner, atomic_write, atomic_write_owned, make_dir, remove_if_there};
pub use container_processes::{ContainerProcesses, Gone};
pub use error_report::ErrorReport;
pub use exit_code::ExitCode;
pub use file_lock::FileLock;
pub use log_level::LogLevel;
pub use options::Options;
pub use paths::Paths;
pub use pidfile::Pidfile;
pub use problems::{Problem, Problems};
pub use process::{Process, ProcessInfo};
pub use report::{Advise, exit_code_of, find_in, report_error};
pub use rustix::process::{Pid, Signal};
pub use secret::Secret;
pub use visible::{one_line, visible};
