//! The check of the whole store: every blob has its digest, and whatever points somewhere finds something there.

use std::fmt;
use std::io;

use super::files::entries;
use super::uploads::digest_of;
use super::{Storage, durable};
use crate::digest::{Algorithm, Digest};
use crate::document::Document;
use crate::names::{ManifestReference, Repository};

/// Something that is wrong with the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A file among the blobs whose name is no digest, or that lies at another one's place.
    Stray {
        /// Its path below the store.
        path: String,
    },
    /// A blob whose bytes have another digest.
    Damaged {
        /// The digest that it should have.
        digest: Digest,
        /// The digest that it has.
        found: Digest,
    },
    /// Content that a repository has, and that is not there.
    Missing {
        /// The repository.
        repository: Repository,
        /// What points there: a blob, a manifest, or a tag by its name.
        what: String,
        /// The digest.
        digest: Digest,
    },
    /// A manifest that is none, or a tag or link that says nothing that can be read.
    Unreadable {
        /// The repository.
        repository: Repository,
        /// What.
        what: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stray { path } => write!(f, "{path}: no blob has this place"),
            Self::Damaged { digest, found } => {
                write!(
                    f,
                    "blob {digest}: damaged, its bytes have the digest {found}"
                )
            }
            Self::Missing {
                repository,
                what,
                digest,
            } => write!(f, "{repository}: {what} is {digest}, which is not there"),
            Self::Unreadable { repository, what } => {
                write!(f, "{repository}: {what} cannot be read")
            }
        }
    }
}

/// What a check came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Blobs that were read.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Manifests of all repositories.
    pub manifests: u64,
    /// Tags of all repositories.
    pub tags: u64,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

impl Storage {
    /// Reads the whole store. It may be in use meanwhile: what is pushed or deleted on the way is no fault.
    pub fn verify(&self) -> io::Result<Verified> {
        let mut verified = Verified::default();
        self.verify_blobs(&mut verified)?;
        for repository in self.repositories()? {
            self.verify_links(&repository, &mut verified)?;
            self.verify_manifests(&repository, &mut verified)?;
            self.verify_tags(&repository, &mut verified)?;
        }
        Ok(verified)
    }

    fn verify_blobs(&self, verified: &mut Verified) -> io::Result<()> {
        for algorithm in Algorithm::ALL {
            let top = self.root.join("blobs").join(algorithm.as_str());
            for prefix in entries(&top)? {
                for name in entries(&top.join(&prefix))? {
                    let digest = Digest::from_parts(algorithm.as_str(), &name);
                    let digest = digest.filter(|digest| digest.hex().starts_with(&prefix));
                    match digest.filter(|_| prefix.len() == 2) {
                        Some(digest) => self.verify_blob(&digest, verified)?,
                        None => verified.faults.push(Fault::Stray {
                            path: format!("blobs/{}/{prefix}/{name}", algorithm.as_str()),
                        }),
                    }
                }
            }
        }
        Ok(())
    }

    fn verify_blob(&self, digest: &Digest, verified: &mut Verified) -> io::Result<()> {
        let Some((mut file, size)) = self.open_content(digest)? else {
            return Ok(());
        };
        let found = digest_of(&mut file, digest.algorithm())
            .map_err(|error| durable::named(&error, "reading", &self.content(digest)))?;
        verified.blobs += 1;
        verified.bytes += size;
        if found != *digest {
            let digest = digest.clone();
            verified.faults.push(Fault::Damaged { digest, found });
        }
        Ok(())
    }

    fn verify_links(&self, repository: &Repository, verified: &mut Verified) -> io::Result<()> {
        for digest in self.blobs(repository)? {
            if self.open_content(&digest)?.is_none() && self.has_blob(repository, &digest)? {
                verified.faults.push(Fault::Missing {
                    repository: repository.clone(),
                    what: "a blob".to_owned(),
                    digest,
                });
            }
        }
        Ok(())
    }

    fn verify_manifests(&self, repository: &Repository, verified: &mut Verified) -> io::Result<()> {
        for digest in self.manifests(repository)? {
            verified.manifests += 1;
            let reference = ManifestReference::Digest(digest.clone());
            let Some(manifest) = self.manifest(repository, &reference)? else {
                if self.has_manifest(repository, &digest)? {
                    verified.faults.push(Fault::Missing {
                        repository: repository.clone(),
                        what: "a manifest".to_owned(),
                        digest,
                    });
                }
                continue;
            };
            let document = serde_json::from_slice::<Document>(&manifest.bytes);
            let document = document
                .ok()
                .filter(|document| document.schema_version == Some(2));
            let Some(document) = document else {
                verified.faults.push(Fault::Unreadable {
                    repository: repository.clone(),
                    what: format!("manifest {digest}"),
                });
                continue;
            };
            if let Ok(Some(subject)) = document.subject()
                && !self.referrers(repository, &subject)?.contains(&digest)
                && self.has_manifest(repository, &digest)?
            {
                verified.faults.push(Fault::Unreadable {
                    repository: repository.clone(),
                    what: format!("that manifest {digest} is about {subject}"),
                });
            }
        }
        Ok(())
    }

    fn verify_tags(&self, repository: &Repository, verified: &mut Verified) -> io::Result<()> {
        for tag in self.tags(repository)? {
            verified.tags += 1;
            match self.tag(repository, &tag) {
                Ok(Some(digest)) => {
                    let is_whole = self.has_manifest(repository, &digest)?;
                    if !is_whole && self.tag(repository, &tag)?.as_ref() == Some(&digest) {
                        verified.faults.push(Fault::Missing {
                            repository: repository.clone(),
                            what: format!("tag {tag}"),
                            digest,
                        });
                    }
                }
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    verified.faults.push(Fault::Unreadable {
                        repository: repository.clone(),
                        what: format!("tag {tag}"),
                    });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
