//! Which image store dockerd uses: the one that property `image_store` names, else the one that the data root has, else the one
//! that the engine takes by itself. Engines take different ones: graph drivers up to 28, containerd's from 29 on, unless a graph
//! driver was in use before (moby, `determineImageStoreChoice`). Through another store, dockerd sees none of its containers.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use bosh_job::command::Checked;
use bosh_job::{Advise, ExitCode, Paths, Problems, atomic_write, make_dir};
use docker_engine::{Engine, Info};
use job_properties::{DaemonSetting, ImageStore, JobConfig, daemon_keys};
use tracing::{info, warn};

use crate::bytes::human;
use crate::daemon_json::DaemonJson;
use crate::data_root::{self, Unseen, name_of};
use crate::storage_options;

/// The first engine that takes it by itself.
const TAKES_CONTAINERD: u32 = 29;
/// How long dockerd may take to say what it is.
const LIMIT: Duration = Duration::from_secs(20);
/// How long data of the other store are counted while monit waits.
const COUNTING: Duration = Duration::from_secs(2);

/// The settings with the store that the data root has, unless they name one.
pub fn keep(paths: &Paths, json: DaemonJson) -> DaemonJson {
    if json.image_store().is_some() || is_free(&json) {
        return json;
    }
    match known(paths) {
        Some(ImageStore::Containerd) if engine_lacks_containerd(paths) => json,
        Some(store) => json.with_image_store(store),
        None => json,
    }
}

/// Refuses options that have no effect on the store that dockerd will use; `is_asked` says that the property names it.
pub fn check_options(paths: &Paths, json: &DaemonJson, is_asked: bool) -> Result<(), Problems> {
    if !storage_options::are_set(json) {
        return Ok(());
    }
    let (store, why) = match json.image_store() {
        Some(store) if is_asked => (Some(store), "which `image_store` asks for"),
        Some(store) => (Some(store), "which the data root has"),
        None => (
            taken_by_engine(paths, json),
            "which this engine takes by itself",
        ),
    };
    store.map_or(Ok(()), |store| storage_options::check(json, store, why))
}

/// Refuses an engine without the store in which the data root has images and containers. On the other store it would begin
/// with nothing: containers without what they wrote, and new anonymous volumes.
pub fn check_engine(paths: &Paths, config: &anyhow::Result<JobConfig>) -> anyhow::Result<()> {
    let daemon = config.as_ref().ok().and_then(|config| config.daemon().ok());
    let is_free = daemon
        .as_ref()
        .is_some_and(|daemon| is_free(&DaemonJson::new(paths, daemon, None)));
    let asked = daemon.and_then(|daemon| daemon.image_store);
    if is_free
        || asked.or_else(|| known(paths)) != Some(ImageStore::Containerd)
        || !data_root::holds(&paths.data_root(), ImageStore::Containerd)
        || !engine_lacks_containerd(paths)
    {
        return Ok(());
    }
    Err(anyhow::anyhow!(
        "property `image_store`: the images and containers in {} are in the containerd image store, and this engine ({}) has none; it is not started",
        paths.data_root().display(),
        engine_version(paths).unwrap_or_default()
    ))
    .hint(format!(
        "deploy a release whose engine has it ({} or later), and everything is there again; or set `image_store: graphdriver` to begin with new containers and images: \
         named volumes are kept, everything else stays on the disk, unseen",
        has_containerd()
    ))
    .exits(ExitCode::BadConfig)
}

/// What a dockerd that came up shows: whether it has the store that it should have, and whether all options have an effect.
pub fn check_running(paths: &Paths, json: &DaemonJson, is_asked: bool) -> anyhow::Result<()> {
    let info = Engine::new(paths.socket()).info_within(LIMIT);
    let info = match info.context("asking dockerd for its image store") {
        // nothing is refused because an engine is slow
        Err(error) if !is_asked => {
            warn!("the image store is not checked: {error:#}");
            return Ok(());
        }
        info => info?,
    };
    let used = in_use(&info);
    if let Some(unseen) = data_root::unseen(paths, used, &info.driver, COUNTING) {
        warn!("{}", in_words(&unseen).join("; "));
    }
    match json.image_store() {
        // an engine that does not know a feature passes over it in silence
        Some(wanted) if wanted != used => {
            let (whose, hint) = if is_asked {
                (
                    "is",
                    "unset the property, or use an engine that has this store",
                )
            } else {
                (
                    "is unset, and the data root has",
                    "use an engine that has this store",
                )
            };
            Err(anyhow::anyhow!(
                "property `image_store`: {whose} {}, and this engine ({}) uses the other store",
                name_of(wanted),
                info.server_version
            ))
            .hint(hint)
            .exits(ExitCode::BadConfig)
        }
        _ => Ok(storage_options::check(
            json,
            used,
            "which this engine uses",
        )?),
    }
}

