//! Digests for names that the engine cannot resolve.
//!
//! The graph drivers' store learns what `name@sha256:…` stands for only by pulling (moby#43570). A recipe that says so
//! can run offline all the same if somebody else resolves the name: this file tells compose-runner the digest by which
//! the engine knows the image.

use std::collections::BTreeMap;
use std::path::Path;

use bosh_job::{atomic_write, make_dir};

/// Reference by digest, in full, to the engine's digest of the image.
pub type ImageMap = BTreeMap<String, String>;

/// Writes the map, if it is not what the file says already.
pub fn write(file: &Path, map: &ImageMap) -> std::io::Result<()> {
    let mut text = serde_json::to_vec_pretty(map).map_err(std::io::Error::other)?;
    text.push(b'\n');
    if std::fs::read(file).is_ok_and(|now| now == text) || (map.is_empty() && !file.exists()) {
        return Ok(());
    }
    if let Some(directory) = file.parent() {
        make_dir(directory, 0o700)?;
    }
    atomic_write(file, &text, 0o600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_only_when_there_is_something_to_say() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("import/images.json");
        let mut map = ImageMap::new();
        write(&file, &map).unwrap();
        assert!(!file.exists());
        map.insert("docker.io/library/x@sha256:1".into(), "sha256:2".into());
        write(&file, &map).unwrap();
        let read: ImageMap = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(read, map);
        map.clear();
        write(&file, &map).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"{}\n");
    }
}
