//! The Engine API on dockerd's UNIX socket, with a blocking face.
//!
//! [`Engine`] is cheap to clone and safe to share between threads: every call makes a connection of its own and drives
//! it on a single-threaded runtime that lives as long as the reply does, so that nothing runs in the background while
//! no call is under way.
//!
//! Engines from 20.10 (API 1.41) to 29 are spoken to (29.0 refused less than 1.44, later ones refuse less than 1.40): the version is
//! negotiated with the first call, see [`ApiVersion`].

mod api_version;
mod connector;
mod container;
mod containerd;
mod containers;
mod daemon;
mod disk_usage;
mod engine;
mod error;
mod events;
mod image_removal;
mod images;
mod load;
mod logs;
mod networks;
mod nullable;
mod request;
mod save;
mod transport;
mod upload;
mod volumes;
mod wait;

#[cfg(any(test, feature = "test-support"))]
pub mod fake;
#[cfg(test)]
mod faults;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;

pub use api_version::ApiVersion;
pub use container::{
    Container, ContainerConfig, ContainerState, ContainerSummary, Health, HealthProbe,
    HealthStatus, Healthcheck, HostConfig, LogConfig, NetworkSettings, NetworkUse, Port,
    RestartPolicy, Status,
};
pub use containerd::says_containerd_is_away;
pub use containers::Filters;
pub use daemon::{Commit, ImageStore, Info, Version};
pub use disk_usage::{ContainerUsage, DiskUsage, ImageUsage, VolumeData, VolumeUsage};
pub use engine::Engine;
pub use error::{Error, Result};
pub use events::{Actor, Event, Events};
pub use images::{
    HistoryEntry, Image, ImageConfig, ImageData, ImageManifest, ImageSize, ImageSummary, Platform,
    RootFs,
};
pub use load::LoadReport;
pub use logs::Output;
pub use networks::{Ipam, Network, Subnet};
pub use request::Timeouts;
pub use save::SavedImage;
pub use volumes::VolumeSummary;
