//! The recipe as Compose understands it: what the preflight and the watch need of `docker-compose config --format json`.
//!
//! The output is Compose's own, but its shape differs from version to version, and half of it is the operator's text:
//! what is missing or of another kind is passed over, and only what cannot be a model at all is an error.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use bosh_job::Secret;
use docker_engine::Healthcheck;

mod parse;

use crate::{
    engine_needs::EngineNeed, networks::RecipeNetwork, other_images::OtherImages,
    recipe_volumes::RecipeVolume,
};

/// What Compose will run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// By name.
    pub services: BTreeMap<String, Service>,
    /// By the name that the recipe uses.
    pub networks: BTreeMap<String, RecipeNetwork>,
    /// Variables of which Compose says that they are not set.
    pub unset_variables: BTreeSet<String>,
    /// By the name that the recipe uses.
    pub volumes: BTreeMap<String, RecipeVolume>,
    /// The AI models of the recipe, which the plugin `docker model` runs.
    pub models: BTreeSet<String>,
}

/// A service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Its image, unless it is only built.
    pub image: Option<String>,
    /// Its `pull_policy`, if it has one.
    pub pull_policy: Option<String>,
    /// Whether nothing can be copied into its containers.
    pub read_only: bool,
    /// How many containers it shall have.
    pub replicas: usize,
    /// Ports of the host.
    pub ports: Vec<PublishedPort>,
    /// What it mounts of the host's files.
    pub mounts: BTreeSet<Mount>,
    /// The configs and secrets that it gets and that are no files.
    pub texts: Vec<InlineFile>,
    /// The engine's volumes in it.
    pub volumes: Vec<Volume>,
    /// The recipe's volumes in it, wherever their data lies, and whether it may write to them.
    pub named_volumes: BTreeMap<String, bool>,
    /// All directories and files of the container that something is mounted on.
    pub targets: BTreeSet<PathBuf>,
    /// Its networks, by the names that the recipe uses.
    pub networks: BTreeSet<String>,
    /// Whether it names its resolvers itself.
    pub has_dns: bool,
    /// The healthcheck that the recipe gives it.
    pub healthcheck: Option<Healthcheck>,
    /// The name of its container, if the recipe gives one.
    pub container_name: Option<String>,
    /// Whose network it is in, if it has none of its own: `host`, `none`, `service:…`, `container:…`.
    pub network_mode: Option<String>,
    /// Whether the recipe says that it listens on port 53, though it publishes nothing.
    pub declares_dns: bool,
    /// The services that start before it.
    pub depends_on: BTreeSet<String>,
    /// What its image is built of.
    pub build: Option<Build>,
    /// Options of the storage driver (`storage_opt`), by name.
    pub storage_options: BTreeSet<String>,
    /// The images that it needs besides its own.
    pub other_images: OtherImages,
    /// How many hooks run in its container once that has started.
    pub post_start_hooks: usize,
    /// Places of `pre_start` hooks that shall run once for each container (`per_replica`).
    pub per_replica_hooks: Vec<usize>,
    /// The program that provides it in place of a container.
    pub provider: Option<String>,
    /// What it needs of the engine that older ones do not have.
    pub needs: Vec<EngineNeed>,
}

impl Service {
    /// Whether Compose can build its image.
    pub fn is_built(&self) -> bool {
        self.build.is_some()
    }
}

/// What an image is built of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Build {
    /// A directory of the VM; nothing if it is fetched from elsewhere.
    pub directory: Option<PathBuf>,
    /// The Dockerfile, as a path from there; nothing if it stands in the recipe.
    pub dockerfile: Option<PathBuf>,
}

/// A volume of the engine in a container, whose data lies on the VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its name in the recipe; an anonymous one has none.
    pub name: Option<String>,
    /// Where it is mounted.
    pub target: PathBuf,
}

/// Ports of the host, of which the service takes one for each container (a range) or the only one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedPort {
    /// The address; empty is every address.
    pub host_ip: String,
    /// First of the range.
    pub first: u16,
    /// Last of the range.
    pub last: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// The port of the container.
    pub target: Option<u64>,
}

/// A file or directory of the host in a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mount {
    /// On the host.
    pub source: PathBuf,
    /// Whether the container cannot change it.
    pub read_only: bool,
    /// What it is in the recipe.
    pub kind: MountKind,
}

/// A config or secret whose text is in the recipe or in the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineFile {
    /// Which of the two.
    pub kind: MountKind,
    /// Its name in the recipe.
    pub name: String,
    /// Its `content:`.
    pub content: Option<Secret>,
    /// Its `environment:`.
    pub variable: Option<String>,
}

/// What a mount is in the recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MountKind {
    /// A bind volume.
    Volume,
    /// A config with `file:`.
    Config,
    /// A secret with `file:`.
    Secret,
}

impl MountKind {
    /// Its place in the recipe.
    pub fn word(self) -> &'static str {
        match self {
            Self::Volume => "volumes",
            Self::Config => "configs",
            Self::Secret => "secrets",
        }
    }
}

/// The output was no model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Not JSON.
    #[error("what `docker-compose config` wrote is not JSON")]
    Json(#[from] serde_json::Error),
    /// JSON, but not of a project.
    #[error("what `docker-compose config` wrote has no map of services")]
    Services,
}

#[cfg(test)]
pub(crate) mod tests;
