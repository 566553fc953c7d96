//! Why an image cannot be pushed, and what to do about it.

use image_archive::Digest;

use crate::{release, source};

/// Why an image cannot be pushed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry, a tarball or a layout.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// The release.
    #[error(transparent)]
    Release(#[from] release::Error),
    /// The destination names another image.
    #[error(
        "{image} has digest {actual}, but {destination} is to have {expected}; nothing was sent"
    )]
    OtherDigest {
        /// The image.
        image: String,
        /// Where it was to go.
        destination: String,
        /// The digest that the destination names.
        expected: Digest,
        /// The digest that it would have.
        actual: Digest,
    },
    /// A layer of another platform is not in the layout.
    #[error("blob {digest} of {image} is not there")]
    MissingBlob {
        /// The image.
        image: String,
        /// The blob.
        digest: Digest,
    },
    /// There is nothing to push.
    #[error("{image} has no manifest")]
    Empty {
        /// The image.
        image: String,
    },
}

impl Error {
    /// Whether something that is stored is not what it should be: exit code 4.
    #[must_use]
    pub fn is_verification(&self) -> bool {
        match self {
            Self::Source(error) => error.is_verification(),
            Self::Release(error) => error.is_verification(),
            Self::OtherDigest { .. } => true,
            Self::MissingBlob { .. } | Self::Empty { .. } => false,
        }
    }

    /// Whether the command line or a file that people write is at fault: exit code 2.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Source(error) => error.is_usage(),
            Self::Release(error) => error.is_usage(),
            _ => false,
        }
    }

    /// Whether this is the end that somebody wanted.
    #[must_use]
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Source(error) if error.is_interruption())
    }

    /// What the reader of the message can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Source(source::Error::Selection { hint, .. }) => {
                Some(hint.replace("say with `--as NAME:TAG` what recipes call it", "write IMAGE=DESTINATION to name it"))
            }
            Self::Source(error) => error.hint(),
            Self::Release(error) => error.hint(),
            Self::OtherDigest { .. } => Some(
                "leave the digest out of the destination, or freeze the image that has it; of an index that names images which are not here, only this platform's manifest goes (--incomplete-index)".to_owned(),
            ),
            Self::MissingBlob { .. } => Some(
                "write the layout again: `skopeo copy --all docker://… oci:DIRECTORY:NAME:TAG`".to_owned(),
            ),
            Self::Empty { .. } => None,
        }
    }
}
