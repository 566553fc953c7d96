//! What the engine's things take on disk.

use std::time::Duration;

use serde::Deserialize;

use crate::{
    Engine, Result,
    nullable::or_default,
    request::{Request, Timeouts},
};

/// `GET /system/df`, as far as it is used. Sizes are in bytes; what the engine does not know is negative.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DiskUsage {
    /// All layers of all images, each counted once; with the containerd store packed and unpacked (moby,
    /// `daemon/containerd/service.go`, `ImageDiskUsage`).
    pub layers_size: i64,
    /// The images.
    #[serde(deserialize_with = "or_default")]
    pub images: Vec<ImageUsage>,
    /// The containers.
    #[serde(deserialize_with = "or_default")]
    pub containers: Vec<ContainerUsage>,
    /// The volumes.
    #[serde(deserialize_with = "or_default")]
    pub volumes: Vec<VolumeUsage>,
}

/// An image's part.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageUsage {
    /// Its layers, those too that it shares with others.
    pub size: i64,
    /// How many containers were made of it.
    pub containers: i64,
}

/// A container's part.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerUsage {
    /// What it has written into its own layer.
    pub size_rw: i64,
}

/// A volume's part.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeUsage {
    /// Its name.
    pub name: String,
    /// Nothing for a volume that is not on the engine's own disk.
    pub usage_data: Option<VolumeData>,
}

/// What is known of a volume.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeData {
    /// Its files.
    pub size: i64,
    /// How many containers have it.
    pub ref_count: i64,
}

impl DiskUsage {
    /// What all images take together. Where the engine gives no sum, what images have in common is counted more than
    /// once.
    #[must_use]
    pub fn images_size(&self) -> i64 {
        if self.layers_size > 0 {
            return self.layers_size;
        }
        self.images.iter().map(|image| image.size.max(0)).sum()
    }
}

impl Engine {
    /// What images, containers and volumes take. The engine walks through all files of all volumes and containers for
    /// it, which can take minutes on a slow disk; `limit` bounds that.
    pub fn disk_usage(&self, limit: Duration) -> Result<DiskUsage> {
        self.json(Request::get("/system/df").timeouts(Timeouts::within(limit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_null_and_what_is_not_known() {
        let usage: DiskUsage = serde_json::from_str(
            r#"{"LayersSize":0,"Images":[{"Size":7,"SharedSize":-1},{"Size":5}],"Containers":null,
                "Volumes":[{"Name":"a","UsageData":null},{"Name":"b","UsageData":{"Size":-1,"RefCount":-1}}],"BuildCache":null}"#,
        )
        .unwrap();
        assert_eq!(usage.images_size(), 12);
        assert!(usage.containers.is_empty() && usage.volumes[0].usage_data.is_none());
        let layered = DiskUsage {
            layers_size: 9,
            ..usage
        };
        assert_eq!(layered.images_size(), 9);
    }
}
