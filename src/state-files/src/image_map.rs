//! `images.json`: digests for names that the engine cannot resolve.
//!
//! The graph drivers' store learns what `name@sha256:…` stands for only by pulling (moby#43570). A recipe that says so
//! can run offline all the same if somebody else resolves the name: image-importer, which knows it of the images that it
//! brought, leaves this map for compose-runner, whose override file puts the engine's own digest in the reference's place.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use bosh_job::Paths;
use image_archive::Reference;
use serde::{Deserialize, Serialize};

use crate::StateFile;

/// Reference by digest, in full, to the engine's digest of the image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageMap {
    images: BTreeMap<String, String>,
}

impl StateFile for ImageMap {
    const VERSION: u32 = 1;

    fn path(paths: &Paths) -> PathBuf {
        paths.image_map()
    }
}

impl FromIterator<(String, String)> for ImageMap {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(entries: I) -> Self {
        Self {
            images: entries.into_iter().collect(),
        }
    }
}

impl ImageMap {
    /// What image-importer left. A file that is not there, or is no map, says nothing.
    #[must_use]
    pub fn left_by_importer(paths: &Paths) -> Self {
        Self::read(paths).ok().flatten().unwrap_or_default()
    }

    /// Writes the map, if it is not what the file says already.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn keep(&self, paths: &Paths) -> io::Result<()> {
        let now = Self::read(paths);
        if now.is_ok_and(|now| now.unwrap_or_default() == *self) {
            return Ok(());
        }
        self.write(paths)
    }

    /// The engine's digest of the image that a reference by digest stands for.
    #[must_use]
    pub fn resolve(&self, reference: &str) -> Option<&str> {
        let digested = reference.parse::<Reference>().ok()?.digested()?;
        self.images.get(&digested.to_string()).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_only_when_there_is_something_to_say() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        let mut map = ImageMap::default();
        map.keep(&paths).unwrap();
        assert_eq!(ImageMap::read(&paths).unwrap(), None);
        map.images
            .insert("docker.io/library/x@sha256:1".into(), "sha256:2".into());
        map.keep(&paths).unwrap();
        assert_eq!(ImageMap::left_by_importer(&paths), map);
        map.images.clear();
        map.keep(&paths).unwrap();
        assert_eq!(ImageMap::read(&paths).unwrap(), Some(ImageMap::default()));
    }

    #[test]
    fn a_map_that_is_none_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        let file = ImageMap::path(&paths);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let by_digest = format!("x@sha256:{}", "1".repeat(64));
        let entry =
            |value: &str| format!(r#"{{"images": {{"docker.io/library/{by_digest}": {value}}}}}"#);
        let resolve = |reference: &str| {
            let map = ImageMap::left_by_importer(&paths);
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
