//! The virtual machine of bosh-solo: an instance with namespaces, a root, a network, a disk and a PID 1 of its own,
//! on this one machine, without a hypervisor and without changing the machine.
//!
//! [`Host`] owns the state directory: the cached base tree, and the deployments. [`Instance`] is one machine of a
//! deployment: [`Instance::boot`], [`Instance::exec`], [`Instance::attach_disk`], [`Instance::destroy`].
//! [`Host::compile`] runs a packaging script in a sandbox without any network. The program that uses this crate is
//! also the PID 1: it hands a hidden subcommand's arguments to [`init_main`] (see [`HostConfig::init`]).

mod apt_sources;
mod attachment;
mod base_tree;
mod cgroup;
mod child;
mod command;
mod compile;
mod console;
mod digest;
mod disk;
mod enter;
pub mod environment;
mod error;
mod exec;
mod firewall;
mod hierarchy;
mod host;
mod host_path;
mod init;
mod inside;
mod instance;
mod leftovers;
mod links;
mod lock;
mod machine;
mod migration;
mod monit;
mod monit_file;
mod mountinfo;
mod network;
mod plan;
mod power;
mod process;
mod progress;
mod rootfs;
mod routes;
mod spec;
mod state_dir;
mod storage;
mod subnet;

pub use compile::{CompileSpec, Compiled};
pub use error::{DiskHolder, Error, Result};
pub use exec::{Exec, ExecOutput, Input, Sink};
pub use host::Host;
pub use init::init_main;
pub use instance::{DiskFate, Instance};
pub use monit::{MonitService, MonitStatus, ServiceState};
pub use monit_file::detach_programs;
pub use network::Network;
pub use progress::Progress;
pub use spec::{InstanceSpec, IptablesVariant, NetworkSpec};
pub use state_dir::HostConfig;
pub use subnet::Subnet;
