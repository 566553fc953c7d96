//! `docker-ctl start`: all that dockerd needs, then dockerd, then its answer.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use bosh_job::{Advise, Paths, Pidfile, Process, report_error};
use docker_engine::Engine;
use job_properties::{Daemon, JobConfig, daemon_keys};
use recipe::{Recipe, write_files};
use state_files::KeptRecipe;
use state_files::Marker;
use tracing::{info, warn};

use crate::daemon_json::DaemonJson;
use crate::dockerd;
use crate::launch::{self, Failure};
use crate::refusals::{self, Refusals};
use crate::{
    cgroups, cleanup, cli_config, directories, foreign_containers, image_store, kernel,
    live_restore, lock, recreate_required, registry_authorities, registry_hosts, settings, stop,
    usual_socket,
};

/// monit gives a start 100 s; past that a deploy fails without a word of why.
const LIMIT: Duration = Duration::from_secs(90);
/// monit looks once a second for the process that a start program is to leave.
const MONIT_LOOK: Duration = Duration::from_millis(1500);

/// Starts dockerd, unless it runs.
pub fn run(paths: &Paths, config: anyhow::Result<JobConfig>) -> anyhow::Result<()> {
    let deadline = Instant::now() + LIMIT;
    directories::make_run_dir(paths)?;
    let _lock = lock::take(paths, LIMIT)?;
    if let Some(process) = dockerd::running(paths) {
        if !answers(paths, &process, deadline)? {
            info!("the dockerd that ran has ended");
        } else if config
            .as_ref()
            .is_ok_and(|config| is_outdated(paths, config).is_ok_and(|outdated| !outdated))
        {
            forget_the_stop(paths)?;
            return already_running(paths, &process);
        } else {
            // a stop that was cut short has left it there; settings that are no good are told by the start
            info!("dockerd runs, and not on the settings that are asked for; restarting it");
            stop::leave_containers(paths, &process, false, deadline)?;
        }
    }
    info!("starting");
    Pidfile::new(paths.docker_pidfile())
        .remove()
        .context("removing the stale pidfile")?;
    forget_the_stop(paths)?;
    refusals::remove(paths)?;
    let mut refusals = Refusals::default();
    let begun = prepare(paths, &config).and_then(|()| {
        if let Ok(config) = &config
            && let Err(error) = write_recipe(paths, config)
        {
            report_error(&error);
            refusals.errors.push(error);
        }
        begin(paths, config, deadline, &mut refusals)
    });
    if let Err(error) = &begun {
        // for anyone who asks `docker-ctl wait` or `status` why; a full disk may be the reason for both
        if let Err(unwritten) = refusals.write(paths, Some(error), None) {
            report_error(&unwritten);
        }
        end_for_monit(paths)?;
    }
    begun
}

/// Has monit see that the start is over. It waits for a living process in the pidfile as long as its timeout lasts, does nothing else
/// meanwhile, and does not notice that this program ends (monit 5.2.5, `control.c`, `wait_start`). So the pidfile names this program
/// for a moment; monit then finds it gone, and tries again in its next cycle.
fn end_for_monit(paths: &Paths) -> anyhow::Result<()> {
    if dockerd::running(paths).is_some() {
        return Ok(());
    }
    let pidfile = Pidfile::new(paths.docker_pidfile());
    pidfile
        .write(rustix::process::getpid())
        .context("writing the pidfile")?;
    std::thread::sleep(MONIT_LOOK);
    pidfile.remove().context("removing the pidfile")
}

/// Clears the marks of what kind of stop the one before this start was.
fn forget_the_stop(paths: &Paths) -> anyhow::Result<()> {
    for mark in [paths.keep_containers(), paths.deleting(), paths.full_stop()] {
        Marker::new(mark).clear()?;
    }
    Ok(())
}

