//! Images made up for tests, in every form in which real tools write them. Nothing here is shared with the code that
//! reads them: what both got wrong would never show.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "it serves tests only"
)]

mod forms;
mod layout;

use std::io::Write as _;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub use forms::{Files, named};
pub use layout::Layout;

/// How a layer is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// As it is.
    Plain,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Packing {
    /// The bytes as stored.
    #[must_use]
    pub fn pack(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => bytes.to_vec(),
            Self::Gzip => {
                let mut encoder =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder
                    .write_all(bytes)
                    .and_then(|()| encoder.finish())
                    .expect("writing to memory")
            }
            Self::Zstd => zstd::encode_all(bytes, 1).expect("writing to memory"),
        }
    }

    /// What an OCI manifest calls such a layer.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Plain => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

/// An image: layers as plain tars, lowest first, and a config.
#[derive(Clone, Debug)]
pub struct TestImage {
    /// The unpacked layers.
    pub layers: Vec<Vec<u8>>,
    /// Operating system and architecture.
    pub platform: (String, String),
    /// The config's `config`: command, volumes, ….
    pub settings: Value,
}

impl TestImage {
    /// An image without layers, for this machine.
    #[must_use]
    pub fn empty() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Self {
            layers: Vec::new(),
            platform: ("linux".into(), architecture.into()),
            settings: json!({}),
        }
    }

    /// An image of one small layer; each `seed` makes another.
    #[must_use]
    pub fn small(seed: u8) -> Self {
        Self::empty().with_layer(&[("seed", &[seed; 100])])
    }

    /// An image whose only layer is a static busybox, which runs.
    #[must_use]
    pub fn busybox(binary: &[u8]) -> Self {
        let mut image = Self::empty().with_layer(&[("bin/busybox", binary), ("bin/sh", binary)]);
        image.settings = json!({"Cmd": ["/bin/busybox", "sleep", "3600"], "Env": ["PATH=/bin"]});
        image
    }

    /// One more layer with these files.
    #[must_use]
    pub fn with_layer(mut self, files: &[(&str, &[u8])]) -> Self {
        self.layers.push(layer(files));
        self
    }

    /// The diff IDs.
    #[must_use]
    pub fn diff_ids(&self) -> Vec<String> {
        self.layers.iter().map(|layer| digest(layer)).collect()
    }

    /// The bytes of the config.
    #[must_use]
    pub fn config(&self) -> Vec<u8> {
        let history: Vec<Value> = self
            .layers
            .iter()
            .map(|_| json!({"created_by": "test"}))
            .collect();
        json!({
            "architecture": self.platform.1,
            "os": self.platform.0,
            "created": "2026-01-01T00:00:00Z",
            "config": self.settings,
            "rootfs": {"type": "layers", "diff_ids": self.diff_ids()},
            "history": history,
        })
        .to_string()
        .into_bytes()
    }

    /// The digest of the config.
    #[must_use]
    pub fn config_digest(&self) -> String {
        digest(&self.config())
    }
}

/// A layer with these files, each executable.
#[must_use]
pub fn layer(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tarball = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(bytes.len() as u64);
        tarball
            .append_data(&mut header, name, *bytes)
            .expect("writing to memory");
    }
    tarball.into_inner().expect("writing to memory")
}

/// `sha256:…`
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(bytes))
}

/// The digits of the digest.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
