//! Retention's removals: a tag or a manifest goes if it is still what was judged.

use std::io;
use std::time::SystemTime;

use super::files::changed;
use super::{Taking, durable};
use crate::digest::Digest;
use crate::names::{Repository, Tag};

impl Taking {
    /// Removes a tag, unless it was pushed since this began, or stands for something else. Whether it went.
    pub fn remove_tag(
        &self,
        repository: &Repository,
        tag: &Tag,
        digest: &Digest,
    ) -> io::Result<bool> {
        // a push may be giving the tag to another manifest
        self.take_alone(digest, || {
            let is_same = self.storage.tag(repository, tag)?.as_ref() == Some(digest);
            Ok(is_same && self.storage.delete_tag(repository, tag)?)
        })
    }

    /// Removes a manifest that no tag stands for, unless it was pushed or named since this began, or pulled since it was judged.
    /// Whether it went.
    pub fn remove_manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
        pulled: Option<SystemTime>,
    ) -> io::Result<bool> {
        let storage = &self.storage;
        self.take(digest, || {
            if changed(&storage.pulled_file(repository, digest))? != pulled {
                return Ok(false);
            }
            for tag in storage.tags(repository)? {
                if storage.tag(repository, &tag)?.as_ref() == Some(digest) {
                    return Ok(false);
                }
            }
            storage.unlink_manifest(repository, digest)
        })
    }
}

impl super::Storage {
    /// Removes what says that a manifest was about others: after the manifest, as without it nothing comes of them.
    pub(super) fn forget_subjects(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> io::Result<()> {
        for subject in self.subjects(repository)? {
            durable::remove(&self.referrer(repository, &subject, digest))?;
        }
        Ok(())
    }
}
