//! `docker-ctl status`: the engine, the containers, and what became of the recipe.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use bosh_job::verdict::{ErrorReport, Refused, State, Verdict};
use bosh_job::{ExitCode, Paths};
use docker_engine::{Engine, Filters, HealthStatus, ImageStore};
use serde::Serialize;

/// Form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// For people.
    Table,
    /// For programs.
    Json,
}

#[derive(Serialize)]
struct Report {
    engine: Option<EngineReport>,
    engine_error: Option<String>,
    containers: Vec<ContainerReport>,
    verdict: Option<Verdict>,
    refused: Option<Refused>,
}

#[derive(Serialize)]
struct EngineReport {
    version: String,
    api_version: String,
    image_store: &'static str,
    storage_driver: String,
    live_restore: bool,
}

#[derive(Serialize)]
struct ContainerReport {
    name: String,
    project: Option<String>,
    service: Option<String>,
    image: String,
    state: &'static str,
    health: Option<&'static str>,
    restarts: u64,
    exit_code: i64,
    started_at: String,
}

/// Prints the status. Fails if the engine does not answer; else says how the recipe is.
pub fn run(paths: &Paths, form: Form) -> anyhow::Result<ExitCode> {
    let report = look(paths)?;
    let text = match form {
        Form::Json => serde_json::to_string_pretty(&report)?,
        Form::Table => table(&report),
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
    let engine = Engine::new(paths.socket());
    let seen = engine
        .ping(Duration::from_secs(5))
        .map_err(anyhow::Error::from)
        .and_then(|_| look_at_engine(&engine));
    let (report, containers, engine_error) = match seen {
        Ok((report, containers)) => (Some(report), containers, None),
        Err(error) => (None, Vec::new(), Some(format!("{error:#}"))),
    };
    Ok(Report {
        engine: report,
        engine_error,
        containers,
        verdict: Verdict::read(&paths.verdict())?,
        refused: Refused::read(&paths.refused())?,
    })
}

fn look_at_engine(engine: &Engine) -> anyhow::Result<(EngineReport, Vec<ContainerReport>)> {
    let info = engine.info()?;
    let report = EngineReport {
        version: engine.version()?.version,
        api_version: engine.api_version()?.to_string(),
        image_store: match info.image_store() {
            ImageStore::Containerd => "containerd",
            ImageStore::GraphDriver => "graphdriver",
        },
        storage_driver: info.driver,
        live_restore: info.live_restore_enabled,
    };
    let mut containers = Vec::new();
    for summary in engine.containers(&Filters::all())? {
        // one that is removed meanwhile is not there
        let container = match engine.inspect_container(&summary.id) {
            Err(error) if error.is_not_found() => continue,
            other => other?,
        };
        let label = |name: &str| summary.labels.get(name).cloned();
        containers.push(ContainerReport {
            name: container.name().to_owned(),
            project: label("com.docker.compose.project"),
            service: label("com.docker.compose.service"),
            image: summary.image.clone(),
            state: container.state.status.word(),
            health: container
                .state
                .health
                .as_ref()
                .and_then(|health| match health.status {
                    HealthStatus::Starting => Some("starting"),
                    HealthStatus::Healthy => Some("healthy"),
                    HealthStatus::Unhealthy => Some("unhealthy"),
                    HealthStatus::None => None,
                }),
            restarts: container.restart_count,
            exit_code: container.state.exit_code,
            started_at: container.state.started_at,
        });
    }
    containers.sort_by(|one, other| one.name.cmp(&other.name));
    Ok((report, containers))
}

fn table(report: &Report) -> String {
    let mut lines = Vec::new();
    match (&report.engine, &report.engine_error) {
        (Some(engine), _) => lines.push(format!(
            "engine: {} (API {}), {} image store ({})",
            engine.version, engine.api_version, engine.image_store, engine.storage_driver
        )),
        (None, error) => lines.push(format!(
            "engine: down: {}",
            error.as_deref().unwrap_or("unknown")
        )),
    }
    if let Some(refused) = &report.refused {
        lines.push("daemon settings: refused".to_owned());
        lines.extend(
            refused
                .errors
                .iter()
                .flat_map(ErrorReport::lines)
                .map(|line| format!("  {line}")),
        );
    }
    if let Some(verdict) = &report.verdict {
        let word = match verdict.state {
            State::Starting => "starting",
            State::Up => "up",
            State::Failed => "failed",
        };
        lines.push(format!("recipe: {word} since {}", verdict.since));
        lines.extend(
            verdict
                .errors
                .iter()
                .flat_map(ErrorReport::lines)
                .map(|line| format!("  {line}")),
        );
    }
    if !report.containers.is_empty() {
        lines.push(String::new());
        lines.extend(columns(report));
    }
    lines.join("\n")
}

fn columns(report: &Report) -> Vec<String> {
    let mut rows = vec![
        [
            "CONTAINER",
            "SERVICE",
            "STATE",
            "HEALTH",
            "RESTARTS",
            "IMAGE",
        ]
        .map(str::to_owned),
    ];
    rows.extend(report.containers.iter().map(|container| {
        [
            container.name.clone(),
            container.service.clone().unwrap_or_else(|| "-".to_owned()),
            if container.state == "exited" {
                format!("exited ({})", container.exit_code)
            } else {
                container.state.to_owned()
            },
            container.health.unwrap_or("-").to_owned(),
            container.restarts.to_string(),
            container.image.clone(),
        ]
    }));
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..6).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_engine_recipe_and_containers() {
        let report = Report {
            engine: Some(EngineReport {
                version: "26.1.5".to_owned(),
                api_version: "1.45".to_owned(),
                image_store: "graphdriver",
                storage_driver: "overlay2".to_owned(),
                live_restore: true,
            }),
            engine_error: None,
            containers: vec![ContainerReport {
                name: "running-web-1".to_owned(),
                project: Some("running".to_owned()),
                service: Some("web".to_owned()),
                image: "busybox:1".to_owned(),
                state: "exited",
                health: None,
                restarts: 2,
                exit_code: 7,
                started_at: String::new(),
            }],
            verdict: None,
            refused: None,
        };
        let text = table(&report);
        let expected = "engine: 26.1.5 (API 1.45), graphdriver image store (overlay2)\n\n\
            CONTAINER      SERVICE  STATE       HEALTH  RESTARTS  IMAGE\n\
            running-web-1  web      exited (7)  -       2         busybox:1";
        assert_eq!(text, expected);
    }

    #[test]
    fn an_engine_that_is_down_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let report = look(&Paths::new(dir.path())).unwrap();
        assert!(
            table(&report).starts_with("engine: down: "),
            "{}",
            table(&report)
        );
    }
}
