//! A registry of one's own: it keeps images behind TLS and logins, for docker VMs and for people.

mod access;
mod api;
mod config;
mod digest;
mod names;
mod server;
mod storage;

use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bosh_job::{LogLevel, exit_code_of, logging, report_error};
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use access::Access;
use api::Registry;
use config::Config;
use server::Acceptor;
use storage::Storage;

/// How long those who are being answered at a stop have for it.
const GRACE: Duration = Duration::from_secs(20);

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

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM
    Serve,
    /// Say what is wrong with the configuration, and change nothing
    CheckConfig,
}

fn main() -> process::ExitCode {
    let arguments = Arguments::parse();
    logging::init("image-registry", LogLevel::Info);
    match run(&arguments) {
        Ok(()) => process::ExitCode::SUCCESS,
        Err(error) => {
            report_error(&error);
            exit_code_of(&error).into()
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = Config::load(&arguments.config)?;
    let acceptor = config.tls.as_ref().map(Acceptor::new).transpose()?;
    if matches!(arguments.command, Command::CheckConfig) {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the threads")?;
    runtime.block_on(serve(config, acceptor))
}

async fn serve(config: Config, acceptor: Option<Acceptor>) -> anyhow::Result<()> {
    let storage = Storage::open(&config.store).context("opening the store")?;
    let access = Access::new(config.users, config.anonymous);
    let registry = Arc::new(Registry::new(storage, access));
    let mut terminate = signal(SignalKind::terminate()).context("listening to signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening to signals")?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("listening on {}", config.listen))?;
    let address = listener.local_addr().context("asking for the address")?;
    tracing::info!(%address, tls = acceptor.is_some(), "serving");
    let end = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("ending");
    };
    server::serve(listener, acceptor, registry, end, GRACE).await
}
