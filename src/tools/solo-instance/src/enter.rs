//! Becomes a member of cgroups, then another program: keeps the PID and, unlike a shell, the exact environment.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use rustix::fs::Mode;

use crate::error::{Error, Result};

/// The arguments of the subcommand `enter` for `entries` (files named `cgroup.procs`) and a program.
pub(crate) fn arguments(entries: Vec<PathBuf>, program: Vec<OsString>) -> Vec<OsString> {
    let mut arguments = vec![OsString::from("enter")];
    arguments.extend(entries.into_iter().map(OsString::from));
    arguments.push("--".into());
    arguments.extend(program);
    arguments
}

/// `FILE… -- PROGRAM ARGUMENT…`; returns only when it fails.
pub(crate) fn run(arguments: Vec<OsString>) -> Result<std::convert::Infallible> {
    let mut arguments = arguments.into_iter();
    for file in arguments.by_ref().take_while(|a| a != "--") {
        // 0 is the process that writes it (cgroups(7)).
        fs::write(&file, "0").map_err(Error::io("entering cgroup", file))?;
    }
    // Whatever the person's is who runs bosh-solo.
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let program = arguments.next().unwrap_or_default();
    let source = Command::new(&program).args(arguments).exec();
    Err(Error::Spawn {
        program: program.to_string_lossy().into_owned(),
        source,
    })
}
