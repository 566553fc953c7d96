//! What can be wrong with an image.

use std::io;
use std::path::{Path, PathBuf};

// circle: an error names the digest that it is about, and what is no digest is an error
use crate::digest::Digest;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an image, a reference or a digest is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A text is no digest.
    #[error("`{text}` is not a SHA-256 digest")]
    Digest {
        /// What was to be a digest.
        text: String,
    },
    /// A text is no image reference as Docker reads them.
    #[error("`{text}` is not an image reference: {why}")]
    Reference {
        /// What was to be a reference.
        text: String,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// The file system refused.
    #[error("cannot read {}", path.display())]
    Read {
        /// File or directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// A path is neither a tarball nor a layout.
    #[error("{} is neither a docker-archive tarball nor an OCI image layout: {why}", path.display())]
    NotAnImage {
        /// File or directory.
        path: PathBuf,
        /// What is missing.
        why: &'static str,
    },
    /// A tarball that lists no images.
    #[error("{} lists no images", path.display())]
    NoImages {
        /// The tarball.
        path: PathBuf,
    },
    /// A format that exists but is not taken.
    #[error("{} holds {what}, which is not supported", path.display())]
    Unsupported {
        /// Tarball or layout.
        path: PathBuf,
        /// What it holds.
        what: String,
    },
    /// A tarball breaks its format, or ends early.
    #[error("{} is damaged at byte {offset}: {why}", path.display())]
    Damaged {
        /// Tarball or layer file.
        path: PathBuf,
        /// Where in the unpacked stream.
        offset: u64,
        /// What is wrong there.
        why: String,
    },
    /// A name or link leads out of the tarball or layout.
    #[error("`{name}` in {} leads out of it", path.display())]
    LeadsOut {
        /// Tarball or layout.
        path: PathBuf,
        /// The entry.
        name: String,
    },
    /// A file that another one names is not there.
    #[error("`{name}` is missing in {}", path.display())]
    MissingFile {
        /// Tarball or layout.
        path: PathBuf,
        /// The missing entry.
        name: String,
    },
    /// A blob is neither in its layout nor in the others.
    #[error("blob {digest} is missing in {} and in {others} other layouts", path.display())]
    MissingBlob {
        /// Layout.
        path: PathBuf,
        /// The missing blob.
        digest: Digest,
        /// How many other layouts were looked into.
        others: usize,
    },
    /// Something is larger than any real image has it.
    #[error("{what} in {} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// Tarball or layout.
        path: PathBuf,
        /// The thing.
        what: String,
        /// The limit in bytes, or in pieces for numbers of things.
        limit: u64,
    },
    /// A document is not the JSON that it should be.
    #[error("`{name}` in {} is not valid", path.display())]
    Json {
        /// Tarball or layout.
        path: PathBuf,
        /// The document.
        name: String,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// A document is JSON, but says what cannot be.
    #[error("`{name}` in {} is not valid: {why}", path.display())]
    Document {
        /// Tarball or layout.
        path: PathBuf,
        /// The document.
        name: String,
        /// The rule that it breaks.
        why: String,
    },
    /// Bytes are not those that their digest names.
    #[error("`{name}` in {} has digest {actual} instead of {expected}", path.display())]
    WrongDigest {
        /// Tarball or layout.
        path: PathBuf,
        /// The blob.
        name: String,
        /// The digest that names it.
        expected: Digest,
        /// The digest that it has.
        actual: Digest,
    },
    /// A blob is longer or shorter than its descriptor says.
    #[error("`{name}` in {} has {actual} bytes instead of {expected}", path.display())]
    WrongSize {
        /// Tarball or layout.
        path: PathBuf,
        /// The blob.
        name: String,
        /// Size in the descriptor.
        expected: u64,
        /// Size of the file.
        actual: u64,
    },
    /// A layer unpacks to something else than the config names.
    #[error("layer `{name}` in {} has diff ID {actual} instead of {expected}", path.display())]
    WrongDiffId {
        /// Tarball or layout.
        path: PathBuf,
        /// The layer's blob.
        name: String,
        /// The diff ID in the config.
        expected: Digest,
        /// The digest of the unpacked layer.
        actual: Digest,
    },
    /// Manifest and config disagree.
    #[error("the image in {} has {layers} layers, but its config names {diff_ids}", path.display())]
    LayerCount {
        /// Tarball or layout.
        path: PathBuf,
        /// Layers in the manifest.
        layers: usize,
        /// Diff IDs in the config.
        diff_ids: usize,
    },
    /// The image is for other machines.
    #[error("the image in {} is for {found}, not for {wanted}", path.display())]
    WrongPlatform {
        /// Tarball or layout.
        path: PathBuf,
        /// This machine's platform.
        wanted: String,
        /// What there is.
        found: String,
    },
    /// An annotation does not say what the image is called.
    #[error("{} names an image `{text}`: {why}", path.display())]
    Unnamed {
        /// Layout.
        path: PathBuf,
        /// The annotation's value.
        text: String,
        /// Why it is no name.
        why: String,
    },
    /// An error that concerns one of the images of a tarball or layout.
    #[error("image {reference}")]
    Image {
        /// What the image is called.
        reference: String,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// The stream that an engine was being sent could not be written or read.
    #[error("sending an archive of {reference}")]
    Stream {
        /// What the image is called.
        reference: String,
        /// What went wrong.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Read {
            path: path.to_owned(),
            source,
        }
    }

    /// Says which image this is about.
    #[must_use]
    pub(crate) fn of_image(self, reference: String) -> Self {
        match self {
            named @ (Self::Image { .. } | Self::Stream { .. }) => named,
            source => Self::Image {
                reference,
                source: Box::new(source),
            },
        }
    }

    /// Whether the image itself is at fault, rather than the machine that reads it.
    #[must_use]
    pub fn is_verification(&self) -> bool {
        match self {
            Self::Read { .. } | Self::Stream { .. } => false,
            Self::Image { source, .. } => source.is_verification(),
            _ => true,
        }
    }

    /// What the reader of the message can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Image { source, .. } => source.hint(),
            Self::Reference { .. } => {
                Some("write it as `name:tag` or `registry.example/path/name:tag`")
            }
            Self::Unnamed { .. } => Some(
                "annotate the manifest in index.json with org.opencontainers.image.ref.name, as `name:tag`",
            ),
            Self::NotAnImage { .. } | Self::NoImages { .. } | Self::Unsupported { .. } => Some(
                "make the tarball with `docker save`, or the layout with `skopeo copy … oci:DIRECTORY:NAME:TAG`",
            ),
            Self::WrongPlatform { .. } => {
                Some("freeze the image for this platform, and rebuild the release")
            }
            Self::MissingBlob { .. } => Some(
                "the job that lists this image must list the packages of all its layers in its spec",
            ),
            Self::Digest { .. } | Self::Read { .. } | Self::Stream { .. } => None,
            _ => Some(
                "the file was damaged or made wrongly: freeze the image again, and rebuild the release",
            ),
        }
    }
}
