//! Where bytes lie in the file system.

use std::path::PathBuf;

/// A part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, without links on the way.
    pub path: PathBuf,
    /// Where in it the part begins.
    pub offset: u64,
    /// Bytes of the part.
    pub size: u64,
}
