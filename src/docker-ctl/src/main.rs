//! docker-ctl: prepares, starts, stops and drains dockerd on a BOSH VM.
//!
//! monit calls `start` and `stop`, BOSH calls `pre-start`, `wait` (post-start), `pre-stop`, `drain` and `post-stop`, people call `status`.

use std::path::PathBuf;
use std::process::ExitCode as Status;

use anyhow::Context;
use bosh_job::LogLevel;
use bosh_job::{Advise, ExitCode, Options, Problems, exit_code_of, logging, report_error};
use clap::{Parser, Subcommand};
use job_properties::JobConfig;
use recipe::Recipe;

mod address_pools;
mod bytes;
mod cgroups;
mod cleanup;
mod cli_config;
mod daemon_environment;
mod daemon_json;
mod data_root;
mod dead_containers;
mod directories;
mod dockerd;
mod drain;
mod environment;
mod foreign_containers;
mod guard;
mod image_store;
mod kernel;
mod launch;
mod live_restore;
mod lock;
mod mounts;
mod post_stop;
mod pre_start;
mod project;
mod recreate_required;
mod refusals;
mod registry_authorities;
mod registry_hosts;
mod resolvers;
mod settings;
mod smoke_test;
mod start;
mod status;
mod stop;
mod storage_options;
mod tls_files;
mod usual_socket;
mod wait;

/// Prepares, starts, stops and drains dockerd on a BOSH VM
#[derive(Parser)]
#[command(version, about, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    options: Options,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Make all that dockerd needs, start it, and wait until it answers
    Start,
    /// Stop dockerd, and the containers unless an update is going on
    Stop,
    /// Learn from BOSH's drain what kind of stop is coming; prints 0
    Drain {
        /// The agent's words: change of the job, change of the hash, packages that change
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Check the settings of a first start; BOSH's pre-start
    PreStart,
    /// Learn from BOSH's pre-stop whether the instance is deleted
    PreStop,
    /// End what a full stop has left; BOSH's post-stop
    PostStop,
    /// Wait until dockerd answers and the recipe is up, and say so, or why not
    Wait,
    /// Show the engine, the containers, and what became of the recipe
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Form of the output
        #[arg(short, long, value_enum, default_value_t = status::Form::Table)]
        output: status::Form,
    },
    /// Prove that the engine does what recipes need, and leave nothing
    SmokeTest {
        /// Settings of the job smoke-tests [default: ROOT/jobs/smoke-tests/config/config.json]
        #[arg(long, value_name = "PATH")]
        settings: Option<PathBuf>,
    },
    /// What a container of the smoke test does
    #[command(hide = true, subcommand)]
    Probe(smoke_test::probe::Probe),
    /// End the containers that stdin names, in order, when the job's directory is gone
    #[command(hide = true)]
    Guard,
    /// Start dockerd, say its number and how it ends, until stdin ends
    #[command(hide = true)]
    LaunchDockerd,
    /// Become dockerd, in a session of its own
    #[command(hide = true)]
    ExecDockerd,
}

fn main() -> Status {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(code) => code.into(),
        Err(error) => {
            report_error(&error);
            exit_code_of(&error).into()
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    if let Some(Command::Probe(probe)) = &cli.command {
        return probe.run().map(|()| ExitCode::Ok);
    }
    let paths = cli.options.paths();
    // monit's programs inherit whatever umask it has
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let config = JobConfig::load(&cli.options.config_path());
    let level = config
        .as_ref()
        .ok()
        .and_then(|config| config.log_level().ok())
        .unwrap_or(LogLevel::Info);
    logging::init("docker-ctl", level);
    logging::restrict_log(&paths.log_file("docker-ctl"));
    if let Some(Command::SmokeTest { settings }) = &cli.command {
        let settings = settings.clone();
        let settings = settings.unwrap_or_else(|| smoke_test::settings_path(&paths));
        if cli.options.check_config {
            return smoke_test::check_settings(&settings).map(|()| ExitCode::Ok);
        }
        return smoke_test::run(&paths, &cli.options.config_path(), &settings);
    }
    if cli.options.check_config {
        check(&config.exits(ExitCode::BadConfig)?)?;
        return Ok(ExitCode::Ok);
    }
    match &cli.command {
        None => Err(anyhow::anyhow!("no command was given")).exits(ExitCode::BadConfig),
        Some(Command::Start) => {
            start::run(&paths, config.exits(ExitCode::BadConfig)).map(|()| ExitCode::Ok)
        }
        Some(Command::Stop) => stop::run(&paths).map(|()| ExitCode::Ok),
        Some(Command::Drain { args }) => Ok(drain::run(&paths, args)),
        Some(Command::PreStart) => {
            pre_start::run(&paths, config.exits(ExitCode::BadConfig)).map(|()| ExitCode::Ok)
        }
        Some(Command::PreStop) => drain::pre_stop(&paths).map(|()| ExitCode::Ok),
        Some(Command::PostStop) => post_stop::run(&paths).map(|()| ExitCode::Ok),
        Some(Command::Wait) => wait::run(&paths, config.exits(ExitCode::BadConfig)),
        Some(Command::Status { json, output }) => {
            let form = if *json { status::Form::Json } else { *output };
            status::run(&paths, form)
        }
        // Done above, without the job's configuration.
        Some(Command::SmokeTest { .. } | Command::Probe(_)) => Ok(ExitCode::Ok),
        Some(Command::Guard) => guard::run(&paths),
        Some(Command::LaunchDockerd) => launch::launch(&paths),
        Some(Command::ExecDockerd) => dockerd::exec(&paths),
    }
}

/// Everything that can be known to be wrong before anything is done.
fn check(config: &JobConfig) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    problems.note_all(config.daemon());
    problems.note_all(config.supervision());
    problems.note_all(config.remove_old_images());
    problems.note_all(config.internal_dns_domains());
    problems.note_all(Recipe::parse(&config.recipe));
    problems
        .into_result(Some(()))
        .context("checking the job's configuration")
}
