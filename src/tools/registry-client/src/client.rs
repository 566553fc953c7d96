//! The client's face.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use image_archive::{Descriptor, Digest, Reference};

use crate::error::Result;
use crate::images::{Images, Resolved};
use crate::settings::Settings;

/// A client of any number of registries. Clones are cheap and share connections and tokens; several threads may use it.
#[derive(Clone)]
pub struct Client {
    images: Arc<Images>,
}

impl Client {
    /// Reads the settings' files; nothing is sent.
    pub fn new(settings: Settings) -> Result<Self> {
        Ok(Self {
            images: Arc::new(Images::new(settings)?),
        })
    }

    /// Fetches the index or manifest that the reference names, by its digest if it has one, else by its tag.
    pub fn resolve(&self, reference: &Reference) -> Result<Resolved> {
        self.images.resolve(reference, reference.digest())
    }

    /// The digest that the reference's tag has now (without a tag: its digest, if that is there); `None` if there is no
    /// such thing. Does not count against Docker Hub's limit, unless the registry must be asked by GET.
    pub fn head(&self, reference: &Reference) -> Result<Option<Digest>> {
        match self.images.head(reference) {
            Ok(digest) => Ok(Some(digest)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Fetches a small thing by digest, and verifies it: an index or manifest, or (by its media type) a config or
    /// other blob. Of the reference only registry and repository count.
    pub fn document(&self, repository: &Reference, descriptor: &Descriptor) -> Result<Vec<u8>> {
        self.images.document(repository, descriptor)
    }

    /// Fetches a blob of any size into the file `part`, going on from what that file holds already.
    ///
    /// `progress` is told how many bytes of the blob are there: often, and not always more than before. When this
    /// returns `Ok`, size and digest are right; flushing the file to disk and giving it a name are the caller's
    /// business. After an error, the file holds what the next call can go on from.
    pub fn blob(
        &self,
        repository: &Reference,
        descriptor: &Descriptor,
        part: &Path,
        progress: &dyn Fn(u64),
    ) -> Result<()> {
        self.images.blob(repository, descriptor, part, progress)
    }

    pub(crate) fn images(&self) -> &Images {
        &self.images
    }

    /// Ends whatever any clone of this client does, with [`Error::Cancelled`](crate::Error::Cancelled), and every later call.
    pub fn cancel(&self) {
        self.images.cancel();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").finish_non_exhaustive()
    }
}
