//! What a repository holds, as its directories list it: tags and manifests with the times at which they were pushed.

use std::io;
use std::time::{Duration, SystemTime};

use super::files::changed;
use super::{Storage, manifests};
use crate::digest::Digest;
use crate::names::{Repository, Tag};

/// A directory that changed within this time may change again without another time.
const PRECISION: Duration = Duration::from_millis(200);

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTag {
    /// Its name.
    pub tag: Tag,
    /// What it stands for; nothing if its file is damaged.
    pub digest: Option<Digest>,
    /// When it was pushed last.
    pub pushed: SystemTime,
}

/// A manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedManifest {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// When it was pushed last.
    pub pushed: SystemTime,
}

/// The times of a repository's directories: as long as they stay, no tag, manifest or blob came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp(Vec<Option<SystemTime>>);

impl Stamp {
    /// Whether another change would show.
    pub fn is_settled(&self) -> bool {
        let now = SystemTime::now();
        let is_past =
            |time: &SystemTime| now.duration_since(*time).is_ok_and(|age| age >= PRECISION);
        self.0.iter().flatten().all(is_past)
    }
}

impl Storage {
    /// The tags of a repository, in the order of their names.
    pub fn listed_tags(&self, repository: &Repository) -> io::Result<Vec<ListedTag>> {
        let mut listed = Vec::new();
        for tag in self.tags(repository)? {
            let Some(pushed) = changed(&self.tag_file(repository, &tag))? else {
                continue;
            };
            let digest = match self.tag(repository, &tag) {
                Ok(Some(digest)) => Some(digest),
                // it went meanwhile
                Ok(None) => continue,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
                Err(error) => return Err(error),
            };
            listed.push(ListedTag {
                tag,
                digest,
                pushed,
            });
        }
        Ok(listed)
    }

    /// The manifests of a repository, in the order of their digests.
    pub fn listed_manifests(&self, repository: &Repository) -> io::Result<Vec<ListedManifest>> {
        let mut listed = Vec::new();
        for digest in self.manifests(repository)? {
            let link = self.manifest_link(repository, &digest);
            let (Some(pushed), Some(media_type)) = (changed(&link)?, manifests::read(&link)?)
            else {
                continue;
            };
            listed.push(ListedManifest {
                digest,
                media_type,
                pushed,
            });
        }
        Ok(listed)
    }

    /// By which it shows whether anything of a repository changed. To be taken before it is listed.
    pub fn stamp(&self, repository: &Repository) -> io::Result<Stamp> {
        let directory = self.repository(repository);
        let below = [
            "_tags",
            "_manifests/sha256",
            "_manifests/sha512",
            "_blobs/sha256",
            "_blobs/sha512",
        ];
        let times = below.iter().map(|name| changed(&directory.join(name)));
        times.collect::<io::Result<_>>().map(Stamp)
    }
}
