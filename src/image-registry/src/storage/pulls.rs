//! When a manifest was last pulled: the time of a file of its own, so that a pull costs one look, and one touch a minute.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::files::changed;
use super::repositories::digests;
use super::{Storage, durable};
use crate::digest::Digest;
use crate::names::Repository;

const PULLED: &str = "_pulled";
/// A pull so soon after another one is not noted.
const PRECISION: Duration = Duration::from_mins(1);

impl Storage {
    /// Notes that a manifest was pulled. On a disk that takes nothing this is logged, and the pull goes on.
    pub fn note_pulled(&self, repository: &Repository, digest: &Digest) {
        let file = self.pulled_file(repository, digest);
        if let Err(error) = touch(&file) {
            tracing::warn!(%repository, %digest, why = %error, "not noted that this was pulled");
        }
    }

    /// When the manifests of a repository were last pulled; those that never were are not among them.
    pub fn pulled(&self, repository: &Repository) -> io::Result<BTreeMap<Digest, SystemTime>> {
        let mut pulled = BTreeMap::new();
        for digest in digests(&self.repository(repository).join(PULLED))? {
            if let Some(time) = changed(&self.pulled_file(repository, &digest))? {
                pulled.insert(digest, time);
            }
        }
        Ok(pulled)
    }

    /// Forgets when a manifest was pulled.
    pub(super) fn forget_pulled(&self, repository: &Repository, digest: &Digest) -> io::Result<()> {
        let file = self.pulled_file(repository, digest);
        durable::remove(&file).map(drop)
    }

    pub(super) fn pulled_file(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        self.link(repository, PULLED, digest)
    }
}

/// What a loss of power takes of this is half a minute, so that nothing waits for the disk.
fn touch(path: &Path) -> io::Result<()> {
    let now = SystemTime::now();
    if let Some(last) = changed(path)?
        && now.duration_since(last).is_ok_and(|ago| ago < PRECISION)
    {
        return Ok(());
    }
    let open = || {
        let mut options = File::options();
        options.write(true).create(true).truncate(false).open(path)
    };
    let file = match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            open()
        }
        opened => opened,
    };
    file.and_then(|file| file.set_modified(now))
        .map_err(|error| durable::named(&error, "touching", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Algorithm;

    #[test]
    fn a_pull_is_noted_at_most_once_a_minute() {
        let directory = tempfile::tempdir().unwrap();
        let storage = Storage::open(directory.path()).unwrap();
        let repository = "team/app".parse().unwrap();
        let digest = Digest::of(Algorithm::Sha256, b"x");
        assert_eq!(storage.pulled(&repository).unwrap(), BTreeMap::new());
        storage.note_pulled(&repository, &digest);
        let first = storage.pulled(&repository).unwrap()[&digest];
        storage.note_pulled(&repository, &digest);
        assert_eq!(storage.pulled(&repository).unwrap()[&digest], first);
        let file = File::options()
            .write(true)
            .open(storage.pulled_file(&repository, &digest))
            .unwrap();
        file.set_modified(first - Duration::from_secs(61)).unwrap();
        storage.note_pulled(&repository, &digest);
        assert!(storage.pulled(&repository).unwrap()[&digest] >= first);
        storage.forget_pulled(&repository, &digest).unwrap();
        assert_eq!(storage.pulled(&repository).unwrap(), BTreeMap::new());
    }
}