/// Makes all that dockerd needs but its settings.
fn prepare(paths: &Paths, config: &anyhow::Result<JobConfig>) -> anyhow::Result<()> {
    foreign_containers::end(paths)?;
    cleanup::end_stale_containerd(paths)?;
    cleanup::clear_network_namespaces(paths)?;
    directories::make(paths)?;
    usual_socket::offer(paths);
    cli_config::make(paths)?;
    directories::clear_tmp(paths)?;
    cgroups::mount_missing(paths.root())?;
    set_kernel(config)
}

/// Whether a dockerd that runs answers; `false` if it ends instead, as one does whose stop was cut short.
fn answers(paths: &Paths, process: &Process, deadline: Instant) -> anyhow::Result<bool> {
    let engine = Engine::new(paths.socket());
    loop {
        let patience = (Instant::now() + Duration::from_millis(500)).min(deadline);
        let Err(error) = engine.wait_ready(patience) else {
            return Ok(true);
        };
        if !process.is_alive() {
            return Ok(false);
        }
        let passes = error.is_engine_trouble() || error.status().is_some();
        if Instant::now() >= deadline || !passes {
            return Err(error)
                .context("dockerd runs and does not answer")
                .hint("have monit restart it: monit restart docker");
        }
    }
}

/// Whether a dockerd that runs does so on other settings than the properties ask for. Addresses that the job chose do not count:
/// they may be others now, since containers and operators add routes to the VM.
pub fn is_outdated(paths: &Paths, config: &JobConfig) -> anyhow::Result<bool> {
    let (_, wanted) = settings::wanted(paths, config)?;
    let networks = config.networks()?;
    let chosen: &[&str] = match (networks.pools.is_empty(), networks.bip) {
        (false, _) => &[],
        (true, Some(_)) => &[daemon_keys::ADDRESS_POOLS],
        (true, None) => &[daemon_keys::ADDRESS_POOLS, daemon_keys::BIP],
    };
    // live-restore: a full stop has turned it off, was cut short, and it is turned on again
    let comparable = |json: DaemonJson| json.with_live_restore(true).without(chosen);
    let now = DaemonJson::read(&paths.daemon_json()).map(|now| image_store::keep(paths, now));
    Ok(now.is_some_and(|now| comparable(now) != comparable(wanted)))
}

fn already_running(paths: &Paths, process: &Process) -> anyhow::Result<()> {
    let engine = Engine::new(paths.socket());
    let pidfile = Pidfile::new(paths.docker_pidfile());
    if pidfile.read() != Some(process.pid()) {
        pidfile.write(process.pid())?;
    }
    // a full stop that was cut short has left it off
    if !engine
        .info()
        .context("asking dockerd for its settings")?
        .live_restore_enabled
    {
        live_restore::set(paths, process, &engine, true, Duration::from_secs(5))?;
    }
    // it came up after an earlier start had given up waiting, or was ended
    refusals::settle_late(paths)?;
    if DaemonJson::last_good(paths).is_none()
        && let Some(in_place) = DaemonJson::read(&paths.daemon_json())
    {
        settings::remember(paths, &in_place)?;
    }
    info!(pid = process.pid().as_raw_nonzero(), "dockerd runs already");
    Ok(())
}

/// What the VM's kernel must allow. Settings that are refused later change nothing here.
fn set_kernel(config: &anyhow::Result<JobConfig>) -> anyhow::Result<()> {
    let daemon = config.as_ref().ok().and_then(|config| config.daemon().ok());
    let proc = Path::new("/proc");
    let may_forward =
        |daemon: &Daemon| daemon.options.get(daemon_keys::IP_FORWARD) != Some(&false.into());
    if daemon.as_ref().is_none_or(may_forward) {
        kernel::enable_ip_forward(proc)?;
    }
    if let Some(mappings) = daemon.and_then(|daemon| daemon.max_map_count) {
        kernel::raise_max_map_count(proc, mappings)?;
    }
    Ok(())
}

