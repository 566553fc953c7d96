//! `docker-ctl wait`, which is post-start: a deploy is green only when the daemon's settings were taken and the recipe is up.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use bosh_job::command::{End, Followed};
use bosh_job::{Advise, ExitCode, Paths, Pid, Process};
use docker_engine::Engine;
use job_properties::{JobConfig, Supervision};
use recipe::Recipe;
use state_files::KeptRecipe;
use state_files::Marker;
use state_files::ReportFile;
use state_files::{ImageLedger, StateFile as _};
use state_files::{Refused, State, Verdict};
use tracing::{info, warn};

use crate::{dead_containers, dockerd, project, refusals, start};
use state_files::AppliedProject;

/// Waits, and says what came of it. From then on what is wrong shows: the deploy has its error.
pub fn run(paths: &Paths, config: anyhow::Result<JobConfig>) -> anyhow::Result<ExitCode> {
    let waited = config.and_then(|config| wait(paths, &config));
    Marker::new(paths.deploying())
        .clear()
        .context("removing the marker of a deploy")?;
    waited
}

fn wait(paths: &Paths, config: &JobConfig) -> anyhow::Result<ExitCode> {
    if !refusals::only_late(paths)?
        && let Some(refused) = refusals::current(paths)?
    {
        return Ok(report_refusal(&refused));
    }
    let supervision = config.supervision()?;
    let recipe = Recipe::parse(&config.recipe)?;
    let deadline = Instant::now() + supervision.start_timeout;
    Engine::new(paths.socket())
        .wait_ready(deadline)
        .with_context(|| {
            format!(
                "dockerd did not answer within {} s (`start_timeout`)",
                supervision.start_timeout.as_secs()
            )
        })
        .hint("see docker-ctl.log and dockerd.log in the job's log directory")?;
    refusals::settle_late(paths)?;
    if let Some(refused) = refusals::current(paths)? {
        return Ok(report_refusal(&refused));
    }
    // The update is over. One whose stop was cut short has left it there, and monit starts nothing that still runs.
    Marker::new(paths.keep_containers()).clear()?;
    if start::is_outdated(paths, config)? {
        return Err(anyhow::anyhow!(
            "dockerd still runs on the previous settings: it did not stop in this update"
        ))
        .hint("deploy again, or kill dockerd: monit starts it on the new settings, and the containers run through it");
    }
    match recipe {
        Some(_) => for_verdict(paths, &supervision, deadline),
        None => without_recipe(paths, config, &supervision, deadline),
    }
}

fn report_refusal(refused: &Refused) -> ExitCode {
    let mut lines: Vec<String> = refused
        .errors
        .iter()
        .flat_map(bosh_job::ErrorReport::lines)
        .collect();
    lines.extend(refused.hint.iter().map(|hint| format!("hint: {hint}")));
    say(&lines);
    refused.exit_code
}

/// Without a recipe there is no compose-runner: the images of colocated jobs are imported here.
fn without_recipe(
    paths: &Paths,
    config: &JobConfig,
    supervision: &Supervision,
    deadline: Instant,
) -> anyhow::Result<ExitCode> {
    if let Some(project) = AppliedProject::name(paths) {
        info!(%project, "there is no recipe any more; removing its containers");
        project::compose(
            paths,
            &project,
            &["down", "--remove-orphans"],
            supervision.stop_timeout,
        )
        .context("removing the containers of the recipe that is gone")?;
        AppliedProject::remove(paths).context("forgetting the recipe that is gone")?;
    }
    // also those of one that was never brought up
    recipe::remove_files(paths)?;
    KeptRecipe::remove(paths).context("forgetting the recipe that was kept for a rollback")?;
    let code = import(paths, deadline)?;
    if code == ExitCode::Ok {
        remove_old_images(paths, config)?;
        say(&["dockerd is up; there is no recipe".to_owned()]);
    }
    Ok(code)
}

/// Without a recipe a deploy is healthy once its images are there.
fn remove_old_images(paths: &Paths, config: &JobConfig) -> anyhow::Result<()> {
    let mut ledger = ImageLedger::read(paths);
    ledger.note_deploy(BTreeSet::new());
    ledger.keep();
    if config.remove_old_images()?
        && let Err(error) = image_removal::remove_old(&mut ledger, &Engine::new(paths.socket()))
    {
        warn!("old images stay: {error}");
    }
    Ok(())
}