/// Remembers the store of a dockerd that answers, with the data that are in it.
pub fn note(paths: &Paths, json: &DaemonJson) -> anyhow::Result<()> {
    if is_remapped(json) {
        return Ok(());
    }
    let info = Engine::new(paths.socket())
        .info_within(LIMIT)
        .context("asking dockerd for its image store")?;
    let used = in_use(&info);
    let is_refused = json.image_store().is_some_and(|wanted| wanted != used);
    if is_refused || noted(paths) == Some(used) {
        return Ok(());
    }
    let path = paths.image_store_note();
    make_dir(path.parent().unwrap_or(Path::new("/")), 0o700)?;
    atomic_write(&path, format!("{}\n", name_of(used)).as_bytes(), 0o600)?;
    info!(
        image_store = name_of(used),
        "the data root's image store is noted"
    );
    Ok(())
}

/// What an engine uses.
pub fn in_use(info: &Info) -> ImageStore {
    match info.image_store() {
        docker_engine::ImageStore::Containerd => ImageStore::Containerd,
        docker_engine::ImageStore::GraphDriver => ImageStore::Graphdriver,
    }
}

/// For people: what is unseen, how to see it again, and how to be rid of it.
pub fn in_words(unseen: &Unseen) -> [String; 3] {
    let directories: Vec<String> = unseen
        .directories
        .iter()
        .map(|directory| directory.display().to_string())
        .collect();
    let at_least = if unseen.counted { "" } else { "at least " };
    [
        format!(
            "unseen: {at_least}{} of the other image store ({}), with {} containers",
            human(unseen.bytes),
            unseen.image_store,
            unseen.containers
        ),
        format!("to go back to it: `image_store: {}`", unseen.image_store),
        format!(
            "to be rid of it: bosh stop, and remove {}",
            directories.join(" ")
        ),
    ]
}

/// The store that the data root has, as far as anybody knows: what was noted, what the property last asked for, what lies there.
fn known(paths: &Paths) -> Option<ImageStore> {
    let root = paths.data_root();
    let holds = |store| data_root::holds(&root, store);
    let seen = || {
        let graph = holds(ImageStore::Graphdriver) || data_root::has_prior_driver(&root);
        match (holds(ImageStore::Containerd), graph) {
            (true, false) => Some(ImageStore::Containerd),
            (false, true) => Some(ImageStore::Graphdriver),
            _ => None,
        }
    };
    let asked = || DaemonJson::last_good(paths)?.image_store();
    noted(paths).or_else(asked).or_else(seen)
}

fn noted(paths: &Paths) -> Option<ImageStore> {
    let path = paths.image_store_note();
    let text = std::fs::read_to_string(&path).ok()?;
    let stores = [ImageStore::Containerd, ImageStore::Graphdriver];
    let found = stores
        .into_iter()
        .find(|store| name_of(*store) == text.trim());
    if found.is_none() {
        warn!(path = %path.display(), "the file names no image store; it is passed over");
    }
    found
}

/// Whether the engine decides, whatever the data root has: under another root, or because it is to move the data to the other store.
fn is_free(json: &DaemonJson) -> bool {
    let features = json.get("features");
    let migrates = features.and_then(|features| features.get("containerd-migration"));
    is_remapped(json) || migrates.is_some_and(|value| value == true)
}

/// With user namespaces, dockerd has its data in a directory of its own below the data root, and graph drivers.
fn is_remapped(json: &DaemonJson) -> bool {
    json.get(daemon_keys::USERNS_REMAP).is_some()
}

/// The store that an engine takes which nobody tells.
fn taken_by_engine(paths: &Paths, json: &DaemonJson) -> Option<ImageStore> {
    if is_remapped(json) || engine_major(paths)? < TAKES_CONTAINERD {
        return Some(ImageStore::Graphdriver);
    }
    let has_prior_driver = data_root::has_prior_driver(&paths.data_root());
    let names_driver = json
        .text(daemon_keys::STORAGE_DRIVER)
        .is_some_and(storage_options::is_graph_driver);
    Some(if has_prior_driver || names_driver {
        ImageStore::Graphdriver
    } else {
        ImageStore::Containerd
    })
}

fn engine_lacks_containerd(paths: &Paths) -> bool {
    engine_major(paths).is_some_and(|major| major < has_containerd())
}

/// The first engine that has the containerd store.
fn has_containerd() -> u32 {
    DaemonSetting::find(daemon_keys::IMAGE_STORE).map_or(0, |setting| setting.first_engine().0)
}

/// None for one that says no number: a build of somebody's own.
fn engine_major(paths: &Paths) -> Option<u32> {
    engine_version(paths)?.split('.').next()?.parse().ok()
}

/// `Docker version 20.10.24+dfsg1, build 297e128`
fn engine_version(paths: &Paths) -> Option<String> {
    let said = Checked::new(paths.docker_bin("dockerd"), LIMIT)
        .arg("--version")
        .run()
        .inspect_err(|error| warn!("the engine's version is not known: {error}"));
    let said = said.ok()?.stdout_text();
    let version = said.split_once("version ")?.1.split([',', ' ']).next()?;
    Some(version.trim().to_owned())
}