/// Puts the recipe's files on disk before dockerd is there: it starts containers of old at once, and a missing bind
/// source would become a directory. A recipe that is no good is for compose-runner to refuse; its files stay as they are.
/// After a rollback the files are those of the recipe that came back.
fn write_recipe(paths: &Paths, config: &JobConfig) -> anyhow::Result<()> {
    let kept = KeptRecipe::in_force(paths, config).map(|(kept, _)| kept.recipe);
    match Recipe::parse(kept.as_ref().unwrap_or(&config.recipe)) {
        Ok(Some(recipe)) => {
            let done = write_files(&recipe, paths)?;
            if !done.written.is_empty() || !done.removed.is_empty() {
                info!(
                    written = done.written.len(),
                    removed = done.removed.len(),
                    "recipe's files written"
                );
            }
        }
        Ok(None) => {}
        Err(problems) => warn!(
            problems = problems.iter().count(),
            "the recipe is refused; its files stay as they are"
        ),
    }
    Ok(())
}

/// Starts dockerd on the settings that the properties ask for, or, if these are no good, on the last good ones.
fn begin(
    paths: &Paths,
    config: anyhow::Result<JobConfig>,
    deadline: Instant,
    refusals: &mut Refusals,
) -> anyhow::Result<()> {
    image_store::check_engine(paths, &config)?;
    let last_good = DaemonJson::last_good(paths).map(|good| image_store::keep(paths, good));
    let wanted = config.and_then(|config| settings::checked(paths, &config));
    let error = match wanted {
        Ok((daemon, json)) => {
            // before dockerd is there: compose-runner may pull as soon as it answers
            registry_authorities::update(paths, &daemon.registries)?;
            registry_hosts::update(paths, &daemon.registries)?;
            cli_config::update(paths, &daemon)?;
            if let Some(old) = &last_good {
                recreate_required::stop_containers_if_needed(paths, old, &json, deadline)?;
            }
            match start_on(paths, &json, deadline) {
                Ok(()) => {
                    settings::remember(paths, &json)?;
                    let is_asked = daemon.image_store.is_some();
                    let checked = image_store::check_running(paths, &json, is_asked);
                    refusals.errors.extend(checked.err());
                    return refusals.write(paths, None, None);
                }
                // a port that is taken, a certificate that does not fit its key, …
                Err(Failure::Ended(error))
                    if last_good.as_ref().is_some_and(|old| *old != json) =>
                {
                    error
                }
                Err(failure) => {
                    if matches!(failure, Failure::Silent(_)) {
                        refusals.late = dockerd::running(paths).map(|process| process.pid());
                    }
                    return Err(failure.into());
                }
            }
        }
        Err(error) => error,
    };
    let Some(last_good) = last_good else {
        return Err(error);
    };
    report_error(&error);
    warn!("starting dockerd on the settings that it last came up with");
    match start_on(paths, &last_good, deadline) {
        Ok(()) => {
            let hint = "dockerd and the containers run on with the settings that worked last; set the properties right and deploy again";
            refusals.write(paths, Some(&error), Some(hint))
        }
        Err(second) => Err(anyhow::Error::from(second))
            .context("dockerd does not come up on the settings that worked last either"),
    }
}

fn start_on(paths: &Paths, json: &DaemonJson, deadline: Instant) -> Result<(), Failure> {
    let begun = Instant::now();
    settings::put_in_place(paths, json).map_err(Failure::Silent)?;
    let mut started = launch::start(paths).map_err(Failure::Silent)?;
    match started.wait_until_up(paths, deadline) {
        // by the kernel, out of memory, or by an operator; monit would wait for its whole time before it tries again
        Err(Failure::Killed(error)) => {
            warn!("starting dockerd again: {error:#}");
            cleanup::end_stale_containerd(paths).map_err(Failure::Silent)?;
            let mut again = launch::start(paths).map_err(Failure::Silent)?;
            again.wait_until_up(paths, deadline)?;
        }
        done => done?,
    }
    info!(elapsed_ms = begun.elapsed().as_millis(), "dockerd answers");
    Ok(())
}
