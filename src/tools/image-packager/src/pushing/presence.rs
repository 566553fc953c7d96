//! What a registry has of a blob: in the repository itself, or in another one from which it can be mounted.

use std::collections::BTreeSet;

use image_archive::{Digest, Reference};
use registry_client::{Mount, OpenUpload};

use super::{Error, Image, Pushing};
use crate::source;

/// What is known of a blob before it is sent.
pub(super) enum Presence {
    There,
    Mounted,
    Absent(Option<OpenUpload>),
}

impl Pushing<'_> {
    /// Whether the blob is there, or can be had from another repository of the same registry.
    pub(super) fn presence(
        &self,
        image: &Image,
        repository: &Reference,
        digest: Digest,
    ) -> Result<Presence, Error> {
        if self.is_there(repository, digest)? {
            return Ok(Presence::There);
        }
        let mut opened = None;
        for from in self.candidates(image, repository, digest) {
            if self.dry_run {
                let there: Result<Reference, _> = format!("{}/{from}", repository.domain()).parse();
                let Ok(there) = there else { continue };
                if self.is_there(&there, digest)? {
                    self.known.add(repository, digest);
                    return Ok(Presence::Mounted);
                }
                continue;
            }
            if let Some(unused) = opened.take() {
                // The registry forgets it by itself, only later.
                let _ = self.client.abandon_upload(repository, &unused);
            }
            let mount = self.client.mount_blob(repository, digest, &from);
            match mount.map_err(source::Error::from)? {
                Mount::Mounted => {
                    self.known.add(repository, digest);
                    return Ok(Presence::Mounted);
                }
                Mount::Opened(upload) => opened = Some(upload),
                Mount::Refused => {}
            }
        }
        Ok(Presence::Absent(opened))
    }

    pub(super) fn is_there(&self, repository: &Reference, digest: Digest) -> Result<bool, Error> {
        if self.known.has(repository, digest) {
            return Ok(true);
        }
        let is_there = self
            .client
            .has_blob(repository, digest)
            .map_err(source::Error::from)?;
        if is_there {
            self.known.add(repository, digest);
        }
        Ok(is_there)
    }

    /// Other repositories of the same registry that have or may have the blob, the likeliest first.
    fn candidates(&self, image: &Image, repository: &Reference, digest: Digest) -> Vec<String> {
        let mut candidates = self.known.others(repository, digest);
        let own = (image.from.iter())
            .filter(|from| from.domain() == repository.domain())
            .map(|from| from.path().to_owned());
        candidates.extend(own.chain(self.mount_from.iter().cloned()));
        let mut seen = BTreeSet::from([repository.path().to_owned()]);
        candidates.retain(|path| seen.insert(path.clone()));
        candidates
    }
}
