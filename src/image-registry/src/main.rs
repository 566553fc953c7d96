//! A registry of one's own: it keeps images behind TLS and logins, for docker VMs and for people.

mod access;
mod admin;
mod api;
mod blocking;
mod cache;
mod commands;
mod config;
mod digest;
mod document;
mod frozen;
mod health;
mod http;
mod images;
mod inventory;
mod metrics;
mod mirrored;
mod names;
mod page;
mod process;
mod retention;
mod serve;
mod server;
mod storage;
mod upkeep;
mod upstream;

use std::path::PathBuf;

use anyhow::Context as _;
use bosh_job::{LogLevel, exit_code_of, logging, report_error};
use clap::{Parser, Subcommand};

use config::Config;
use process::{Job, Sockets};
use server::Acceptor;

/// Keep container images in a registry of one's own
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Rendered configuration of the job
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/var/vcap/jobs/registry/config/config.json"
    )]
    config: PathBuf,

    #[command(subcommand)]
    command: Command,
}

/// Who serves.
#[derive(clap::Args)]
struct AsUser {
    /// The user that the registry runs as
    #[arg(long, value_name = "NAME", default_value = "vcap")]
    user: String,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM
    Serve {
        /// Give up root's rights for this user's, once the ports are open
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// Check the properties, and give the store's directory to the user that serves
    PreStart(AsUser),
    /// Serve in the background, and end when the registry answers
    Start(AsUser),
    /// Start the registry, say its number, and leave it
    #[command(hide = true)]
    Launch(AsUser),
    /// End the registry: who is being answered has some seconds for it
    Stop,
    /// End when clients are answered through the port, with a certificate of `tls.ca`
    PostStart,
    /// Read the whole store, and name every blob, manifest and tag that is not what it should be
    ///
    /// The registry may serve meanwhile. Exits with 0 if nothing is wrong, and with 4 if anything is damaged or missing.
    Verify,
    /// Free the disk of what no repository has any more, while the registry serves
    CollectGarbage(commands::Collect),
    /// Remove the tags and manifests that no rule of property `retention` keeps, and free the disk
    Retention(commands::Retention),
    /// Read all blobs again, and set aside those that are damaged, so that they can be pushed again
    ///
    /// Exits with 0 if nothing is wrong, and with 4 if anything is damaged or cannot be read.
    Scrub(commands::Scrub),
    /// Say, as JSON, what collections, retention and scrubs did since the registry started
    Upkeep,
    /// List what was pushed: repositories, tags, digests, platforms, sizes, last pulls
    Catalog(commands::Catalog),
    /// Say what is wrong with the configuration, and change nothing
    CheckConfig,
}

#[expect(
    clippy::print_stdout,
    reason = "the number is what the launcher is for"
)]
fn tell_number(pid: u32) {
    println!("{pid}");
}

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    logging::init("image-registry", LogLevel::Info);
    match run(&arguments) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            report_error(&error);
            exit_code_of(&error).into()
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = Config::load(&arguments.config)?;
    let settings = config.upkeep()?;
    let runtime = || {
        let mut threads = tokio::runtime::Builder::new_multi_thread();
        threads.enable_all().build().context("starting the threads")
    };
    let ask = |question: &str| runtime()?.block_on(admin::ask(&config.admin_socket, question));
    let job = Job::new(&arguments.config, &config);
    match &arguments.command {
        Command::CheckConfig => process::check(&config),
        Command::PreStart(AsUser { user }) => job.prepare(user),
        Command::Start(AsUser { user }) => job.start(user),
        Command::Launch(AsUser { user }) => job.launch_and_leave(user).map(tell_number),
        Command::Stop => job.stop(),
        Command::PostStart => runtime()?.block_on(process::answers(&config)),
        Command::Verify => commands::verify(&config),
        Command::CollectGarbage(collect) => collect.tell(&ask(&collect.question())?),
        Command::Retention(retention) => retention.tell(&ask(&retention.question())?),
        Command::Scrub(scrub) => commands::Scrub::tell(&ask(&scrub.question())?),
        Command::Upkeep => commands::tell_upkeep(&ask("/upkeep")?),
        Command::Catalog(catalog) => catalog.tell(&ask(commands::Catalog::QUESTION)?),
        Command::Serve { user } => {
            let acceptor = config.tls.as_ref().map(Acceptor::new).transpose()?;
            let sockets = Sockets::bind(&config)?;
            process::raise_file_limit()?;
            if let Some(user) = user {
                process::become_user(user)?;
            }
            runtime()?.block_on(serve::serve(config, acceptor, sockets, settings))
        }
    }
}
