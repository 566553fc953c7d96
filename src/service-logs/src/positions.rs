//! What is remembered on disk: how far each container's output has been copied, and how long the copies were then.
//!
//! Both stand in one file that is replaced as a whole. So after a kill, whatever was copied after the last commit is cut off
//! the copies and copied again, which leaves each line there once.

use std::{
    collections::BTreeMap,
    fs::Metadata,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use bosh_job::atomic_write;
use serde::{Deserialize, Serialize};

use crate::entry::Stream;

/// A file, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileId {
    pub device: u64,
    pub inode: u64,
}

impl From<&Metadata> for FileId {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// All positions.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Positions {
    /// By ID.
    pub containers: BTreeMap<String, ContainerPosition>,
    /// By name.
    pub services: BTreeMap<String, ServicePosition>,
}

/// How far a container's output has been copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContainerPosition {
    pub name: String,
    pub service: String,
    /// The driver's current file.
    pub log: PathBuf,
    /// Nothing as long as the container never wrote.
    pub read: Option<ReadPosition>,
}

/// Up to where a container's output has been read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReadPosition {
    pub file: FileId,
    pub offset: u64,
    /// The time of the last entry that was copied.
    pub last: Option<String>,
}

/// A service's file, as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServicePosition {
    pub file: FileId,
    pub length: u64,
    /// The container and stream of a line that has no end yet.
    pub unfinished: Option<(String, Stream)>,
}

impl Positions {
    /// Reads them; none if there is no such file.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Writes them, to the disk.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        atomic_write(path, &serde_json::to_vec(self)?, 0o600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_read_as_they_were_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("positions.json");
        assert_eq!(Positions::read(&path).unwrap(), Positions::default());
        let file = FileId {
            device: 1,
            inode: 2,
        };
        let mut positions = Positions::default();
        let container = ContainerPosition {
            name: "running-web-1".into(),
            service: "web".into(),
            log: "/x".into(),
            read: Some(ReadPosition {
                file,
                offset: 3,
                last: None,
            }),
        };
        positions.containers.insert("id".into(), container);
        let service = ServicePosition {
            file,
            length: 4,
            unfinished: Some(("id".into(), Stream::Stderr)),
        };
        positions.services.insert("web".into(), service);
        positions.write(&path).unwrap();
        assert_eq!(Positions::read(&path).unwrap(), positions);
        std::fs::write(&path, "{").unwrap();
        assert!(Positions::read(&path).is_err());
    }
}
