//! The platform that an image is for.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// Operating system and architecture in Go's words, as image manifests and configs name them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`, `windows`, …
    #[serde(default, deserialize_with = "null_is_empty")]
    pub os: String,
    /// `amd64`, `arm64`, …
    #[serde(default, deserialize_with = "null_is_empty")]
    pub architecture: String,
    /// `v8` of arm64, `v7` of arm; mostly absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// What the image needs of the machine beyond that (`erofs`): mostly absent.
    #[serde(
        default,
        rename = "os.features",
        skip_serializing_if = "Option::is_none"
    )]
    pub os_features: Option<Vec<String>>,
}

fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Platform {
    /// Linux on the processor that this program was built for.
    #[must_use]
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            other => other,
        };
        Self {
            os: "linux".into(),
            architecture: architecture.into(),
            variant: None,
            os_features: None,
        }
    }

    /// Build attestations hide among the manifests of an index under the platform `unknown/unknown`.
    #[must_use]
    pub(crate) fn is_unknown(&self) -> bool {
        self.os == "unknown" || self.architecture == "unknown"
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |text: &str| {
            if text.is_empty() {
                "?".to_owned()
            } else {
                crate::digest::abridge(text)
            }
        };
        write!(formatter, "{}/{}", part(&self.os), part(&self.architecture))?;
        match &self.variant {
            Some(variant) if !variant.is_empty() => {
                write!(formatter, "/{}", crate::digest::abridge(variant))
            }
            _ => Ok(()),
        }
    }
}
