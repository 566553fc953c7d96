//! What the engine says of itself and of its containers.

use std::collections::BTreeMap;

use bosh_job::{ContainerProcesses, Gone};
use docker_engine::{
    Container, ContainerSummary, Engine, Filters, HealthStatus, ImageStore, Status,
};
use recipe::labels;
use serde::Serialize;

use crate::data_root::name_of;
use crate::{dead_containers, image_store};

/// The engine.
#[derive(Serialize)]
pub struct EngineReport {
    pub version: String,
    /// The newest that the engine has.
    pub api_version: String,
    /// The one that this release speaks with it.
    pub api_version_spoken: String,
    pub image_store: &'static str,
    #[serde(skip)]
    pub store: job_properties::ImageStore,
    pub storage_driver: String,
    pub live_restore: bool,
}

/// A container, with the image that it was made of.
#[derive(Serialize)]
pub struct ContainerReport {
    pub name: String,
    pub project: Option<String>,
    pub service: Option<String>,
    /// The kind of the service's hook that it runs (`pre_start`), if it is none of the service's own.
    pub hook: Option<String>,
    /// As the recipe has it.
    pub image: String,
    /// What the engine knows the image by; the name may have moved on to another one since.
    pub image_digest: String,
    /// What that is the digest of: `config` or `manifest`, as the image store has it.
    pub image_digest_of: &'static str,
    /// The image's names with the digests that registries know it by.
    pub repo_digests: Vec<String>,
    pub state: &'static str,
    /// Why it is dead although the engine says that it runs.
    pub gone: Option<String>,
    pub health: Option<&'static str>,
    pub restarts: u64,
    pub exit_code: i64,
    pub oom_killed: bool,
    pub started_at: String,
}

/// The engine, and all its containers by name.
pub fn look(
    engine: &Engine,
    processes: &ContainerProcesses,
) -> anyhow::Result<(EngineReport, Vec<ContainerReport>)> {
    let info = engine.info()?;
    let store = info.image_store();
    let version = engine.version()?;
    let report = EngineReport {
        version: version.version,
        api_version: version.api_version,
        api_version_spoken: engine.api_version()?.to_string(),
        image_store: name_of(image_store::in_use(&info)),
        store: image_store::in_use(&info),
        storage_driver: info.driver,
        live_restore: info.live_restore_enabled,
    };
    let mut digests = BTreeMap::new();
    let mut containers = Vec::new();
    for summary in engine.containers(&Filters::all())? {
        // one that is removed meanwhile is not there
        let container = match engine.inspect_container(&summary.id) {
            Err(error) if error.is_not_found() => continue,
            other => other?,
        };
        let known = digests.contains_key(&container.image);
        if !known {
            let image = match engine.inspect_image(&container.image) {
                // Without its containerd an engine with that image store knows no image, but still its containers.
                Err(error) if error.is_interruption() => None,
                other => other?,
            };
            let names = image.map(|image| image.repo_digests).unwrap_or_default();
            digests.insert(container.image.clone(), names);
        }
        let repo_digests = digests.get(&container.image).cloned().unwrap_or_default();
        let gone = dead_containers::gone(processes, engine, &container)?;
        containers.push(report_of(&summary, container, gone, repo_digests, store));
    }
    containers.sort_by(|one, other| one.name.cmp(&other.name));
    Ok((report, containers))
}

fn report_of(
    summary: &ContainerSummary,
    container: Container,
    gone: Option<Gone>,
    repo_digests: Vec<String>,
    store: ImageStore,
) -> ContainerReport {
    let label = |name: &str| summary.labels.get(name).cloned();
    let health = container.state.health.as_ref().filter(|_| gone.is_none());
    ContainerReport {
        name: container.name().to_owned(),
        project: label(labels::PROJECT),
        service: label(labels::SERVICE),
        hook: labels::hook(&summary.labels).map(|(_, kind)| kind.to_owned()),
        image: container.config.image,
        image_digest: container.image,
        image_digest_of: match store {
            ImageStore::Containerd => "manifest",
            ImageStore::GraphDriver => "config",
        },
        repo_digests,
        state: if gone.is_some() {
            Status::Dead.word()
        } else {
            container.state.status.word()
        },
        gone: gone.map(|gone| gone.to_string()),
        health: health.and_then(|health| match health.status {
            HealthStatus::Starting => Some("starting"),
            HealthStatus::Healthy => Some("healthy"),
            HealthStatus::Unhealthy => Some("unhealthy"),
            HealthStatus::None => None,
        }),
        restarts: container.restart_count,
        exit_code: container.state.exit_code,
        oom_killed: container.state.oom_killed,
        started_at: container.state.started_at,
    }
}
