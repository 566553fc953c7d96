//! Container images as files: references, digests, manifests, docker-archive tarballs and OCI image layouts.
//!
//! Everything here reads files and writes streams; nothing knows of networks or engines. The way of an image is
//! [`Source::open`] -> [`Image`] -> [`Image::verify`] -> [`VerifiedImage`] -> [`DockerArchive`]: only a verified image can
//! be written, so an engine never sees bytes whose digests, sizes and diff IDs were not checked.
//!
//! Input is taken as hostile: no name leaves its tarball or directory, JSON documents, names and numbers of entries are
//! capped ([`Limits`]), and layers are streamed.

mod archive_index;
mod compression;
mod config;
mod contents;
mod digest;
mod docker_archive;
mod engine_form;
mod error;
mod exactly;
mod files;
mod image;
mod in_place;
mod layout;
mod limits;
mod manifest;
mod oci;
mod pieces;
mod place;
mod platform;
mod platform_match;
mod reference;
mod selection;
mod shape;
mod source;
mod stream;
mod tar_archive;
mod tar_entries;
mod tar_output;
mod tar_stream;
mod verify;
mod writer;

pub use compression::{Compression, window_too_large};
pub use config::ImageConfig;
pub use digest::{Digest, HashingReader};
pub use error::{Error, Result};
pub use image::{Image, Layer};
pub use in_place::{InPlace, Listed};
pub use layout::Layouts;
pub use limits::Limits;
pub use manifest::{Descriptor, Index, Manifest, MediaType};
pub use pieces::{Piece, Pieces};
pub use place::Place;
pub use platform::Platform;
pub use reference::Reference;
pub use selection::{Blobs, Refused, Selected, select};
pub use shape::Shape;
pub use source::Source;
pub use stream::ArchiveStream;
pub use verify::{Depth, Scope, Verification, VerifiedImage, VerifiedLayer};
pub use writer::{DockerArchive, Plan, ZstdLayers};
