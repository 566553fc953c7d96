//! Runs a Compose recipe on a BOSH VM: brings it up, watches its health, and stops it in order.

mod applied;
mod attempt;
mod board;
mod bring_up;
mod cancel;
mod child;
mod collecting;
mod compose;
mod ends;
mod failure;
mod health_socket;
mod image_map;
mod import;
mod job;
mod model;
mod mounts;
#[cfg(test)]
mod mutations;
mod networks;
mod observe;
mod ports;
mod preflight;
mod pulls;
mod redact;
mod rollback;
mod run;
mod service_in_error;
mod settled;
mod sockets;
mod start;
mod stop;
mod volumes;
mod watch;
mod watching;

use std::process;

use bosh_job::{
    ExitCode, Options, Problems, config::LogLevel, exit_code_of, logging, report_error,
};
use clap::{Parser, Subcommand};
use recipe::Recipe;

use crate::job::{Job, PROGRAM};

/// Run a Compose recipe: bring it up, watch its health, stop it in order
#[derive(Parser)]
#[command(version, arg_required_else_help = true, subcommand_negates_reqs = true)]
struct Arguments {
    #[command(flatten)]
    options: Options,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Copy, Subcommand)]
enum Command {
    /// Start a runner in the background, unless one lives
    Start,
    /// End the runner, and stop the services unless this is an update
    Stop,
    /// Be the runner, until SIGTERM
    Run {
        /// Leave the caller's session
        #[arg(long)]
        daemon: bool,
    },
}

fn main() -> process::ExitCode {
    let arguments = Arguments::parse();
    match act(arguments) {
        Ok(code) => code.into(),
        Err(error) => {
            report_error(&error);
            exit_code_of(&error).into()
        }
    }
}

fn act(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { options, command } = arguments;
    let job = Job::load(&options);
    let level = job
        .as_ref()
        .ok()
        .and_then(|job| job.config.log_level().ok());
    logging::init(PROGRAM, level.unwrap_or(LogLevel::Info));
    if options.check_config {
        return check(&job?);
    }
    match command {
        Some(Command::Start) => start::start(&job?, &options),
        Some(Command::Stop) => stop::stop(job, &options),
        Some(Command::Run { daemon }) => {
            if daemon {
                rustix::process::setsid()?;
            }
            run::run(job?, options)
        }
        None => Err(anyhow::anyhow!("say what to do: start, stop or run")),
    }
}

/// Everything that is wrong with the properties that this program reads.
fn check(job: &Job) -> anyhow::Result<ExitCode> {
    let mut problems = Problems::default();
    problems.note_all(job.config.supervision());
    problems.note_all(job.config.service_logs());
    problems.note_all(job.config.volume_policy());
    problems.note_all(job.config.remove_old_images());
    problems.note_all(job.config.log_level());
    problems.note_all(Recipe::parse(&job.config.recipe));
    problems.into_result(Some(()))?;
    Ok(ExitCode::Ok)
}
