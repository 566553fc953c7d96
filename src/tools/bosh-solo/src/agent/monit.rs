//! The agent's dealings with monit (bosh-agent `jobsupervisor/monit_job_supervisor.go`).

use super::Machine;
use crate::hint::Hint;
use crate::plan::WatchTime;
use anyhow::{Result, anyhow, bail};
use solo_instance::{Instance, MonitService, MonitStatus, ServiceState};
use std::thread;
use std::time::{Duration, Instant};

/// How long the agent waits for services to stop.
pub const STOP_LIMIT: Duration = Duration::from_mins(5);
/// How long monit may leave a question unanswered.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// How often a long stop says that it still waits.
const STILL_WAITING: Duration = Duration::from_secs(30);
pub const STOPPED_FLAG: &str = "/var/vcap/monit/stopped";

/// Whether the jobs were stopped on purpose.
pub fn is_stopped(instance: &Instance) -> Result<bool> {
    Ok(instance.host_path(STOPPED_FLAG)?.exists())
}

/// The state that the agent reports: `running`, `starting`, `failing`, `stopped`.
pub fn state_of(instance: &Instance) -> Result<&'static str> {
    if is_stopped(instance)? {
        return Ok("stopped");
    }
    Ok(instance.monit_status()?.agent_state())
}

/// What monit says. It answers nothing for a moment after it was killed to read its files again; the
/// agent tries again for as long (bosh-agent `jobsupervisor/monit/monit_retry_strategy.go`).
pub fn status(machine: &Machine) -> Result<MonitStatus> {
    let deadline = Instant::now() + ANSWER_LIMIT;
    loop {
        match machine.instance.monit_status() {
            Err(solo_instance::Error::Monit { .. }) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(250));
            }
            answer => return Ok(answer?),
        }
    }
}

/// Whether monit has any service at all.
pub fn has_services(machine: &Machine) -> Result<bool> {
    Ok(!status(machine)?.services.is_empty())
}

/// Takes every service out of monit's watch, so that nothing is restarted while it drains.
pub fn unmonitor(machine: &Machine) -> Result<()> {
    for service in status(machine)?.services {
        command(machine, &["unmonitor", &service.name])?;
    }
    Ok(())
}

/// Waits while any service is `busy`; false when the time is over.
pub fn wait_while(
    machine: &Machine,
    deadline: Instant,
    what: &str,
    busy: impl Fn(&MonitService) -> bool,
) -> Result<bool> {
    let mut next_word = Instant::now() + STILL_WAITING;
    loop {
        let services = status(machine)?.services;
        if what == "run" {
            refuse_errored(machine, &services)?;
        }
        let names: Vec<&str> = services
            .iter()
            .filter(|service| busy(service))
            .map(|service| service.name.as_str())
            .collect();
        if names.is_empty() {
            return Ok(true);
        }
        let names = names.join(", ");
        if Instant::now() >= deadline {
            machine.progress.warn(&format!(
                "{}: services {names} still {what} after 5 minutes; a director goes on here, and so does this",
                machine.name
            ));
            return Ok(false);
        }
        if Instant::now() >= next_word {
            machine.progress.say(&format!(
                "{}: L services {names} still {what}",
                machine.name
            ));
            next_word += STILL_WAITING;
        }
        thread::sleep(Duration::from_millis(500));
    }
}

pub fn refuse_errored(machine: &Machine, services: &[MonitService]) -> Result<()> {
    let errored: Vec<String> = services
        .iter()
        .filter(|service| service.errored)
        .map(|service| format!("{} ({})", service.name, service.message))
        .collect();
    if errored.is_empty() {
        return Ok(());
    }
    Err(anyhow!("{}: stopping services {} errored", machine.name, errored.join(", ")))
        .hint("a stop program that outlives its `with timeout` (30 s unless the monit file says otherwise) ends so")
}

/// Looks at the instance in the director's rhythm until it runs (director: `starter.rb`).
pub fn wait_until_running(machine: &Machine, watch: WatchTime) -> Result<()> {
    for pause in watch.schedule() {
        thread::sleep(pause);
        if status(machine)?.agent_state() == "running" {
            return Ok(());
        }
    }
    let services = status(machine)?.services;
    let failing: Vec<String> = services
        .iter()
        .filter(|service| service.state != ServiceState::Running)
        .map(|service| match service.message.as_str() {
            "" => format!("{} ({})", service.name, service.state.as_str()),
            message => format!("{} ({}: {message})", service.name, service.state.as_str()),
        })
        .collect();
    if failing.is_empty() {
        return Ok(());
    }
    Err(anyhow!(
        "`{}` is not running after update. Review logs for failed jobs: {}",
        machine.name,
        failing.join(", ")
    ))
    .hint(format!(
        "it was watched for {} s; `bosh-solo logs` collects the logs, `bosh-solo ssh -c 'monit summary'` shows monit's view",
        watch.longest().as_secs()
    ))
}

/// Runs monit's command line.
pub fn command(machine: &Machine, arguments: &[&str]) -> Result<()> {
    let output = machine.instance.monit(arguments)?;
    if !output.status.success() {
        bail!(
            "{}: monit {} ended with {}: {}{}",
            machine.name,
            arguments.join(" "),
            output.status,
            output.stdout_text().trim(),
            output.stderr_text().trim()
        );
    }
    Ok(())
}
