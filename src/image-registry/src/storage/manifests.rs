//! Manifests, tags, and which manifest names which subject.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;

use super::files::entries;
use super::repositories::digests;
use super::{Storage, by_digest, durable};
use crate::digest::Digest;
use crate::names::{ManifestReference, Repository, Tag};

const LINKS: &str = "_manifests";
const TAGS: &str = "_tags";
const REFERRERS: &str = "_referrers";

/// A manifest that is pushed, and was checked.
#[derive(Clone, Debug)]
pub struct NewManifest<'a> {
    /// Its digest.
    pub digest: &'a Digest,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Its media type.
    pub media_type: &'a str,
    /// The tags that it gets.
    pub tags: &'a [Tag],
    /// The manifest that it is about.
    pub subject: Option<&'a Digest>,
    /// The content that it names: blobs and manifests.
    pub named: &'a [Digest],
}

/// A manifest of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    /// Its digest.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its media type.
    pub media_type: String,
    /// Why it may not be what it should be now.
    pub warning: Option<String>,
}

impl Storage {
    /// Puts a manifest into a repository: its content first, then that it is there, then its tags.
    pub fn put_manifest(&self, repository: &Repository, manifest: &NewManifest) -> io::Result<()> {
        let named = manifest.named.iter().chain(manifest.subject);
        let _linking = self.pushes.linking(named.chain([manifest.digest]));
        let temporary = self.temporary();
        let mut file = durable::Temporary::new(&temporary)?;
        file.file.write_all(manifest.bytes)?;
        self.keep_content(manifest.digest, file)?;
        if let Some(subject) = manifest.subject {
            let link = self.referrer(repository, subject, manifest.digest);
            durable::write(&link, b"", &temporary)?;
        }
        let link = self.link(repository, LINKS, manifest.digest);
        durable::write(&link, manifest.media_type.as_bytes(), &temporary)?;
        for tag in manifest.tags {
            let digest = manifest.digest.to_string();
            durable::write(
                &self.tag_file(repository, tag),
                digest.as_bytes(),
                &temporary,
            )?;
        }
        Ok(())
    }

    /// A manifest of a repository, if it is there.
    pub fn manifest(
        &self,
        repository: &Repository,
        reference: &ManifestReference,
    ) -> io::Result<Option<StoredManifest>> {
        let digest = match reference {
            ManifestReference::Digest(digest) => digest.clone(),
            ManifestReference::Tag(tag) => match self.tag(repository, tag)? {
                Some(digest) => digest,
                None => return Ok(None),
            },
        };
        let Some(media_type) = read(&self.link(repository, LINKS, &digest))? else {
            return Ok(None);
        };
        let Some((mut file, size)) = self.open_content(&digest)? else {
            return Ok(None);
        };
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        file.read_to_end(&mut bytes)
            .map_err(|error| durable::named(&error, "reading", &self.content(&digest)))?;
        Ok(Some(StoredManifest {
            digest,
            bytes,
            media_type,
            warning: None,
        }))
    }

    /// Whether a repository has a manifest.
    pub fn has_manifest(&self, repository: &Repository, digest: &Digest) -> io::Result<bool> {
        Ok(read(&self.link(repository, LINKS, digest))?.is_some())
    }

    /// The digests of a repository's manifests.
    pub fn manifests(&self, repository: &Repository) -> io::Result<Vec<Digest>> {
        digests(&self.repository(repository).join(LINKS))
    }

    /// Takes a manifest from a repository, with the tags that stand for it. Whether it was there.
    pub fn delete_manifest(&self, repository: &Repository, digest: &Digest) -> io::Result<bool> {
        // a push may be giving the tags to another one
        let _alone = self.pushes.alone();
        self.unlink_manifest(repository, digest)
    }

    /// The same while nobody pushes.
    pub(super) fn unlink_manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> io::Result<bool> {
        let link = self.link(repository, LINKS, digest);
        if !self.has_manifest(repository, digest)? {
            return Ok(false);
        }
        for tag in self.tags(repository)? {
            if self.tag(repository, &tag)?.as_ref() == Some(digest) {
                durable::remove(&self.tag_file(repository, &tag))?;
            }
        }
        let was_there = durable::remove(&link)?;
        self.forget_subjects(repository, digest)?;
        self.forget_pulled(repository, digest)?;
        Ok(was_there)
    }

    /// What a tag stands for.
    pub fn tag(&self, repository: &Repository, tag: &Tag) -> io::Result<Option<Digest>> {
        let file = self.tag_file(repository, tag);
        let Some(text) = read(&file)? else {
            return Ok(None);
        };
        let digest = text.parse().map_err(|()| {
            let damaged = io::Error::new(io::ErrorKind::InvalidData, "it has no digest in it");
            durable::named(&damaged, "reading", &file)
        })?;
        Ok(Some(digest))
    }

    /// Takes a tag away. Whether it was there.
    pub fn delete_tag(&self, repository: &Repository, tag: &Tag) -> io::Result<bool> {
        durable::remove(&self.tag_file(repository, tag))
    }

    /// The tags of a repository, in the order of their names.
    pub fn tags(&self, repository: &Repository) -> io::Result<Vec<Tag>> {
        let names = entries(&self.repository(repository).join(TAGS))?;
        let mut tags: Vec<Tag> = names.iter().filter_map(|name| name.parse().ok()).collect();
        tags.sort_unstable();
        Ok(tags)
    }

    /// The manifests that name this subject.
    pub fn referrers(&self, repository: &Repository, subject: &Digest) -> io::Result<Vec<Digest>> {
        let directory = self.referrers_dir(repository, subject);
        digests(&directory)
    }

    /// Where it is said that a repository has a manifest.
    pub(super) fn manifest_link(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        self.link(repository, LINKS, digest)
    }

    pub(super) fn subjects(&self, repository: &Repository) -> io::Result<Vec<Digest>> {
        digests(&self.repository(repository).join(REFERRERS))
    }

    fn referrers_dir(&self, repository: &Repository, subject: &Digest) -> PathBuf {
        by_digest(&self.repository(repository).join(REFERRERS), subject)
    }

    pub(super) fn referrer(
        &self,
        repository: &Repository,
        subject: &Digest,
        referrer: &Digest,
    ) -> PathBuf {
        by_digest(&self.referrers_dir(repository, subject), referrer)
    }

    pub(super) fn tag_file(&self, repository: &Repository, tag: &Tag) -> PathBuf {
        self.repository(repository).join(TAGS).join(tag.as_str())
    }
}

/// A small file's text, if it is there.
pub(super) fn read(path: &std::path::Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if durable::is_missing(&error) => Ok(None),
        Err(error) => Err(durable::named(&error, "reading", path)),
    }
}
