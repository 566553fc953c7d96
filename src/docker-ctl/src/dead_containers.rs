//! Containers that the engine calls running although their process is gone: it has missed their end while it had no containerd.

use std::time::Duration;

use bosh_job::ErrorReport;
use bosh_job::{ContainerProcesses, ExitCode, Gone, Paths, Pidfile};
use docker_engine::{Container, Engine, Filters, Status};
use state_files::{State, Verdict};

use crate::project::PROJECT_LABEL;
use state_files::AppliedProject;

/// How long the engine may take to learn of an end in order.
const NEWS: Duration = Duration::from_secs(1);

/// What the kernel shows of the containers' processes.
pub fn processes(paths: &Paths) -> ContainerProcesses {
    ContainerProcesses::of(&Pidfile::new(paths.dockerd_pidfile()))
}

/// Why a container is dead that the engine says runs. One that has just ended is looked at twice.
pub fn gone(
    processes: &ContainerProcesses,
    engine: &Engine,
    container: &Container,
) -> docker_engine::Result<Option<Gone>> {
    if look(processes, container).is_none() {
        return Ok(None);
    }
    std::thread::sleep(NEWS);
    match engine.inspect_container(&container.id) {
        Ok(container) => Ok(look(processes, &container)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

fn look(processes: &ContainerProcesses, container: &Container) -> Option<Gone> {
    let state = &container.state;
    matches!(state.status, Status::Running | Status::Paused)
        .then(|| processes.gone(state.pid, &container.id))
        .flatten()
}

/// Errors for the containers of the recipe that are dead although the engine says that they run.
pub fn of_recipe(paths: &Paths) -> docker_engine::Result<Vec<ErrorReport>> {
    let Some(project) = AppliedProject::name(paths) else {
        return Ok(Vec::new());
    };
    let (engine, processes) = (Engine::new(paths.socket()), processes(paths));
    let filters = Filters::default().label(format!("{PROJECT_LABEL}={}", project.as_str()));
    let mut errors = Vec::new();
    for summary in engine.containers(&filters)? {
        let container = match engine.inspect_container(&summary.id) {
            Err(error) if error.is_not_found() => continue,
            other => other?,
        };
        if let Some(gone) = gone(&processes, &engine, &container)? {
            errors.push(error(container.name(), &gone));
        }
    }
    Ok(errors)
}

/// The names of the containers that pass the filters and whose processes live, as far as that can be told.
pub fn living(
    paths: &Paths,
    engine: &Engine,
    filters: &Filters,
) -> docker_engine::Result<Vec<String>> {
    let processes = processes(paths);
    let mut names = Vec::new();
    for summary in engine.containers(filters)? {
        match engine.inspect_container(&summary.id) {
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
            Ok(container) => {
                let runs = matches!(container.state.status, Status::Running | Status::Paused);
                if runs && look(&processes, &container).is_none() {
                    names.push(container.name().to_owned());
                }
            }
        }
    }
    Ok(names)
}

/// What is told of one.
pub fn error(container: &str, gone: &impl std::fmt::Display) -> ErrorReport {
    ErrorReport {
        what: format!("container {container} is dead: {gone}, although the engine calls it running"),
        hint: Some(
            "compose-runner has the engine notice it, and starts it again as its restart policy says; see compose-runner.log"
                .to_owned(),
        ),
        ..ErrorReport::default()
    }
}

/// The verdict, with dead containers that its runner has not seen yet: it is not up over them.
pub fn correct(verdict: &mut Verdict, dead: Vec<ErrorReport>) {
    if verdict.state == State::Up && !dead.is_empty() {
        verdict.state = State::Failed;
        verdict.exit_code = ExitCode::Unhealthy;
        verdict.errors.extend(dead);
    }
}
