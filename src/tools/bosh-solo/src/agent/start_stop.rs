//! Starting and stopping all services of an instance, through monit.

use super::files::remove;
use super::monit::{STOP_LIMIT, STOPPED_FLAG, command, refuse_errored, status, wait_while};
use super::{Machine, watch_again};
use anyhow::{Context, Result};
use std::time::Instant;

/// Starts every service and takes the `stopped` flag away.
pub fn start(machine: &Machine) -> Result<()> {
    for service in status(machine)?.services {
        command(machine, &["start", &service.name])?;
    }
    watch_again::start_the_forgotten(machine)?;
    remove(&machine.instance.host_path(STOPPED_FLAG)?)
}

/// Stops every service and waits until monit watches none. Being late is no failure, since the
/// director ignores the agent's time-out; a service that monit could not stop is one.
pub fn stop_and_wait(machine: &Machine) -> Result<()> {
    let deadline = Instant::now() + STOP_LIMIT;
    if !wait_while(machine, deadline, "be pending", |service| service.pending)? {
        return Ok(());
    }
    watch_again::watch_the_living(machine)?;
    // A deploy that was interrupted may leave monit with stopped services whose files are gone.
    if status(machine)?
        .services
        .iter()
        .any(|service| service.monitored)
    {
        command(machine, &["stop", "-g", "vcap"])?;
    }
    let flag = machine.instance.host_path(STOPPED_FLAG)?;
    std::fs::write(&flag, "").with_context(|| format!("writing {}", flag.display()))?;
    wait_while(machine, deadline, "run", |service| {
        service.monitored || service.pending
    })?;
    let services = status(machine)?.services;
    refuse_errored(machine, &services)
}
