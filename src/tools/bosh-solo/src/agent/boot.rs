//! What the agent does at boot before it starts monit (bosh-agent `agent/bootstrap.go`): without the
//! jobs' directories, which a reboot empties, the first start of a process would fail.

use super::apply::{JOBS, MONIT_JOBS, make_directories_of};
use super::files::{Files, entries, remove};
use super::monit::is_stopped;
use super::{Machine, dns};
use anyhow::{Context, Result};
use std::fs;

const HELD_BACK: &str = "/var/vcap/monit/job.held-back";

/// Boots a machine; monit gets its files when the jobs' directories are there.
pub fn boot(machine: &Machine) -> Result<()> {
    let held_back = hold_monit_files(machine)?;
    machine
        .instance
        .boot()
        .with_context(|| format!("booting {}", machine.name))?;
    dns::restore(machine)?;
    let files = Files::new(&machine.instance)?;
    for job in entries(&files.host(JOBS)?)? {
        make_directories_of(&files, &job)?;
    }
    if held_back {
        remove(&files.host(MONIT_JOBS)?)?;
        rename(machine, HELD_BACK, MONIT_JOBS)?;
        machine.instance.monit_reload()?;
    }
    Ok(())
}

/// Takes monit's files away until they are wanted. Jobs that were stopped on purpose stay as they
/// are: monit remembers not to start them, and would forget it without its files.
fn hold_monit_files(machine: &Machine) -> Result<bool> {
    let exists = |path: &str| -> Result<bool> { Ok(machine.instance.host_path(path)?.exists()) };
    if exists(HELD_BACK)? {
        // A boot was interrupted.
        return Ok(true);
    }
    if is_stopped(&machine.instance)? || !exists(MONIT_JOBS)? {
        return Ok(false);
    }
    rename(machine, MONIT_JOBS, HELD_BACK)?;
    Ok(true)
}

fn rename(machine: &Machine, from: &str, to: &str) -> Result<()> {
    let from = machine.instance.host_path(from)?;
    let to = machine.instance.host_path(to)?;
    fs::rename(&from, &to)
        .with_context(|| format!("renaming {} to {}", from.display(), to.display()))
}
