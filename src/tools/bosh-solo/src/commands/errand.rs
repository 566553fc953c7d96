//! `run-errand` and `errands`.

use super::{Environment, deploy, logs, print_tables, print_tables_and};
use crate::cli::RunErrand;
use crate::engine::{self, Ended, Errand};
use crate::table::Table;
use anyhow::{Result, anyhow};
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs an errand and says how it ended on each instance (bosh-cli `cmd/run_errand.go`).
pub fn run(environment: &Environment, arguments: &RunErrand) -> Result<ExitCode> {
    let host = environment.host()?;
    let mut deployment = environment.open(&host)?;
    let plan = deploy::last_plan(environment, &deployment)?;
    let errand = Errand {
        name: arguments.name.clone(),
        instances: arguments.instance.clone(),
        keep_alive: arguments.keep_alive,
        when_changed: arguments.when_changed,
    };
    let mut tarballs: Vec<PathBuf> = Vec::new();
    let ended = engine::run_errand(&mut deployment, &plan, &errand, |record, instance| {
        if arguments.download_logs {
            let label = format!("{}.{}.{}", errand.name, record.group, record.index);
            tarballs.push(logs::collect(instance, &label, &arguments.logs_dir)?);
        }
        Ok(())
    })?;
    let Some(mut ended) = ended else {
        environment.progress.say("skipped - no changes detected");
        print_tables(environment, &[table_of(&[])])?;
        return Ok(ExitCode::SUCCESS);
    };
    ended.sort_by_key(|one| one.record.group.clone() + "/" + &one.record.id);
    let verdict = verdict(&errand.name, &ended);
    let end = verdict.as_ref().err().map(ToString::to_string);
    let end = end.unwrap_or_else(|| "Succeeded".to_owned());
    print_tables_and(environment, &[table_of(&ended)], &end)?;
    for tarball in tarballs {
        environment
            .progress
            .say(&format!("Downloaded logs to {}", tarball.display()));
    }
    verdict.map(|()| ExitCode::SUCCESS)
}

/// An error unless it ended with 0 everywhere; the worst exit code counts.
fn verdict(name: &str, ended: &[Ended]) -> Result<()> {
    let codes = ended.iter().map(|one| one.output.code());
    match codes.max_by_key(|code| code.unsigned_abs()) {
        None | Some(0) => Ok(()),
        Some(code) if code > 128 => Err(anyhow!("errand '{name}' was canceled (exit code {code})")),
        Some(code) => Err(anyhow!(
            "errand '{name}' completed with error (exit code {code})"
        )),
    }
}

fn table_of(ended: &[Ended]) -> Table {
    let headers = vec!["Instance", "Exit Code", "Stdout", "Stderr"];
    let mut table = Table::new("errand(s)", None, headers).transposed();
    for one in ended {
        table.row(vec![
            format!("{}/{}", one.record.group, one.record.id),
            one.output.code().to_string(),
            one.output.stdout_text(),
            one.output.stderr_text(),
        ]);
    }
    table
}

/// Lists what `run-errand` can run.
pub fn list(environment: &Environment) -> Result<()> {
    let host = environment.host()?;
    let deployment = environment.open(&host)?;
    let plan = deploy::last_plan(environment, &deployment)?;
    let mut table = Table::new("errands", None, vec!["Name"]);
    for name in engine::errand_names(&plan) {
        table.row(vec![name]);
    }
    print_tables(environment, &[table])
}
