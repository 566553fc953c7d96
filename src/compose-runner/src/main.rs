//! Runs a Compose recipe on a BOSH VM: brings it up, watches its health, and stops it in order.

mod attempt;
mod base64;
mod before;
mod bring_up;
mod cancel;
mod child;
mod collecting;
mod compose;
mod data_places;
mod deploy_failure;
mod deploy_warnings;
mod dockerd_restart;
mod engine_deaths;
mod engine_needs;
mod engine_socket;
mod failed_services;
mod failure;
mod first_check;
mod half_made;
mod healing;
mod health;
mod health_socket;
mod health_table;
mod hooks;
mod image_overrides;
mod import;
mod inactive;
mod interpolation;
mod job;
mod last_exits;
mod listening;
mod model;
mod mounts;
#[cfg(test)]
mod mutations;
mod networks;
mod observe;
mod on_stable;
mod other_images;
mod other_images_in_recipe;
mod output;
mod ports;
mod preflight;
mod publishing;
mod pulls;
mod recipe_text;
mod recipe_volumes;
mod redact;
mod rollback;
mod run;
mod runner;
mod secrets;
mod service_in_error;
mod services_stop;
mod sockets;
mod spelling;
mod start;
mod status_publisher;
mod stop;
mod volume_options;
mod volumes;
mod watch;
mod watching;

use std::{
    process, thread,
    time::{Duration, Instant},
};

use bosh_job::{ExitCode, LogLevel, Options, Problems, exit_code_of, logging, report_error};
use clap::{Parser, Subcommand};
use recipe::Recipe;

use crate::job::{Job, PROGRAM};

/// `compose-runner start` ends within this time of starting the runner.
const LONGEST_PARENT: Duration = Duration::from_secs(5);

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
    /// Be the runner, until SIGTERM, which leaves the services running, or SIGUSR1, which stops them first
    Run {
        /// Leave the session of this process, which is the parent, and begin when it has ended
        #[arg(long, value_name = "PID")]
        detach_from: Option<u32>,
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
    // monit's programs inherit whatever umask it has
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    logging::restrict_log(&options.paths().log_file(PROGRAM));
    if options.check_config {
        return check(&job?);
    }
    match command {
        Some(Command::Start) => start::start(&job?, &options),
        Some(Command::Stop) => stop::stop(job, &options),
        Some(Command::Run { detach_from }) => {
            if let Some(parent) = detach_from {
                detach(parent)?;
            }
            run::run(job?, options)
        }
        None => Err(anyhow::anyhow!("say what to do: start, stop or run")),
    }
}

/// Becomes a daemon: in a session of its own, without a parent that waits for it, at the priority of other processes. monit reports a
/// process whose parent changes as failing, so the pidfile must not name this one before; and monit runs at nice -10, which
/// everything would inherit, `prep` included.
fn detach(parent: u32) -> anyhow::Result<()> {
    rustix::process::setsid()?;
    let by = Instant::now() + LONGEST_PARENT;
    while std::os::unix::process::parent_id() == parent && Instant::now() < by {
        thread::sleep(Duration::from_millis(10));
    }
    rustix::process::setpriority_process(None, 0)?;
    Ok(())
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
