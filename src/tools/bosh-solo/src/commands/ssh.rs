//! `ssh`: a shell or a command on an instance; its exit code is ours.

use super::Environment;
use crate::cli::Ssh;
use crate::hint::Hint;
use crate::selector::{select, select_one};
use anyhow::{Context, Result, anyhow};
use solo_instance::{Host, Instance};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

/// Runs it. A command for several instances runs on each in turn; the first failure is the result.
pub fn run(environment: &Environment, arguments: &Ssh) -> Result<ExitCode> {
    let host = environment.host()?;
    let (name, record) = environment.record(&host)?;
    let argv = match (&arguments.command, arguments.program.is_empty()) {
        (Some(command), _) => ["/bin/bash", "-c", command].map(str::to_owned).to_vec(),
        (None, _) => arguments.program.clone(),
    };
    let selector = arguments.instance.as_deref();
    let instances = if argv.is_empty() {
        vec![select_one(&record, selector)?]
    } else {
        select(&record, selector)?
    };
    let mut first_failure = ExitCode::SUCCESS;
    let mut failed = false;
    for chosen in &instances {
        let instance = running(&host, &name, &chosen.group, chosen.index)?;
        if instances.len() > 1 {
            environment
                .progress
                .say(&format!("ssh {}", chosen.long_name()));
        }
        let status = instance
            .shell(&argv)
            .with_context(|| format!("running a command on {}", chosen.name()))?;
        if !status.success() && !failed {
            failed = true;
            first_failure = ExitCode::from(code_of(status));
        }
    }
    Ok(first_failure)
}

/// As a shell gives it: 128 and the signal's number when a signal ended the program.
fn code_of(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    u8::try_from(code).unwrap_or(255)
}

/// An instance that must run.
pub fn running(host: &Host, deployment: &str, group: &str, index: usize) -> Result<Instance> {
    let number = u32::try_from(index).context("an instance's index")?;
    let instance = host.instance(deployment, group, number)?;
    match instance {
        Some(instance) if instance.running()? => Ok(instance),
        _ => Err(anyhow!(
            "instance {group}/{index} of deployment `{deployment}` is not running"
        ))
        .hint("`bosh-solo start` boots it"),
    }
}
