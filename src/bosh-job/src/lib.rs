//! What the release's programs on a BOSH VM have in common: where things lie, what the operator asked for,
//! how errors and logs look, and how processes are recognised, run and ended.
//!
//! Nothing here talks to Docker; `docker-engine` does. Nothing here knows Compose; `recipe` does.

pub mod command;
pub mod config;
pub mod import_report;
pub mod logging;
pub mod marker;
pub mod pidfile;
pub mod process;
pub mod verdict;
pub mod vm_networks;

mod atomic_write;
mod cidr;
mod container_processes;
mod exit_code;
mod file_lock;
mod options;
mod own_address;
mod paths;
mod problems;
mod report;
mod resolv_conf;
mod secret;
mod visible;

pub use atomic_write::{Owner, atomic_write, atomic_write_owned, make_dir, remove_if_there};
pub use cidr::{Cidr, NoCidr};
pub use container_processes::{ContainerProcesses, Gone};
pub use exit_code::ExitCode;
pub use file_lock::FileLock;
pub use marker::Marker;
pub use options::Options;
pub use paths::Paths;
pub use pidfile::Pidfile;
pub use problems::{Problem, Problems};
pub use process::{Process, ProcessInfo};
pub use report::{Advise, exit_code_of, find_in, report_error};
pub use resolv_conf::ResolvConf;
pub use rustix::process::{Pid, Signal};
pub use secret::Secret;
pub use visible::{one_line, visible};
