//! Why an image cannot be had from its source.

use std::io;
use std::path::{Path, PathBuf};

use image_archive::Digest;

/// The result of this module's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an image cannot be had from its source. Nothing in it is secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry, or the way to it.
    #[error(transparent)]
    Registry(Box<registry_client::Error>),
    /// A tarball, a layout or a reference.
    #[error(transparent)]
    Archive(Box<image_archive::Error>),
    /// The local Docker daemon.
    #[error(transparent)]
    Engine(Box<docker_engine::Error>),
    /// A text is no platform.
    #[error("`{text}` is not a platform")]
    PlatformText {
        /// The text.
        text: String,
    },
    /// A text is no source of an image.
    #[error("`{text}` is not a source of an image: {why}")]
    Location {
        /// The text.
        text: String,
        /// The rule that it breaks.
        why: String,
    },
    /// The image is for other machines.
    #[error("{image} is for {}, not for {wanted}", listed(found))]
    Platform {
        /// What is asked for.
        image: String,
        /// The platform asked for.
        wanted: String,
        /// What there is.
        found: Vec<String>,
    },
    /// A document is not what an image has.
    #[error("{what} {digest} of {image} cannot be used: {why}")]
    Document {
        /// `index`, `manifest`, `config`.
        what: &'static str,
        /// Its digest.
        digest: Digest,
        /// What is asked for.
        image: String,
        /// The rule that it breaks.
        why: String,
    },
    /// What the name stands for is no image at all, or of a kind that cannot be frozen.
    #[error("{image} cannot be frozen: {why}")]
    NotFreezable {
        /// What is asked for.
        image: String,
        /// Why.
        why: String,
    },
    /// A layer that its registry may not pass on.
    #[error(
        "layer {digest} of {image} may not be distributed (`{media_type}`): it lies at a URL of its maker instead of the registry"
    )]
    ForeignLayer {
        /// What is asked for.
        image: String,
        /// The layer.
        digest: Digest,
        /// What the manifest calls it.
        media_type: String,
    },
    /// A layer unpacks to something else than the config names.
    #[error("layer {digest} unpacks to {actual}, but the config of {image} names {expected}")]
    DiffId {
        /// The image.
        image: String,
        /// The layer.
        digest: Digest,
        /// The diff ID in the config.
        expected: Digest,
        /// The digest of the unpacked layer.
        actual: Digest,
    },
    /// A layer cannot be unpacked.
    #[error("layer {digest} cannot be unpacked: {why}")]
    Unpack {
        /// The layer.
        digest: Digest,
        /// What is wrong.
        why: String,
    },
    /// Bytes are not those that their digest names.
    #[error("{} has digest {actual} instead of {expected}", path.display())]
    WrongDigest {
        /// The file.
        path: PathBuf,
        /// The digest that names it.
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
    /// A layout cannot be used.
    #[error("{} is not a usable OCI image layout: {why}", path.display())]
    Layout {
        /// The layout.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A source does not hold the image that was asked for, or not exactly one.
    #[error("{} {why}", path.display())]
    Selection {
        /// The tarball or layout.
        path: PathBuf,
        /// What is wrong.
        why: String,
        /// What to write instead.
        hint: String,
    },
    /// The local Docker daemon cannot be asked.
    #[error("the Docker daemon cannot be asked: {why}")]
    DaemonAddress {
        /// What is wrong.
        why: String,
    },
    /// The daemon has no such image.
    #[error("the Docker daemon at {} has no image {image}", socket.display())]
    NotInDaemon {
        /// The image.
        image: String,
        /// The daemon's socket.
        socket: PathBuf,
    },
    /// The file system refused.
    #[error("{doing} {}", path.display())]
    File {
        /// As a gerund.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// Somebody pressed ^C.
    #[error("interrupted")]
    Interrupted,
}

impl From<registry_client::Error> for Error {
    fn from(error: registry_client::Error) -> Self {
        Self::Registry(Box::new(error))
    }
}

impl From<image_archive::Error> for Error {
    fn from(error: image_archive::Error) -> Self {
        Self::Archive(Box::new(error))
    }
}

impl From<docker_engine::Error> for Error {
    fn from(error: docker_engine::Error) -> Self {
        Self::Engine(Box::new(error))
    }
}

impl Error {
    /// Attaches what was done to which file.
    pub fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            doing,
            path: path.to_owned(),
            source,
        }
    }

    /// Whether what came is not what should have come: exit code 4.
    #[must_use]
    pub fn is_verification(&self) -> bool {
        match self {
            Self::Registry(error) => error.is_verification(),
            Self::Archive(error) => {
                let is_name = matches!(**error, image_archive::Error::Reference { .. });
                !is_name && error.is_verification()
            }
            Self::Document { .. }
            | Self::DiffId { .. }
            | Self::Unpack { .. }
            | Self::WrongDigest { .. }
            | Self::WrongSize { .. } => true,
            _ => false,
        }
    }

    /// Whether the command line or a file that it names is at fault: exit code 2.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Registry(error) => error.is_settings(),
            Self::Archive(error) => matches!(**error, image_archive::Error::Reference { .. }),
            Self::PlatformText { .. } | Self::Location { .. } | Self::DaemonAddress { .. } => true,
            _ => false,
        }
    }

    /// Whether this is the end that somebody wanted.
    #[must_use]
    pub fn is_interruption(&self) -> bool {
        match self {
            Self::Interrupted => true,
            Self::Registry(error) => matches!(**error, registry_client::Error::Cancelled),
            _ => false,
        }
    }

    /// What the reader of the message can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let fixed = match self {
            Self::Registry(error) => return error.hint(),
            Self::Archive(error) => return error.hint().map(str::to_owned),
            Self::Engine(error) if error.is_engine_down() => {
                "start Docker, or say by DOCKER_HOST=unix:///PATH where its socket is; a registry needs no daemon"
            }
            Self::Engine(error) => return error.hint().map(str::to_owned),
            Self::Selection { hint, .. } => return Some(hint.clone()),
            Self::PlatformText { .. } => "write it as `linux/amd64` or `linux/arm64/v8`",
            Self::Location { .. } => {
                "write `name:tag`, `docker://name:tag`, `docker-archive:FILE[:NAME:TAG]`, `oci:DIRECTORY[:NAME]` or `docker-daemon:NAME:TAG`"
            }
            Self::Platform { .. } => {
                "choose one of these with `--platform`, or another tag that has this one"
            }
            Self::ForeignLayer { .. } => {
                "Windows base images are made so; use an image without such layers"
            }
            Self::DiffId { .. } | Self::Unpack { .. } | Self::Document { .. } => {
                "it was pushed in a wrong form: push it again, or use another tag"
            }
            Self::WrongDigest { .. } | Self::WrongSize { .. } => {
                "the file was damaged or made wrongly: write it again"
            }
            Self::Layout { .. } => "make one with `skopeo copy … oci:DIRECTORY:NAME:TAG`",
            Self::DaemonAddress { .. } => {
                "set DOCKER_HOST to unix:///PATH, or save the image there with `docker save` and use docker-archive:FILE"
            }
            Self::NotInDaemon { .. } => "see `docker images`, or pull it first",
            Self::NotFreezable { .. } | Self::File { .. } | Self::Interrupted => return None,
        };
        Some(fixed.to_owned())
    }
}

fn listed(found: &[String]) -> String {
    const SHOWN: usize = 20;
    match found {
        [] => "no platform that is named".to_owned(),
        [one] => one.clone(),
        many if many.len() > SHOWN => {
            format!("{}, … ({} in all)", many[..SHOWN].join(", "), many.len())
        }
        many => many.join(", "),
    }
}
