//! Drain scripts and their protocol (bosh-agent `agent/script/drain`).

use super::scripts::{check_executable, in_parallel, jobs_with, script_path, summarize};
use super::{Machine, script_environment};
use crate::state::Applied;
use anyhow::{Context, Result, bail};
use serde_json::json;
use solo_instance::Exec;
use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

/// What a drain script is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drain {
    arguments: Vec<String>,
    state: String,
    next_state: Option<String>,
}

impl Drain {
    /// The instance is stopped, recreated or deleted, or its disk changes. `next` is its next state.
    pub fn shutdown(current: &Applied, next_disk_mb: u64) -> Self {
        Self {
            arguments: vec!["job_shutdown".to_owned(), "hash_unchanged".to_owned()],
            state: presented(current.persistent_disk_mb),
            next_state: Some(presented(next_disk_mb)),
        }
    }

    /// The instance's jobs are updated in place.
    pub fn update(current: &Applied, next: &Applied) -> Self {
        let job = if current.jobs.is_empty() {
            "job_new"
        } else {
            "job_changed"
        };
        let hash = match current.configuration_hash.as_str() {
            "" => "hash_new",
            hash if hash == next.configuration_hash => "hash_unchanged",
            _ => "hash_changed",
        };
        let mut arguments = vec![job.to_owned(), hash.to_owned()];
        arguments.extend(updated_packages(&current.packages, &next.packages));
        Self {
            arguments,
            state: presented(current.persistent_disk_mb),
            next_state: Some(presented(next.persistent_disk_mb)),
        }
    }

    /// What the calls after a negative answer say.
    fn status(&self) -> Self {
        Self {
            arguments: vec!["job_check_status".to_owned(), "hash_unchanged".to_owned()],
            state: self.state.clone(),
            next_state: None,
        }
    }
}

fn updated_packages(
    current: &BTreeMap<String, String>,
    next: &BTreeMap<String, String>,
) -> Vec<String> {
    next.iter()
        .filter(|(name, version)| current.get(*name) != Some(*version))
        .map(|(name, _)| name.clone())
        .collect()
}

fn presented(persistent_disk_mb: u64) -> String {
    json!({"persistent_disk": persistent_disk_mb}).to_string()
}

/// Runs the drain scripts of all jobs in parallel, each until it says that it is done.
pub fn run(machine: &Machine, jobs: &[String], drain: &Drain) -> Result<()> {
    let present = jobs_with(machine, jobs, "drain")?;
    if present.is_empty() {
        return Ok(());
    }
    machine.progress.say(&format!(
        "{}: L executing drain: {}",
        machine.name,
        present.join(", ")
    ));
    let failures = in_parallel(&present, |job| run_one(machine, job, drain));
    summarize(machine, "drain", &present, &failures)
}

fn run_one(machine: &Machine, job: &str, drain: &Drain) -> Result<()> {
    let mut said = drain.clone();
    loop {
        let value = call(machine, job, &said)?;
        if value != 0 {
            machine.progress.say(&format!(
                "{}: L drain of {job} answers {value}: waiting {} s",
                machine.name,
                value.unsigned_abs()
            ));
        }
        thread::sleep(Duration::from_secs(u64::from(value.unsigned_abs())));
        if value >= 0 {
            return Ok(());
        }
        said = said.status();
    }
}

fn call(machine: &Machine, job: &str, drain: &Drain) -> Result<i32> {
    let path = script_path(job, "drain");
    check_executable(&machine.instance.host_path(&path)?)?;
    let argv = std::iter::once(path.clone()).chain(drain.arguments.iter().cloned());
    let mut exec = Exec::new(argv);
    exec.env = script_environment();
    exec.env
        .push(("BOSH_JOB_STATE".to_owned(), drain.state.clone()));
    if let Some(next) = &drain.next_state {
        exec.env
            .push(("BOSH_JOB_NEXT_STATE".to_owned(), next.clone()));
    }
    let output = machine
        .instance
        .exec(exec)
        .with_context(|| format!("running {path}"))?;
    // The exit code does not matter as long as there is an integer.
    let Ok(value) = output.stdout_text().trim().parse() else {
        bail!(
            "script did not return a signed integer: {path} {} ended with {}; standard output {:?}, standard error {:?}",
            drain.arguments.join(" "),
            output.status,
            last_line(&output.stdout_text()),
            last_line(&output.stderr_text())
        );
    };
    Ok(value)
}

fn last_line(text: &str) -> &str {
    text.trim_end().lines().last().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(hash: &str, packages: &[(&str, &str)]) -> Applied {
        Applied {
            jobs: vec![("j".to_owned(), hash.to_owned())],
            packages: packages
                .iter()
                .map(|(name, version)| ((*name).to_owned(), (*version).to_owned()))
                .collect(),
            configuration_hash: hash.to_owned(),
            persistent_disk_mb: 100,
        }
    }

    #[test]
    fn an_update_names_what_changed_and_the_new_packages() {
        let current = applied("1", &[("a", "1"), ("b", "1"), ("gone", "1")]);
        let next = applied("2", &[("a", "1"), ("b", "2"), ("c", "1")]);
        assert_eq!(
            Drain::update(&current, &next).arguments,
            ["job_changed", "hash_changed", "b", "c"]
        );
        assert_eq!(
            Drain::update(&current, &current).arguments,
            ["job_changed", "hash_unchanged"]
        );
        assert_eq!(
            Drain::update(&Applied::default(), &next).arguments,
            ["job_new", "hash_new", "a", "b", "c"]
        );
    }

    #[test]
    fn a_status_call_says_nothing_of_the_next_state() {
        let drain = Drain::shutdown(&applied("1", &[]), 0);
        assert_eq!(drain.arguments, ["job_shutdown", "hash_unchanged"]);
        assert_eq!(drain.state, r#"{"persistent_disk":100}"#);
        assert_eq!(
            drain.next_state.as_deref(),
            Some(r#"{"persistent_disk":0}"#)
        );
        let status = drain.status();
        assert_eq!(status.arguments, ["job_check_status", "hash_unchanged"]);
        assert_eq!(status.next_state, None);
    }
}
