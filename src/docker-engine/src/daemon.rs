//! What the engine says of itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Engine, Result, Timeouts, nullable::or_default, request::Request};

/// `GET /version`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Version {
    /// The engine's version, such as `26.1.5`.
    pub version: String,
    /// The newest API version that it speaks.
    pub api_version: String,
    /// The oldest.
    #[serde(rename = "MinAPIVersion", default)]
    pub min_api_version: String,
}

/// Where the engine keeps its images. The two know an image by different digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageStore {
    /// The older one: graph drivers; an image is known by its config digest.
    GraphDriver,
    /// containerd's; an image is known by the digest of its manifest or index.
    Containerd,
}

/// `GET /info`, as far as it is used.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Info {
    /// Stays the same as long as the data root does.
    #[serde(rename = "ID", default)]
    pub id: String,
    /// The engine's version.
    #[serde(default)]
    pub server_version: String,
    /// The storage driver.
    pub driver: String,
    /// Name and value pairs of the storage driver.
    #[serde(default, deserialize_with = "or_default")]
    pub driver_status: Vec<Vec<String>>,
    /// The data root.
    #[serde(default)]
    pub docker_root_dir: String,
    /// Whether containers outlive the daemon.
    #[serde(default)]
    pub live_restore_enabled: bool,
    /// All containers.
    #[serde(default)]
    pub containers: u64,
    /// Those that run.
    #[serde(default)]
    pub containers_running: u64,
    /// `1` or `2`.
    #[serde(default)]
    pub cgroup_version: String,
    /// The platform's operating system: `linux`.
    #[serde(rename = "OSType", default)]
    pub os_type: String,
    /// The platform's architecture as the kernel names it: `x86_64`.
    #[serde(default)]
    pub architecture: String,
    /// Of the containerd that it works with; `N/A` if it does not reach any.
    #[serde(default, deserialize_with = "or_default")]
    pub containerd_commit: Commit,
    /// What the engine complains of.
    #[serde(default, deserialize_with = "or_default")]
    pub warnings: Vec<String>,
}

/// Which build of a program it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Commit {
    /// The commit; empty where the build does not say.
    #[serde(rename = "ID", deserialize_with = "or_default")]
    pub id: String,
}

impl Info {
    /// The first number of the engine's version; 0 if it is none.
    #[must_use]
    pub fn major_version(&self) -> u32 {
        let digits = self.server_version.split('.').next();
        digits
            .and_then(|digits| digits.parse().ok())
            .unwrap_or_default()
    }

    /// Which image store is in use. The containerd store gives itself away by its driver type (moby,
    /// `daemon/containerd/service.go`, `LayerStoreStatus`).
    #[must_use]
    pub fn image_store(&self) -> ImageStore {
        let containerd =
            self.driver_status.iter().any(|pair| matches!(&pair[..], [key, value] if key == "driver-type" && value.starts_with("io.containerd.snapshotter")));
        if containerd {
            ImageStore::Containerd
        } else {
            ImageStore::GraphDriver
        }
    }
}

impl Engine {
    /// The engine's versions.
    pub fn version(&self) -> Result<Version> {
        self.json(Request::get("/version"))
    }

    /// The engine's state and settings.
    pub fn info(&self) -> Result<Info> {
        self.json(Request::get("/info"))
    }

    /// The same, within `limit`: dockerd asks containerd for part of it, and waits for one that hangs.
    pub fn info_within(&self, limit: Duration) -> Result<Info> {
        self.json(Request::get("/info").timeouts(Timeouts::within(limit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(json: &str) -> Info {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn tells_the_image_stores_apart() {
        let containerd = info(
            r#"{"Driver":"overlayfs","DriverStatus":[["driver-type","io.containerd.snapshotter.v1"]]}"#,
        );
        assert_eq!(containerd.image_store(), ImageStore::Containerd);
        let graph = info(
            r#"{"Driver":"overlay2","DriverStatus":[["Backing Filesystem","extfs"],["Supports d_type","true"]]}"#,
        );
        assert_eq!(graph.image_store(), ImageStore::GraphDriver);
    }

    #[test]
    fn reads_the_major_version() {
        let of = |version: &str| {
            let json = serde_json::json!({"Driver": "overlay2", "ServerVersion": version});
            info(&json.to_string()).major_version()
        };
        assert_eq!(of("20.10.24+dfsg1"), 20);
        assert_eq!(of("28.5.2"), 28);
        assert_eq!((of("dev"), of("")), (0, 0));
    }

    #[test]
    fn reads_null_for_an_empty_list() {
        assert_eq!(
            info(r#"{"Driver":"overlay2","DriverStatus":null,"Warnings":null}"#).image_store(),
            ImageStore::GraphDriver
        );
    }
}
