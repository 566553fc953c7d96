//! A layout whose files lie in many places: documents in memory, and layers wherever they are kept.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files::{Files, Visitor};
use crate::place::Place;

/// One file of a layout.
#[derive(Clone, Debug)]
pub enum Piece {
    /// A small one, in memory.
    Bytes(Vec<u8>),
    /// A file of this path.
    File(PathBuf),
}

/// A layout that was put together without a directory of its own.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    /// What messages call it.
    pub path: PathBuf,
    /// The files by their names in the layout.
    pub files: BTreeMap<String, Piece>,
}

impl Files for Pieces {
    fn path(&self) -> &Path {
        &self.path
    }

    fn size(&self, name: &str) -> Result<Option<u64>> {
        match self.files.get(name) {
            None => Ok(None),
            Some(Piece::Bytes(bytes)) => Ok(Some(bytes.len() as u64)),
            Some(Piece::File(path)) => {
                let metadata = path.metadata().map_err(Error::read(path))?;
                Ok(Some(metadata.len()))
            }
        }
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send + '_>> {
        match self.files.get(name) {
            None => Err(self.missing(name)),
            Some(Piece::Bytes(bytes)) => Ok(Box::new(bytes.as_slice())),
            Some(Piece::File(path)) => Ok(Box::new(File::open(path).map_err(Error::read(path))?)),
        }
    }

    fn place(&self, name: &str) -> Result<Option<Place>> {
        let Some(Piece::File(path)) = self.files.get(name) else {
            return Ok(None);
        };
        let metadata = path.metadata().map_err(Error::read(path))?;
        Ok(Some(Place {
            path: path.clone(),
            offset: 0,
            size: metadata.len(),
        }))
    }

    fn visit(&self, names: &[String], visit: &mut Visitor<'_>) -> Result<()> {
        for name in names {
            visit(name, &mut *self.open(name)?)?;
        }
        Ok(())
    }
}
