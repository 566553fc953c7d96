//! Images that a recipe names by a digest that the engine cannot resolve.
//!
//! The graph drivers' store learns what `name@sha256:…` stands for only by pulling (moby#43570). image-importer, which
//! knows it of the images that it brought, leaves a map from such references to the engine's own digest of the image;
//! the override file puts that in the reference's place.

use std::{collections::BTreeMap, path::Path};

use docker_engine::Engine;
use image_archive::Reference;

use crate::model::Model;

/// Bytes of the map; a real one has a few lines.
const LONGEST: u64 = 16 << 20;

/// What is known beyond the engine's own knowledge.
#[derive(Debug, Default)]
pub struct ImageMap(BTreeMap<String, String>);

impl ImageMap {
    /// Reads the map. A file that is not there, or is no map, says nothing.
    pub fn read(file: &Path) -> Self {
        let small = file.metadata().is_ok_and(|file| file.len() <= LONGEST);
        let bytes = small.then(|| std::fs::read(file).ok()).flatten();
        Self(
            bytes
                .and_then(|bytes| serde_json::from_slice(&bytes).ok())
                .unwrap_or_default(),
        )
    }

    /// The engine's digest of the image that a reference by digest stands for.
    pub fn resolve(&self, reference: &str) -> Option<&str> {
        let digested = reference.parse::<Reference>().ok()?.digested()?;
        self.0.get(&digested.to_string()).map(String::as_str)
    }

    /// The image of each service whose own name for it the engine does not know.
    pub fn overrides(
        &self,
        model: &Model,
        engine: &Engine,
    ) -> docker_engine::Result<BTreeMap<String, String>> {
        let mut overrides = BTreeMap::new();
        for (name, service) in &model.services {
            if let Some(image) = &service.image
                && let Some(digest) = self.resolve(image)
                && engine.inspect_image(image)?.is_none()
            {
                overrides.insert(name.clone(), digest.to_owned());
            }
        }
        Ok(overrides)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_is_none_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("images.json");
        let by_digest = format!("x@sha256:{}", "1".repeat(64));
        let entry = |value: &str| format!(r#"{{"docker.io/library/{by_digest}": {value}}}"#);
        let resolve = |reference: &str| {
            let map = ImageMap::read(&file);
            map.resolve(reference).map(str::to_owned)
        };
        assert_eq!(resolve(&by_digest), None);
        for bytes in [String::new(), "[]".into(), entry("7")] {
            std::fs::write(&file, &bytes).unwrap();
            assert_eq!(resolve(&by_digest), None, "{bytes}");
        }
        std::fs::write(&file, entry(r#""sha256:2""#)).unwrap();
        for name in ["x@", "x:7@", "docker.io/x@", "docker.io/library/x:7@"] {
            let reference = by_digest.replace("x@", name);
            assert_eq!(resolve(&reference).as_deref(), Some("sha256:2"), "{name}");
        }
        for other in [
            "x:7".to_owned(),
            by_digest.replace('x', "y"),
            "x@sha256:1".into(),
        ] {
            assert_eq!(resolve(&other), None, "{other}");
        }
    }
}
