//! The commands, one file each.

mod delete;
mod deploy;
mod errand;
mod instances;
mod interpolate;
mod logs;
mod operate;
mod ssh;
mod template;

use crate::cli::{Cli, Command, Global};
use crate::engine::{Deployment, Operation};
use crate::hint::Hint;
use crate::progress::Progress;
use crate::state::Record;
use crate::table::{self, Table};
use anyhow::{Context, Result, anyhow, bail};
use solo_instance::{Host, HostConfig};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// What commands share.
#[derive(Debug)]
pub struct Environment {
    global: Global,
    progress: Arc<Progress>,
}

/// Does what the command line asks for.
pub fn run(cli: Cli) -> Result<ExitCode> {
    let mut global = cli.global;
    global.deployment = global
        .deployment
        .or_else(solo_instance::environment::deployment);
    global.non_interactive |= solo_instance::environment::non_interactive();
    let environment = Environment {
        progress: Arc::new(Progress::new(global.no_color)),
        global,
    };
    let done = match cli.command {
        Command::Interpolate(arguments) => interpolate::run(&environment, arguments),
        Command::Template(arguments) => template::run(&arguments),
        Command::Deploy(arguments) => deploy::run(&environment, arguments),
        Command::Deployments => instances::list_deployments(&environment),
        Command::Instances(arguments) => instances::run(&environment, &arguments),
        Command::Logs(arguments) => logs::run(&environment, &arguments),
        Command::Start(select) => operate::run(&environment, &select, Operation::Start),
        Command::Stop(stop) => {
            let (hard, skip_drain) = (stop.hard, stop.skip_drain);
            operate::run(
                &environment,
                &stop.select,
                Operation::Stop { hard, skip_drain },
            )
        }
        Command::Restart(restart) => {
            let skip_drain = restart.skip_drain;
            operate::run(
                &environment,
                &restart.select,
                Operation::Restart { skip_drain },
            )
        }
        Command::Recreate(recreate) => operate::recreate(&environment, &recreate),
        Command::Reboot(reboot) => {
            let hard = reboot.hard;
            operate::run(&environment, &reboot.select, Operation::Reboot { hard })
        }
        Command::RunErrand(arguments) => return errand::run(&environment, &arguments),
        Command::Errands => errand::list(&environment),
        Command::Ssh(ssh) => return ssh::run(&environment, &ssh),
        Command::DeleteDeployment(arguments) => delete::run(&environment, &arguments),
        Command::Machine { arguments } => return Ok(solo_instance::init_main(arguments)?),
    };
    done.map(|()| ExitCode::SUCCESS)
}

impl Environment {
    fn state_directory(&self) -> Result<PathBuf> {
        let directory = self
            .global
            .state_dir
            .clone()
            .unwrap_or_else(solo_instance::environment::state_dir);
        std::path::absolute(&directory)
            .with_context(|| format!("state directory {}", directory.display()))
    }

    /// This machine; needs root.
    fn host(&self) -> Result<Host> {
        let program = std::env::current_exe().context("finding this program's own file")?;
        let progress = Arc::clone(&self.progress);
        let config = HostConfig {
            state_dir: self.state_directory()?,
            init: vec![program.into(), "machine".into()],
            progress: solo_instance::Progress::new(move |line| progress.say(line)),
        };
        Ok(Host::open(config)?)
    }

    /// Names of the deployments that there are.
    fn deployments(host: &Host) -> Result<Vec<String>> {
        let mut names = host.deployments()?;
        names.retain(|name| host.deployment_dir(name).join("deployment.json").exists());
        names.sort();
        Ok(names)
    }

    /// The deployment that `-d` names, or the only one.
    fn deployment_name(&self, host: &Host) -> Result<String> {
        let mut names = Self::deployments(host)?;
        match &self.global.deployment {
            Some(name) if names.contains(name) => Ok(name.clone()),
            Some(name) => Err(anyhow!("deployment `{name}` does not exist"))
                .hint(format!("there is {}", listed(&names))),
            None => match (names.pop(), names.is_empty()) {
                (Some(name), true) => Ok(name),
                (None, _) => bail!("there is no deployment"),
                (Some(last), false) => {
                    names.push(last);
                    Err(anyhow!("which deployment is meant?"))
                        .hint(format!("`-d` with one of {}", names.join(", ")))
                }
            },
        }
    }

    /// Locks the deployment that the command is about.
    fn open<'a>(&'a self, host: &'a Host) -> Result<Deployment<'a>> {
        let name = self.deployment_name(host)?;
        Deployment::open(&name, host, &self.state_directory()?, &self.progress)
    }

    /// The record of the deployment that the command is about, for commands that change nothing.
    fn record(&self, host: &Host) -> Result<(String, Record)> {
        let name = self.deployment_name(host)?;
        let record = Record::load(&host.deployment_dir(&name))?.unwrap_or_default();
        Ok((name, record))
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// Prints the tables of a command that succeeded.
fn print_tables(environment: &Environment, tables: &[Table]) -> Result<()> {
    print_tables_and(environment, tables, "Succeeded")
}

/// Prints tables for people, or as JSON where that was asked for; `end` tells there how the command ended.
fn print_tables_and(environment: &Environment, tables: &[Table], end: &str) -> Result<()> {
    if environment.global.json {
        return print(&format!("{}\n", table::to_json(tables, end)));
    }
    let texts: Vec<String> = tables.iter().map(Table::to_text).collect();
    print(&texts.join("\n"))
}

/// Prints a command's data.
fn print(text: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    let written = output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush());
    match written {
        // The reader had enough, as `head` does.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("writing to standard output"),
    }
}
