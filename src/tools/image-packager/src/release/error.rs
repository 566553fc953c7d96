//! What can be wrong with a release, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use image_archive::Digest;

/// The result of this module's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a release cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no release where one was looked for.
    #[error("{} is not in a BOSH release: there is no config/final.yml in it or above it", start.display())]
    NoRelease {
        /// Where the search began.
        start: PathBuf,
    },
    /// Another process changes the release.
    #[error("another image-packager is at work in {}", root.display())]
    Busy {
        /// The release.
        root: PathBuf,
    },
    /// The file system refused to read.
    #[error("cannot read {}", path.display())]
    Read {
        /// File or directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The file system refused to write.
    #[error("cannot write {}", path.display())]
    Write {
        /// File or directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// A file of the release does not say what it should.
    #[error("{} is not valid: {why}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The property and the rule that it breaks.
        why: String,
    },
    /// A symbolic link lies where BOSH wants a file or directory of the release itself.
    #[error("{} is a symbolic link, which nothing is written through", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// A name cannot be that of a package and a job.
    #[error("`{name}` cannot be the name of a package and job: {why}")]
    BadName {
        /// The name.
        name: String,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// A release cannot have this name.
    #[error("`{name}` cannot be the name of a release: {why}")]
    BadReleaseName {
        /// The name.
        name: String,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// Two images would have the same package and job.
    #[error("the package and job of {reference} would be called `{name}`, which {taken}")]
    NameTaken {
        /// The image.
        reference: String,
        /// The name.
        name: String,
        /// Who has the name.
        taken: String,
    },
    /// One reference was given twice, with different content.
    #[error("{reference} is to be stored twice")]
    Twice {
        /// The image.
        reference: String,
    },
    /// A name was given for several images.
    #[error("one name was given for {count} images")]
    OneNameForMany {
        /// How many images there are.
        count: usize,
    },
    /// An image is not in the release.
    #[error("{reference} is not frozen in {}", root.display())]
    NotFrozen {
        /// The image.
        reference: String,
        /// The release.
        root: PathBuf,
    },
    /// The parts of an image contradict each other.
    #[error("the image {reference} contradicts itself: {why}")]
    Contradiction {
        /// The image.
        reference: String,
        /// What does not fit.
        why: String,
    },
    /// A layer that an image needs is not among the blobs.
    #[error("layer {digest} of {reference} is not in {}", path.display())]
    MissingLayer {
        /// The image.
        reference: String,
        /// The layer.
        digest: Digest,
        /// Where it should be.
        path: PathBuf,
    },
    /// A file has other bytes than its digest names.
    #[error("{} has digest {actual} instead of {expected}", path.display())]
    WrongDigest {
        /// The file.
        path: PathBuf,
        /// The digest that it should have.
        expected: Digest,
        /// The digest that it has.
        actual: Digest,
    },
    /// A file is longer or shorter than its descriptor says.
    #[error("{} has {actual} bytes instead of {expected}", path.display())]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// Size in the descriptor.
        expected: u64,
        /// Size of the file.
        actual: u64,
    },
    /// A place that should be new or empty is not.
    #[error("{} exists already and is not empty", path.display())]
    NotEmpty {
        /// The file or directory.
        path: PathBuf,
    },
    /// The image itself is damaged or of a kind that is not taken.
    #[error(transparent)]
    Image(Box<image_archive::Error>),
}

impl From<image_archive::Error> for Error {
    fn from(error: image_archive::Error) -> Self {
        Self::Image(Box::new(error))
    }
}

impl Error {
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Read {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Write {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn invalid(path: &Path, why: impl AsRef<str>) -> Self {
        Self::Invalid {
            path: path.to_owned(),
            why: shown(why.as_ref()),
        }
    }

    /// Whether something that was stored is damaged, rather than badly asked for.
    #[must_use]
    pub fn is_verification(&self) -> bool {
        match self {
            Self::WrongDigest { .. } | Self::WrongSize { .. } | Self::Contradiction { .. } => true,
            Self::Image(error) => error.is_verification(),
            _ => false,
        }
    }

    /// Whether the command line or a file that people write is at fault.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::NoRelease { .. }
                | Self::Invalid { .. }
                | Self::BadName { .. }
                | Self::BadReleaseName { .. }
                | Self::NameTaken { .. }
                | Self::OneNameForMany { .. }
        )
    }

    /// What the reader of the message can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoRelease { .. } => {
                "make one with `image-packager new NAME`, or name one with --dir"
            }
            Self::Busy { .. } => "wait until it has finished, then run this again",
            Self::Invalid { .. } => {
                "put the file right, or take the version that git has of it; nothing was changed"
            }
            Self::Link { .. } => {
                "put the directory itself there: BOSH does not follow links in a release"
            }
            Self::BadName { .. } | Self::NameTaken { .. } => {
                "freeze this image by itself with another name, `--name NAME`; it keeps that name, and the others can be frozen together"
            }
            Self::Twice { .. } => "leave out one of the two, or name one otherwise with --as",
            Self::OneNameForMany { .. } => "freeze the images one by one to name each",
            Self::NotFrozen { .. } => "see what is there with `image-packager list`",
            Self::MissingLayer { .. } => {
                "fetch it with `bosh sync-blobs` if it was uploaded, else freeze the image again"
            }
            Self::WrongDigest { .. } | Self::WrongSize { .. } => {
                "delete the file, then freeze the image again or run `bosh sync-blobs`"
            }
            Self::NotEmpty { .. } => "choose another place, or empty this one first",
            Self::Image(error) => return error.hint().map(str::to_owned),
            Self::Read { .. }
            | Self::Write { .. }
            | Self::BadReleaseName { .. }
            | Self::Contradiction { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

/// At most 400 characters of a text that somebody else wrote, without control characters.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(400)
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect();
    if text.chars().nth(400).is_some() {
        shown.push('…');
    }
    shown
}
