//! The registry while it serves: what it is made of, what it does beside answering, and its end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};

use crate::access::Access;
use crate::api::Registry;
use crate::blocking::blocking;
use crate::cache::{self, Cache};
use crate::config::{Config, FrozenImages};
use crate::frozen::Frozen;
use crate::health::Health;
use crate::images::Images;
use crate::inventory::{FrozenInventory, Inventory};
use crate::metrics::Metrics;
use crate::process::{GRACE, Sockets};
use crate::server::{self, Acceptor};
use crate::storage::Storage;
use crate::upkeep::{Settings, Upkeep};
use crate::{admin, page};

/// An upload to which nothing comes for so long has been given up.
const ABANDONED: Duration = Duration::from_hours(24);
/// How often such uploads are looked for.
const LOOK: Duration = Duration::from_hours(1);

/// Forgets uploads that were given up, at the start and every hour.
async fn forget_abandoned(storage: Storage) {
    loop {
        let storage = storage.clone();
        match blocking(move || storage.forget_abandoned(ABANDONED)).await {
            Ok(0) => {}
            Ok(uploads) => tracing::info!(uploads, "uploads that were given up are forgotten"),
            Err(error) => tracing::warn!(why = %error, "uploads that were given up stay"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Opens what releases brought to this VM. What has to be converted first is served a while later.
fn open_frozen(config: Option<&FrozenImages>, store: &Path) -> anyhow::Result<Frozen> {
    let Some(config) = config else {
        return Ok(Frozen::default());
    };
    let (frozen, unconverted) = Frozen::open(&config.jobs, store);
    // the process may end without it
    std::thread::Builder::new()
        .name("frozen".to_owned())
        .spawn(move || unconverted.convert())
        .context("starting the thread that converts frozen images")?;
    Ok(frozen)
}

/// Serves until SIGTERM.
pub async fn serve(
    config: Config,
    acceptor: Option<Acceptor>,
    sockets: Sockets,
    settings: Settings,
) -> anyhow::Result<()> {
    let storage = Storage::open(&config.store).context("opening the store")?;
    let access = Access::new(config.users, config.anonymous);
    tokio::spawn(forget_abandoned(storage.clone()));
    let socket = UnixListener::from_std(sockets.admin).context("taking the admin socket")?;
    let frozen = open_frozen(config.frozen.as_ref(), &config.store)?;
    let inventory = Inventory::new(storage.clone());
    let upkeep = Upkeep::new(storage.clone(), inventory.clone(), settings);
    upkeep.start().context("starting upkeep")?;
    let cache = config.cache.filter(|_| !config.upstreams.is_empty());
    let cache = cache.map(|cache| {
        let upstreams = cache::connect(&config.upstreams)?;
        Cache::open(&config.store.join("cache"), cache, upstreams)
    });
    let cache = cache.transpose()?;
    let counters = cache.as_ref().map(|cache| cache.counters().clone());
    let metrics = Metrics::new(storage.clone(), upkeep.clone(), counters);
    let health = Arc::new(Health::new(storage.clone()));
    let context = admin::Context {
        health: health.clone(),
        inventory: inventory.clone(),
        frozen: FrozenInventory::new(frozen.clone(), storage.clone()),
        upkeep,
    };
    tokio::spawn(admin::serve(socket, context));
    let page = page::Sources::new(inventory, frozen.clone(), storage.clone(), cache.clone());
    let mut images = Images::new(storage).with_frozen(frozen);
    if let Some(cache) = cache {
        images = images.with_cache(cache::hosts(&config.upstreams)?, cache);
    }
    let registry = Arc::new(Registry::new(images, access, health, metrics, page));
    let mut terminate = signal(SignalKind::terminate()).context("listening to signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening to signals")?;
    let listener = TcpListener::from_std(sockets.public).context("taking the port")?;
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
