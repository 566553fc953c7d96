//! Images: what there is, whether it is complete, and what it is called.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use crate::{
    ApiVersion, Engine, Filters, Result,
    nullable::or_default,
    request::{Request, Timeouts, segment},
};

/// First version of the API that says which parts of an image are there.
const TELLS_MANIFESTS: ApiVersion = ApiVersion::new(1, 47);
/// The last version whose history is an error if a layer is not unpacked: engine 26. Engine 28 answers all the same.
const HISTORY_PROVES_LAYERS: ApiVersion = ApiVersion::new(1, 45);

/// `GET /images/{name}/json`, as far as it is used.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Image {
    /// The config digest in the graph drivers' store, the digest of the manifest or index in the containerd store.
    pub id: String,
    /// Names with a tag, as people write them.
    #[serde(default, deserialize_with = "or_default")]
    pub repo_tags: Vec<String>,
    /// Names with a digest, as people write them.
    #[serde(default, deserialize_with = "or_default")]
    pub repo_digests: Vec<String>,
    /// `linux`.
    #[serde(default)]
    pub os: String,
    /// `amd64`, `arm64`, ….
    #[serde(default)]
    pub architecture: String,
    /// The layers.
    #[serde(rename = "RootFS", default)]
    pub root_fs: RootFs,
    /// What its containers get.
    #[serde(default, deserialize_with = "or_default")]
    pub config: ImageConfig,
}

/// What an image says of its containers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageConfig {
    /// Directories that are a volume unless something else is mounted there.
    #[serde(default, deserialize_with = "or_default")]
    pub volumes: BTreeMap<String, serde_json::Value>,
    /// Ports that its containers listen on, `53/udp`.
    #[serde(default, deserialize_with = "or_default")]
    pub exposed_ports: BTreeMap<String, serde_json::Value>,
}

/// The layers of an image.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RootFs {
    /// The diff IDs, lowest first.
    #[serde(default, deserialize_with = "or_default")]
    pub layers: Vec<String>,
}

/// `GET /images/json`, as far as it is used.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageSummary {
    /// As [`Image::id`].
    pub id: String,
    /// Names with a tag.
    #[serde(default, deserialize_with = "or_default")]
    pub repo_tags: Vec<String>,
    /// Names with a digest.
    #[serde(default, deserialize_with = "or_default")]
    pub repo_digests: Vec<String>,
    /// Bytes on disk.
    #[serde(default)]
    pub size: i64,
    /// The manifests, one a platform; empty unless asked for with [`Engine::image_manifests`].
    #[serde(default, deserialize_with = "or_default")]
    pub manifests: Vec<ImageManifest>,
}

/// One manifest of an image in the containerd store.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageManifest {
    /// The manifest's digest.
    #[serde(rename = "ID")]
    pub id: String,
    /// Whether config and all layers are in the content store.
    #[serde(default)]
    pub available: bool,
    /// `image`, `attestation` or `unknown`.
    #[serde(default)]
    pub kind: String,
    /// There for the kind `image`.
    pub image_data: Option<ImageData>,
}

/// What is known of the image that a manifest is for.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageData {
    /// What the image is for.
    #[serde(default)]
    pub platform: Platform,
    /// What it takes.
    #[serde(default)]
    pub size: ImageSize,
}

/// An entry of `GET /images/{name}/history`, as far as it is used: one a layer, the highest first.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HistoryEntry {
    /// As [`Image::id`] for the first entry.
    #[serde(default)]
    pub id: String,
    /// Of the first entry the image's names.
    #[serde(default, deserialize_with = "or_default")]
    pub tags: Vec<String>,
}

/// A platform in Go's words.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Platform {
    /// `linux`.
    #[serde(default)]
    pub os: String,
    /// `amd64`, `arm64`, ….
    #[serde(default)]
    pub architecture: String,
}

/// What an image takes on disk.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageSize {
    /// Bytes of the unpacked layers; 0 if they are not unpacked.
    #[serde(default)]
    pub unpacked: i64,
}

