//! Certificate, key and authority on disk. Each set has a directory of its own, named by its digest, so that settings that
//! turn out bad do not overwrite the files of those that work.

use std::path::{Path, PathBuf};

use anyhow::Context;
use bosh_job::{Paths, atomic_write, make_dir};
use job_properties::TlsMaterial;
use sha2::{Digest, Sha256};

/// Where a set lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authority whose clients are let in.
    pub cacert: PathBuf,
    /// dockerd's certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Writes a set, if it is not there already.
pub fn write(paths: &Paths, material: &TlsMaterial) -> anyhow::Result<TlsFiles> {
    let parts = [
        material.cacert.reveal(),
        material.cert.reveal(),
        material.key.reveal(),
    ];
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    }
    let name = hex::encode(&digest.finalize()[..8]);
    let dir = paths.tls_dir().join(name);
    make_dir(&dir, 0o700)?;
    let files = TlsFiles {
        cacert: dir.join("ca.pem"),
        cert: dir.join("cert.pem"),
        key: dir.join("key.pem"),
    };
    for (path, part) in [&files.cacert, &files.cert, &files.key]
        .into_iter()
        .zip(parts)
    {
        if !std::fs::read(path).is_ok_and(|present| present == part.as_bytes()) {
            atomic_write(path, part.as_bytes(), 0o600)?;
        }
    }
    Ok(files)
}

/// Removes the sets other than that of the key `used`.
pub fn remove_unused(paths: &Paths, used: Option<&Path>) -> anyhow::Result<()> {
    let used = used.and_then(Path::parent);
    let dir = paths.tls_dir();
    for entry in std::fs::read_dir(&dir).with_context(|| format!("reading {}", dir.display()))? {
        let path = entry?.path();
        if used != Some(path.as_path()) && path.is_dir() {
            std::fs::remove_dir_all(&path)
                .with_context(|| format!("removing {}", path.display()))?;
        }
    }
    Ok(())
}
