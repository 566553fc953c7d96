//! `delete-deployment`.

use super::Environment;
use crate::cli::DeleteDeployment;
use crate::engine::{self, Deployment};
use crate::hint::Hint;
use anyhow::{Context, Result, anyhow, bail};
use solo_instance::DiskFate;
use std::io::{BufRead, IsTerminal, Write};

/// Asks, unless told not to, and deletes.
pub fn run(environment: &Environment, arguments: &DeleteDeployment) -> Result<()> {
    let host = environment.host()?;
    let progress = &environment.progress;
    if let Some(name) = &environment.global.deployment
        && !Environment::deployments(&host)?.contains(name)
    {
        // A deploy that failed early may have left something that no record tells of.
        let _deployment = Deployment::open(name, &host, &environment.state_directory()?, progress)?;
        host.delete_deployment(name, DiskFate::Delete)?;
        progress.say(&format!("deployment `{name}` does not exist"));
        return Ok(());
    }
    let mut deployment = environment.open(&host)?;
    if !environment.global.non_interactive {
        confirm(&deployment.name)?;
    }
    engine::delete_deployment(&mut deployment, arguments.force)?;
    progress.say("Succeeded");
    Ok(())
}

fn confirm(name: &str) -> Result<()> {
    if !std::io::stdin().is_terminal() {
        return Err(anyhow!(
            "nobody is there to confirm the deletion of deployment `{name}`"
        ))
        .hint("`-n` deletes without a question");
    }
    let mut errors = std::io::stderr().lock();
    write!(errors, "Delete deployment `{name}` with its disks? [yN]: ").context("asking")?;
    errors.flush().context("asking")?;
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .context("reading the answer")?;
    if !["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
        bail!("stopped");
    }
    Ok(())
}
