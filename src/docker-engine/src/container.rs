//! What the engine says of a container.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::nullable::or_default;

/// A container in a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerSummary {
    /// Its full ID.
    pub id: String,
    /// Its names, each with a leading `/`.
    #[serde(default, deserialize_with = "or_default")]
    pub names: Vec<String>,
    /// The image's reference it was made with.
    #[serde(default)]
    pub image: String,
    /// The image's ID, as in [`crate::Image::id`].
    #[serde(rename = "ImageID", default)]
    pub image_id: String,
    /// Its labels.
    #[serde(default, deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
    /// `running`, `exited`, ….
    #[serde(default)]
    pub state: Status,
    /// State and time in words.
    #[serde(rename = "Status", default)]
    pub status_text: String,
    /// Its ports.
    #[serde(default, deserialize_with = "or_default")]
    pub ports: Vec<Port>,
    /// Its networks.
    #[serde(default, deserialize_with = "or_default")]
    pub network_settings: NetworkSettings,
}

/// The networks of a container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkSettings {
    /// By the network's name.
    #[serde(deserialize_with = "or_default")]
    pub networks: BTreeMap<String, NetworkUse>,
}

/// A container's place in a network.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkUse {
    /// The network's full ID; empty if the container was never in it.
    #[serde(rename = "NetworkID")]
    pub network_id: String,
}

impl ContainerSummary {
    /// Its name, without the slash.
    #[must_use]
    pub fn name(&self) -> &str {
        self.names
            .first()
            .map_or(self.id.as_str(), |name| name.trim_start_matches('/'))
    }
}

/// A port of a container.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Port {
    /// The address of the host it is published on.
    #[serde(rename = "IP", default)]
    pub ip: String,
    /// Inside the container.
    pub private_port: u16,
    /// On the host, if published.
    #[serde(default)]
    pub public_port: Option<u16>,
    /// `tcp`, `udp` or `sctp`.
    #[serde(rename = "Type", default)]
    pub protocol: String,
}

/// Where a container is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Status {
    /// Made, never started, or its start failed.
    Created,
    /// It runs.
    Running,
    /// It runs and is frozen.
    Paused,
    /// It has ended and the engine waits before it starts it again.
    Restarting,
    /// It is being removed.
    Removing,
    /// It has ended.
    Exited,
    /// Its removal failed.
    Dead,
    /// A state that is not known here.
    #[default]
    Unknown,
}

impl Status {
    /// The API's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
        }
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let known = [
            Self::Created,
            Self::Running,
            Self::Paused,
            Self::Restarting,
            Self::Removing,
            Self::Exited,
            Self::Dead,
        ];
        Ok(known
            .into_iter()
            .find(|status| status.word() == word)
            .unwrap_or(Self::Unknown))
    }
}

/// A container, inspected.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Container {
    /// Its full ID.
    pub id: String,
    /// Its name, with a leading `/`.
    #[serde(default)]
    pub name: String,
    /// When it was made (RFC 3339).
    #[serde(default)]
    pub created: String,
    /// The image's digest.
    #[serde(default)]
    pub image: String,
    /// The json-file driver's current file; empty before the first start, and with another driver.
    #[serde(default)]
    pub log_path: String,
    /// How often the engine has started it again since somebody started it.
    #[serde(default)]
    pub restart_count: u64,
    /// Its state.
    pub state: ContainerState,
    /// What it was made with.
    #[serde(default)]
    pub config: ContainerConfig,
    /// What it was made with, on the host's side.
    #[serde(default)]
    pub host_config: HostConfig,
}

impl Container {
    /// Its name, without the slash.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.trim_start_matches('/')
    }
}

/// The state of a container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerState {
    /// Where it is in its life.
    pub status: Status,
    /// Whether the kernel killed it because it was out of memory.
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    /// Its first process on the host; 0 if it does not run.
    pub pid: i64,
    /// The exit code of its last run.
    pub exit_code: i64,
    /// Why it could not be started.
    pub error: String,
    /// RFC 3339; the year 1 if never.
    pub started_at: String,
    /// RFC 3339; the year 1 if never.
    pub finished_at: String,
    /// Only with a healthcheck.
    pub health: Option<Health>,
}

/// What the healthcheck says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Health {
    /// The verdict.
    pub status: HealthStatus,
    /// Failures in a row.
    pub failing_streak: u64,
    /// The last probes, oldest first.
    #[serde(deserialize_with = "or_default")]
    pub log: Vec<HealthProbe>,
}

/// The healthcheck's verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Not yet known.
    Starting,
    /// The last probe passed.
    Healthy,
    /// As many probes as its retries failed.
    Unhealthy,
    /// There is no healthcheck, or a word that is not known here.
    #[default]
    #[serde(other)]
    None,
}

/// One probe of a healthcheck.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthProbe {
    /// Its exit code; -1 if it ran out of time.
    pub exit_code: i64,
    /// What it wrote, at most 4096 bytes.
    pub output: String,
}

/// What a container was made with.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerConfig {
    /// The image's reference.
    pub image: String,
    /// Its labels.
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
    /// Whether it has a terminal: its output is then one stream.
    pub tty: bool,
    /// The signal that asks it to stop, by name or number; empty for SIGTERM.
    pub stop_signal: String,
    /// Its grace period in seconds; none for the engine's 10, below zero without an end.
    pub stop_timeout: Option<i64>,
    /// Its healthcheck, the image's own included.
    pub healthcheck: Option<Healthcheck>,
    /// Ports that it may listen on, `53/udp`.
    #[serde(deserialize_with = "or_default")]
    pub exposed_ports: BTreeMap<String, serde_json::Value>,
}

/// When a healthcheck is run, in nanoseconds; 0 is the engine's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// Between two checks, and before the first.
    pub interval: i64,
    /// How long failures do not count.
    pub start_period: i64,
    /// Between two checks in this time, and before the first.
    pub start_interval: i64,
}

/// What a container was made with, on the host's side.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HostConfig {
    /// What happens when it ends.
    pub restart_policy: RestartPolicy,
    /// Where its output goes.
    pub log_config: LogConfig,
    /// Whose network it is in: `host`, `none`, a network's name, `container:…`.
    pub network_mode: String,
    /// Where its ports are to be published, by port (`53/udp`).
    #[serde(deserialize_with = "or_default")]
    pub port_bindings: BTreeMap<String, Option<Vec<PortBinding>>>,
}

/// Where a port of a container is to be published.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PortBinding {
    /// The address of the host; empty is every one.
    pub host_ip: String,
    /// The port of the host, or a range; empty is one that the engine chooses.
    pub host_port: String,
}

/// Where a container's output goes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LogConfig {
    /// `json-file`, `local`, `journald`, ….
    #[serde(rename = "Type")]
    pub driver: String,
    /// The driver's options.
    #[serde(rename = "Config", deserialize_with = "or_default")]
    pub options: BTreeMap<String, String>,
}

/// What happens when a container ends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RestartPolicy {
    /// `no` (or empty), `always`, `unless-stopped`, `on-failure`.
    pub name: String,
    /// For `on-failure`: how often; 0 is without end.
    pub maximum_retry_count: u64,
}
