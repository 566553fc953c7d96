//! `docker-ctl status`: the engine, the containers, the disk, and what became of the recipe.

mod disk;
mod engine;
mod table;

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use bosh_job::ErrorReport;
use bosh_job::{ExitCode, Paths, visible};
use disk::DiskReport;
use docker_engine::Engine;
use engine::{ContainerReport, EngineReport};
use serde::Serialize;
use state_files::{Refused, State, StateFile as _, Verdict};

use crate::data_root::{self, Unseen};
use crate::{dead_containers, refusals};
use state_files::AppliedProject;

/// How long data of the other image store are counted.
const COUNTING: Duration = Duration::from_secs(20);

/// Form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// The JSON form, as docs/operations.md describes it.
#[derive(Serialize)]
struct Report {
    engine: Option<EngineReport>,
    engine_error: Option<String>,
    containers: Vec<ContainerReport>,
    disk: DiskReport,
    /// What the data root holds of the image store that is not in use.
    unseen: Option<Unseen>,
    verdict: Option<Verdict>,
    refused: Option<Refused>,
}

/// Prints the status. Fails if the engine does not answer; else says how the recipe is.
pub fn run(paths: &Paths, form: Form) -> anyhow::Result<ExitCode> {
    let report = look(paths)?;
    let text = match form {
        Form::Json => serde_json::to_string_pretty(&report)?,
        Form::Table => visible(&table::of(&report)).into_owned(),
    };
    writeln!(std::io::stdout().lock(), "{}", text.trim_end()).context("writing to stdout")?;
    let refused = report.refused.as_ref().map(|refused| refused.exit_code);
    let failed = report
        .verdict
        .as_ref()
        .filter(|verdict| verdict.state == State::Failed)
        .map(|verdict| verdict.exit_code);
    let down = report.engine.is_none().then_some(ExitCode::Failed);
    Ok(down.or(refused).or(failed).unwrap_or(ExitCode::Ok))
}

fn look(paths: &Paths) -> anyhow::Result<Report> {
    let client = Engine::new(paths.socket());
    let seen = client
        .ping(Duration::from_secs(5))
        .map_err(anyhow::Error::from)
        .and_then(|_| engine::look(&client, &dead_containers::processes(paths)));
    let (engine, containers, engine_error) = match seen {
        Ok((report, containers)) => (Some(report), containers, None),
        Err(error) => (None, Vec::new(), Some(format!("{error:#}"))),
    };
    let mut verdict = Verdict::read(paths)?;
    if let Some(verdict) = &mut verdict {
        dead_containers::correct(verdict, dead_of_recipe(paths, &containers));
    }
    let unseen = engine.as_ref().and_then(|engine: &EngineReport| {
        data_root::unseen(paths, engine.store, &engine.storage_driver, COUNTING)
    });
    Ok(Report {
        unseen,
        disk: disk::look(paths, engine.is_some().then_some(&client)),
        engine,
        engine_error,
        containers,
        verdict,
        refused: refusals::current(paths)?,
    })
}

fn dead_of_recipe(paths: &Paths, containers: &[ContainerReport]) -> Vec<ErrorReport> {
    let project = AppliedProject::name(paths);
    let project = project.as_ref().map(recipe::ProjectName::as_str);
    let of_recipe = containers
        .iter()
        .filter(|one| project.is_some() && one.project.as_deref() == project);
    of_recipe
        .filter_map(|one| Some(dead_containers::error(&one.name, one.gone.as_ref()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_is_down_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let report = look(&Paths::new(dir.path())).unwrap();
        let text = table::of(&report);
        assert!(text.starts_with("engine: down: "), "{text}");
    }
}
