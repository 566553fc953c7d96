//! From images that are here to images in a registry: ask what it has, mount what another of its repositories has, send
//! the rest, and put the tag last.

pub mod destination;
mod error;
mod image;
mod known;
mod outcome;
mod presence;
mod temporary;
mod workers;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use image_archive::{Descriptor, Digest};
use registry_client::{Client, Content};

use crate::progress::Progress;
use crate::source;

pub use destination::{Destination, Names, Prefix, Target};
pub use error::Error;
pub use image::{Document, Held, Image};
pub use known::Known;
pub use outcome::{Amount, Pushed, TagState};
use presence::Presence;
use temporary::Temporary;

/// What pushing needs.
pub struct Pushing<'a> {
    /// The way to the registries.
    pub client: &'a Client,
    /// How many blobs at a time.
    pub jobs: usize,
    /// Repositories that may have blobs.
    pub mount_from: &'a [String],
    /// Whether an index goes even if the registry cannot have all of what it names.
    pub incomplete_index: bool,
    /// Whether the registry is only asked.
    pub dry_run: bool,
    /// Who is told.
    pub progress: &'a Progress,
    /// Set when somebody wants it to end.
    pub stop: &'a AtomicBool,
    /// What is known of the registries.
    pub known: Known,
}

/// What became of a blob.
enum Fate {
    Skipped,
    Mounted,
    Sent(u64),
}

impl<'a> Pushing<'a> {
    /// With nothing known of any registry.
    #[must_use]
    pub fn new(client: &'a Client, progress: &'a Progress, stop: &'a AtomicBool) -> Self {
        Self {
            client,
            jobs: 1,
            mount_from: &[],
            incomplete_index: false,
            dry_run: false,
            progress,
            stop,
            known: Known::default(),
        }
    }

    /// Pushes one image. When it fails, its tag stands for what it stood for before.
    ///
    /// # Errors
    /// When the image is damaged, is not the one that the destination names, or the registry does not take it.
    pub fn push(&self, image: &Image, to: &Destination) -> Result<Pushed, Error> {
        let documents = self.documents(image, to)?;
        let top = documents.last().ok_or_else(|| Error::Empty {
            image: image.name.clone(),
        })?;
        let digest = top.descriptor.digest;
        if let Some(expected) = to.digest.filter(|expected| *expected != digest) {
            return Err(Error::OtherDigest {
                image: image.name.clone(),
                destination: to.to_string(),
                expected,
                actual: digest,
            });
        }
        let blobs: BTreeMap<Digest, &Descriptor> = (documents.iter())
            .flat_map(|document| &document.blobs)
            .map(|blob| (blob.digest, blob))
            .collect();
        let blobs: Vec<&Descriptor> = blobs.into_values().collect();
        let unpacked = self.unpack(image, to, &blobs)?;
        let fates = workers::each(self.jobs, &blobs, |blob| {
            self.push_blob(image, to, blob, unpacked.as_ref())
        })?;
        let mut pushed = Pushed {
            reference: image.name.clone(),
            destination: to.to_string(),
            digest,
            left_out_index: image.digest().filter(|index| *index != digest),
            tag: TagState::None,
            manifests: 0,
            pushed: Amount::default(),
            skipped: Amount::default(),
            mounted: Amount::default(),
        };
        for (blob, fate) in blobs.iter().zip(fates) {
            match fate {
                Fate::Skipped => pushed.skipped.add(blob.size),
                Fate::Mounted => pushed.mounted.add(blob.size),
                Fate::Sent(bytes) => pushed.pushed.add(bytes),
            }
        }
        self.put_documents(&documents, to, &mut pushed)?;
        Ok(pushed)
    }