fn import(paths: &Paths, deadline: Instant) -> anyhow::Result<ExitCode> {
    let program = paths.program("image-importer");
    let mut command = Command::new(&program);
    command.env_clear().envs(dockerd::environment(paths));
    let report = ReportFile::of(&mut command, paths.root(), &paths.job_config())
        .context("making room for the report on images")?;
    let run = Followed::new(&mut command, deadline)
        .grace(Duration::from_secs(2))
        .run()
        .with_context(|| format!("starting {}", program.display()))?;
    let End::Exited(status) = run.end else {
        return Err(anyhow::anyhow!(
            "importing images took longer than `start_timeout`"
        ))
        .hint("raise `start_timeout`; what is imported already is not imported again");
    };
    if let Some(signal) = status.signal() {
        return Err(anyhow::anyhow!(
            "importing images: image-importer was killed by signal {signal}"
        ))
        .hint("see the kernel's log: the VM may have been out of memory; what is imported already is not imported again");
    }
    if status.success() {
        return Ok(ExitCode::Ok);
    }
    // Its errors stand above, on this program's stderr.
    let Some(report) = report.read() else {
        say(&[format!(
            "error: importing images: image-importer gave no report ({status})"
        )]);
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        let code = code.and_then(|code| ExitCode::try_from(code).ok());
        return Ok(code.unwrap_or(ExitCode::Failed));
    };
    // a report that contradicts itself is not green
    Ok(match report.exit_code {
        ExitCode::Ok => ExitCode::Failed,
        code => code,
    })
}

fn for_verdict(
    paths: &Paths,
    supervision: &Supervision,
    mut deadline: Instant,
) -> anyhow::Result<ExitCode> {
    let mut last_seen = "there is no verdict".to_owned();
    let mut rolls_back = false;
    loop {
        match Verdict::read(paths) {
            Ok(Some(verdict)) if !is_alive(&verdict) => {
                "the compose-runner that wrote the verdict is gone".clone_into(&mut last_seen);
            }
            Ok(Some(verdict)) => match verdict.state {
                State::Up if any_is_dead(paths, &mut last_seen) => {}
                State::Up | State::Failed => return Ok(report(&verdict)),
                State::Starting => {
                    // The recipe that comes back has as long as the one that failed.
                    if verdict.rolled_back_to.is_some() && !rolls_back {
                        rolls_back = true;
                        deadline = Instant::now() + supervision.start_timeout;
                    }
                    last_seen = format!("the recipe has been starting since {}", verdict.since);
                }
            },
            Ok(None) => {}
            Err(error) => last_seen = error.to_string(),
        }
        if Instant::now() >= deadline {
            let limit = supervision.start_timeout.as_secs();
            return Err(anyhow::anyhow!("the recipe was not up within {limit} s (`start_timeout`): {last_seen}"))
                .hint("see compose-runner.log in the job's log directory; raise `start_timeout` if the recipe only needs longer");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Whether a container is dead that the engine, and with it the verdict, takes for one that runs, or may be. The runner sees it within seconds.
fn any_is_dead(paths: &Paths, last_seen: &mut String) -> bool {
    let dead = match dead_containers::of_recipe(paths) {
        Ok(dead) => dead,
        // Nobody knows. The runner tells of an engine that has gone, but not yet.
        Err(error) => {
            *last_seen = format!("whether its containers live is not known: {error}");
            return true;
        }
    };
    let Some(first) = dead.into_iter().next() else {
        return false;
    };
    *last_seen = first.what;
    true
}

fn is_alive(verdict: &Verdict) -> bool {
    Pid::from_raw(verdict.pid)
        .filter(|_| verdict.pid > 0)
        .and_then(Process::open)
        .is_some_and(|process| process.info().program() == "compose-runner")
}

fn report(verdict: &Verdict) -> ExitCode {
    let mut lines: Vec<String> = verdict
        .errors
        .iter()
        .flat_map(bosh_job::ErrorReport::lines)
        .chain(
            verdict
                .warnings
                .iter()
                .flat_map(|warning| warning.lines_as("warning")),
        )
        .collect();
    lines.push(match (&verdict.rolled_back_to, verdict.state) {
        (Some(time), _) => format!("the services are those of the recipe of {time}"),
        (None, State::Up) => "the recipe is up".to_owned(),
        (None, _) => "the recipe is not well".to_owned(),
    });
    for service in &verdict.services {
        let health = service
            .health
            .as_deref()
            .map(|health| format!(", {health}"))
            .unwrap_or_default();
        lines.push(format!(
            "  {}: {}{health}, {} restarts",
            service.name, service.state, service.restarts
        ));
    }
    say(&lines);
    match verdict.exit_code {
        // a verdict that contradicts itself is not green
        ExitCode::Ok if verdict.state == State::Failed => ExitCode::Failed,
        code => code,
    }
}

fn say(lines: &[String]) {
    // a closed stderr leaves nobody to tell
    let _ = writeln!(std::io::stderr().lock(), "{}", lines.join("\n"));
}
