//! OCI image layouts: directories with `index.json` and `blobs/`, some of whose blobs may lie in other layouts.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::digest::{Digest, abridge};
use crate::error::{Error, Result};
use crate::files::{Files, Visitor};
use crate::place::Place;

/// The layouts that may lend each other blobs: all that the lists of a VM name.
#[derive(Clone, Debug, Default)]
pub struct Layouts {
    roots: Arc<Vec<PathBuf>>,
}

impl Layouts {
    /// Layout directories, in the order in which they are to be searched. Those that do not exist are passed over.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut roots: Vec<PathBuf> = Vec::new();
        for path in paths {
            if let Ok(root) = path.canonicalize()
                && !roots.contains(&root)
            {
                roots.push(root);
            }
        }
        Self {
            roots: Arc::new(roots),
        }
    }
}

pub(crate) struct Layout {
    path: PathBuf,
    root: PathBuf,
    others: Layouts,
}

impl Layout {
    pub(crate) fn open(path: &Path, others: Layouts) -> Result<Self> {
        // A BOSH package is itself a link, so only what lies under the layout has to stay there.
        let root = path.canonicalize().map_err(Error::read(path))?;
        Ok(Self {
            path: path.to_owned(),
            root,
            others,
        })
    }

    /// The real path of `name`, here or, for a blob, in another layout.
    fn find(&self, name: &str) -> Result<Option<(PathBuf, u64)>> {
        if let Some(found) = find_under(&self.root, name)? {
            return Ok(Some(found));
        }
        if name.starts_with("blobs/") {
            for root in self.others.roots.iter().filter(|root| **root != self.root) {
                if let Some(found) = find_under(root, name)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }
}

fn find_under(root: &Path, name: &str) -> Result<Option<(PathBuf, u64)>> {
    let path = root.join(name);
    let Ok(metadata) = path.metadata() else {
        return match path.symlink_metadata() {
            // A link to nowhere is a mistake of the layout's author, not a blob that lies elsewhere.
            Ok(_) => Err(leads_out(root, name)),
            Err(_) => Ok(None),
        };
    };
    let real = path.canonicalize().map_err(Error::read(&path))?;
    if !real.starts_with(root) {
        return Err(leads_out(root, name));
    }
    if !metadata.is_file() {
        return Err(Error::Unsupported {
            path: root.to_owned(),
            what: format!("`{}`, which is no file", abridge(name)),
        });
    }
    Ok(Some((real, metadata.len())))
}

fn leads_out(root: &Path, name: &str) -> Error {
    Error::LeadsOut {
        path: root.to_owned(),
        name: abridge(name),
    }
}

impl Files for Layout {
    fn path(&self) -> &Path {
        &self.path
    }

    fn size(&self, name: &str) -> Result<Option<u64>> {
        Ok(self.find(name)?.map(|(_, size)| size))
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send + '_>> {
        let (path, _) = self.find(name)?.ok_or_else(|| self.missing(name))?;
        Ok(Box::new(File::open(&path).map_err(Error::read(&path))?))
    }

    fn visit(&self, names: &[String], visit: &mut Visitor<'_>) -> Result<()> {
        for name in names {
            visit(name, &mut *self.open(name)?)?;
        }
        Ok(())
    }

    fn place(&self, name: &str) -> Result<Option<Place>> {
        let whole = |(path, size)| Place {
            path,
            offset: 0,
            size,
        };
        Ok(self.find(name)?.map(whole))
    }

    fn missing(&self, name: &str) -> Error {
        let path = self.path.clone();
        match name
            .strip_prefix("blobs/sha256/")
            .and_then(Digest::from_hex)
        {
            Some(digest) => {
                let others = self
                    .others
                    .roots
                    .iter()
                    .filter(|root| **root != self.root)
                    .count();
                Error::MissingBlob {
                    path,
                    digest,
                    others,
                }
            }
            None => Error::MissingFile {
                path,
                name: abridge(name),
            },
        }
    }
}