    /// What is to be put, in this order: all documents, or only the platform's manifest where the registry could not have
    /// all of what the index names.
    fn documents<'i>(
        &self,
        image: &'i Image,
        to: &Destination,
    ) -> Result<Vec<&'i Document>, Error> {
        for absent in &image.absent {
            if self.incomplete_index {
                break;
            }
            let name = absent.digest.to_string();
            let found = self.client.has_manifest(&to.repository, &name);
            if found.map_err(source::Error::from)?.is_none() {
                let is_meant = |document: &&Document| document.descriptor.digest == image.manifest;
                return Ok(image.documents.iter().filter(is_meant).collect());
            }
        }
        Ok(image.documents.iter().collect())
    }

    /// Unpacks what the registry has not, if the image lies in a tarball: all in one reading.
    fn unpack(
        &self,
        image: &Image,
        to: &Destination,
        blobs: &[&Descriptor],
    ) -> Result<Option<Temporary>, Error> {
        let Some(archive) = image.archive.as_ref().filter(|_| !self.dry_run) else {
            return Ok(None);
        };
        let asked = workers::each(self.jobs, blobs, |blob| {
            let is_there = self.is_there(&to.repository, blob.digest)?;
            Ok((blob.digest, is_there))
        })?;
        let wanted: Vec<Digest> = (asked.into_iter())
            .filter(|(digest, is_there)| !is_there && !image.held.contains_key(digest))
            .map(|(digest, _)| digest)
            .collect();
        let temporary = Temporary::new()?;
        temporary.unpack(archive, &wanted, self.stop)?;
        Ok(Some(temporary))
    }

    fn push_blob(
        &self,
        image: &Image,
        to: &Destination,
        blob: &Descriptor,
        unpacked: Option<&Temporary>,
    ) -> Result<Fate, Error> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(source::Error::Interrupted.into());
        }
        let repository = &to.repository;
        let opened = match self.presence(image, repository, blob.digest)? {
            Presence::There => return Ok(Fate::Skipped),
            Presence::Mounted => return Ok(Fate::Mounted),
            Presence::Absent(opened) => opened,
        };
        if self.dry_run {
            self.known.add(repository, blob.digest);
            return Ok(Fate::Sent(blob.size));
        }
        let file;
        let content = match (image.held.get(&blob.digest), unpacked) {
            (Some(Held::Bytes(bytes)), _) => Content::Bytes(bytes),
            (Some(Held::File(path)), _) => {
                image.check(path, blob)?;
                Content::File(path)
            }
            (None, Some(unpacked)) => {
                file = unpacked.file(&blob.digest);
                Content::File(&file)
            }
            (None, None) => {
                return Err(Error::MissingBlob {
                    image: image.name.clone(),
                    digest: blob.digest,
                });
            }
        };
        let bar = self.progress.layer(blob);
        let sent = (self.client)
            .upload_blob(repository, blob, content, opened, &|bytes| bar.set(bytes))
            .map_err(source::Error::from)?;
        bar.pushed();
        self.known.add(repository, blob.digest);
        Ok(Fate::Sent(sent))
    }

    /// Puts manifests, then the indexes that name them, and the tag with the last.
    fn put_documents(
        &self,
        documents: &[&Document],
        to: &Destination,
        pushed: &mut Pushed,
    ) -> Result<(), Error> {
        for (
            place,
            Document {
                descriptor, bytes, ..
            },
        ) in documents.iter().enumerate()
        {
            let own = descriptor.digest.to_string();
            let tag = (to.tag.as_deref()).filter(|_| place + 1 == documents.len());
            let name = tag.unwrap_or(&own);
            let there = self.client.has_manifest(&to.repository, name);
            let is_there = there.map_err(source::Error::from)? == Some(descriptor.digest);
            if tag.is_some() {
                pushed.tag = if is_there {
                    TagState::Unchanged
                } else {
                    TagState::Pushed
                };
            }
            if is_there {
                continue;
            }
            if !self.dry_run {
                if self.stop.load(Ordering::Relaxed) {
                    return Err(source::Error::Interrupted.into());
                }
                (self.client)
                    .push_manifest(&to.repository, name, descriptor, bytes)
                    .map_err(source::Error::from)?;
            }
            pushed.manifests += 1;
        }
        Ok(())
    }
}