impl ImageSummary {
    /// Whether the image for a platform is there with all its layers, unpacked: only then a container can be made.
    ///
    /// False also for an image that unpacks to no bytes at all; [`Engine::try_image`] settles that.
    #[must_use]
    pub fn is_complete_for(&self, os: &str, architecture: &str) -> bool {
        self.manifests.iter().any(|manifest| {
            manifest.kind == "image"
                && manifest.available
                && manifest.image_data.as_ref().is_some_and(|data| {
                    data.size.unpacked > 0
                        && data.platform.os == os
                        && data.platform.architecture == architecture
                })
        })
    }
}

impl Engine {
    /// An image by reference or ID; nothing if there is none.
    ///
    /// In the containerd store an image is found even when layers are missing.
    pub fn inspect_image(&self, name: &str) -> Result<Option<Image>> {
        let found = self.json(Request::get(format!("/images/{}/json", segment(name))));
        match found {
            Ok(image) => Ok(Some(image)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All images.
    pub fn images(&self) -> Result<Vec<ImageSummary>> {
        self.json(Request::get("/images/json").timeouts(Self::listing()))
    }

    /// The images that pass the filters.
    pub fn images_with(&self, filters: &Filters) -> Result<Vec<ImageSummary>> {
        let request = Request::get("/images/json").query("filters", filters.to_query());
        self.json(request.timeouts(Self::listing()))
    }

    /// How an image was made; nothing if there is none.
    pub fn image_history(&self, name: &str) -> Result<Option<Vec<HistoryEntry>>> {
        let found: Result<Option<Vec<HistoryEntry>>> =
            self.json(Request::get(format!("/images/{}/history", segment(name))));
        match found {
            // `null` is the history of an image whose maker wrote none.
            Ok(history) => Ok(Some(history.unwrap_or_default())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether an image of the containerd store that has a history has all its layers unpacked (moby,
    /// `daemon/containerd/image_history.go`): the cheapest way to find out.
    pub fn history_proves_layers(&self) -> Result<bool> {
        Ok(self.api_version()? <= HISTORY_PROVES_LAYERS)
    }

    /// All images with their manifests; nothing if the engine does not tell them (API before 1.47).
    pub fn image_manifests(&self) -> Result<Option<Vec<ImageSummary>>> {
        if self.api_version()? < TELLS_MANIFESTS {
            return Ok(None);
        }
        let request = Request::get("/images/json").query("manifests", "1");
        self.json(request.timeouts(Self::listing())).map(Some)
    }

    /// The engine counts sizes for a list, which takes time on a slow disk.
    fn listing() -> Timeouts {
        Timeouts::within(Duration::from_mins(5))
    }

    /// Gives an image another name: `repository:tag`. A name that another image had moves.
    pub fn tag(&self, image: &str, repository: &str, tag: &str) -> Result<()> {
        let request = Request::post(format!("/images/{}/tag", segment(image)));
        self.done(request.query("repo", repository).query("tag", tag))
    }

    /// Makes a container of an image and removes it, with the volumes that the image declares: the proof that the image
    /// is complete where the engine does not tell. It is never started, and is on no network.
    pub fn try_image(&self, image: &str) -> Result<()> {
        let hex = image.strip_prefix("sha256:").unwrap_or(image);
        let name = format!("image-importer-trial-{}", hex.get(..12).unwrap_or("0"));
        let config = serde_json::json!({
            "Image": image,
            // The image may have no command of its own.
            "Cmd": ["never-started"],
            "HostConfig": { "NetworkMode": "none" },
        });
        let made = match self.create_container(Some(&name), config.clone()) {
            // Left by a trial that was killed.
            Err(error) if error.status() == Some(409) => {
                self.remove_trial(&name)?;
                self.create_container(Some(&name), config)
            }
            made => made,
        }?;
        self.remove_trial(&made)
    }

    fn remove_trial(&self, id: &str) -> Result<()> {
        let request = Request::delete(format!("/containers/{}", segment(id)))
            .query("force", "1")
            .query("v", "1")
            .timeouts(Timeouts::silence(Duration::from_mins(2)));
        match self.done(request) {
            Err(error) if error.is_not_found() => Ok(()),
            outcome => outcome,
        }
    }
}

#[cfg(test)]
mod tests;
