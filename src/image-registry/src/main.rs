//! A registry of one's own: it keeps images behind TLS and logins, for docker VMs and for people.

mod access;
mod admin;
mod api;
mod cache;
mod config;
mod digest;
mod document;
mod images;
mod names;
mod server;
mod storage;
mod upstream;

use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bosh_job::{Advise as _, ExitCode, LogLevel, exit_code_of, logging, report_error};
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use access::Access;
use api::Registry;
use cache::Cache;
use config::Config;
use images::Images;
use server::Acceptor;
use storage::Storage;

/// An upload to which nothing comes for so long has been given up.
const ABANDONED: Duration = Duration::from_hours(24);
/// How often such uploads are looked for.
const LOOK: Duration = Duration::from_hours(1);
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
    /// Read the whole store, and name every blob, manifest and tag that is not what it should be
    ///
    /// The registry may serve meanwhile. Exits with 0 if nothing is wrong, and with 4 if anything is damaged or missing.
    Verify,
    /// Free the disk of what no repository has any more, while the registry serves
    CollectGarbage {
        /// Leave what was pushed or asked for within this time: a push may be about to refer to it
        #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
        grace: u64,
        /// Only say how much it would be
        #[arg(long)]
        dry_run: bool,
    },
    /// Say what is wrong with the configuration, and change nothing
    CheckConfig,
}

#[expect(
    clippy::print_stdout,
    reason = "what was collected is the command's output"
)]
fn tell_collected(collected: &serde_json::Value, is_trial: bool) {
    let verb = if is_trial { "would free" } else { "freed" };
    let (blobs, links) = (&collected["blobs"], &collected["links"]);
    println!(
        "{verb} {} bytes: {blobs} blobs that no repository has, after {links} links that no manifest needs",
        collected["bytes"]
    );
}

#[expect(clippy::print_stdout, reason = "what `verify` found is its output")]
fn verify(config: &Config) -> anyhow::Result<()> {
    let storage = Storage::at(&config.store);
    let verified = storage.verify().context("reading the store")?;
    for fault in &verified.faults {
        println!("{fault}");
    }
    println!(
        "{} blobs ({} bytes), {} manifests, {} tags, {} faults",
        verified.blobs,
        verified.bytes,
        verified.manifests,
        verified.tags,
        verified.faults.len()
    );
    if verified.faults.is_empty() {
        return Ok(());
    }
    Err(anyhow::anyhow!("the store is damaged"))
        .hint("remove the files of damaged blobs below `blobs`, and push the images again that need what is named above: a client pushes only what is not there; or restore the store from a backup")
        .exits(ExitCode::VerificationFailed)
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
    let runtime = || {
        let mut threads = tokio::runtime::Builder::new_multi_thread();
        threads.enable_all().build().context("starting the threads")
    };
    match arguments.command {
        Command::CheckConfig => {
            cache::hosts(&config.upstreams)?;
            cache::connect(&config.upstreams).map(drop)
        }
        Command::Verify => verify(&config),
        Command::CollectGarbage { grace, dry_run } => {
            let flag = if dry_run { "&dry-run" } else { "" };
            let path = format!("/collect-garbage?grace={grace}{flag}");
            let collected = runtime()?.block_on(admin::ask(&config.admin_socket, &path))?;
            tell_collected(&collected, dry_run);
            Ok(())
        }
        Command::Serve => runtime()?.block_on(serve(config, acceptor)),
    }
}

/// Forgets uploads that were given up, at the start and every hour.
async fn forget_abandoned(storage: Storage) {
    loop {
        let storage = storage.clone();
        let forgotten = tokio::task::spawn_blocking(move || storage.forget_abandoned(ABANDONED));
        match forgotten.await.map_err(std::io::Error::other).flatten() {
            Ok(0) => {}
            Ok(uploads) => tracing::info!(uploads, "uploads that were given up are forgotten"),
            Err(error) => tracing::warn!(why = %error, "uploads that were given up stay"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn serve(config: Config, acceptor: Option<Acceptor>) -> anyhow::Result<()> {
    let storage = Storage::open(&config.store).context("opening the store")?;
    let access = Access::new(config.users, config.anonymous);
    tokio::spawn(forget_abandoned(storage.clone()));
    let socket = admin::listen(&config.admin_socket)
        .with_context(|| format!("listening on {}", config.admin_socket.display()))?;
    tokio::spawn(admin::serve(socket, storage.clone()));
    let mut images = Images::new(storage);
    if let Some(cache) = config.cache.filter(|_| !config.upstreams.is_empty()) {
        let upstreams = cache::connect(&config.upstreams)?;
        let cache = Cache::open(&config.store.join("cache"), cache, upstreams)?;
        images = images.with_cache(cache::hosts(&config.upstreams)?, cache);
    }
    let registry = Arc::new(Registry::new(images, access));
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
