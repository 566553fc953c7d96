//! Putting a recipe on disk: changes only what differs, removes only what it wrote itself.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use bosh_job::{Owner, Paths, Problem, Problems, atomic_write, make_dir};

use crate::files::{FilePath, RecipeFile};
use crate::ledger::{self, Ledger};
use crate::tree::{Attributes, Tree};
use crate::{Prep, Recipe};

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Paths that were written, since content, owner or mode differed.
    pub written: Vec<String>,
    /// Paths that were removed, since the recipe no longer has them.
    pub removed: Vec<String>,
}

/// Why a recipe could not be put on disk.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// An owner is unknown to the VM; nothing was written.
    #[error(transparent)]
    Owner(#[from] Problems),
    /// A file could not be written or removed.
    #[error("property `files[{path:?}]`: writing {path} in {}", directory.display())]
    File {
        /// The file.
        path: String,
        /// The recipe's directory.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something beside the files could not be written.
    #[error("writing the recipe")]
    Recipe(#[source] io::Error),
}

/// Writes the Compose file, the files beside it, and prep; removes files that an earlier recipe had.
///
/// A file whose content is right, and whose owner and mode are as they were given last time, is left alone even if
/// `prep` has since given it another owner or mode: that is what `prep` is for.
///
/// # Errors
/// An owner is unknown, which is found before anything is written, or the disk refuses.
pub fn write_files(recipe: &Recipe, paths: &Paths) -> Result<Written, WriteError> {
    let owners = owners(&recipe.files)?;
    make_dir(&paths.running(), 0o700).map_err(WriteError::Recipe)?;
    make_dir(&paths.compose_dir(), 0o700).map_err(WriteError::Recipe)?;
    let tree = Tree::open(&paths.running(), &paths.compose_dir()).map_err(WriteError::Recipe)?;
    let writer = Writer {
        paths,
        tree,
        ledger_path: paths.compose_dir().join(ledger::FILE_NAME),
    };

    let mut written = Written::default();
    let mut ledger = Ledger::read(&writer.ledger_path).map_err(WriteError::Recipe)?;
    let compose_file = FilePath::of_the_recipe();
    let mut wanted: Vec<&FilePath> = recipe.files.iter().map(|file| &file.path).collect();
    wanted.push(&compose_file);
    writer.remove_gone(&wanted, &mut ledger, &mut written)?;
    for (file, owner) in recipe.files.iter().zip(owners) {
        let wanted = Attributes::new(owner, file.mode);
        writer.put(
            &file.path,
            file.content.reveal().as_bytes(),
            wanted,
            &mut ledger,
            &mut written,
        )?;
    }
    let closed = Attributes::new(Owner { uid: 0, gid: 0 }, 0o600);
    writer.put(
        &compose_file,
        recipe.compose_yaml.reveal().as_bytes(),
        closed,
        &mut ledger,
        &mut written,
    )?;
    writer.put_prep(recipe.prep.as_ref(), &mut written)?;
    Ok(written)
}

/// Removes everything that [`write_files`] wrote, for a recipe that is gone.
///
/// # Errors
/// The disk refuses.
pub fn remove_files(paths: &Paths) -> Result<Written, WriteError> {
    let mut written = Written::default();
    let ledger_path = paths.compose_dir().join(ledger::FILE_NAME);
    if !ledger_path.exists() || !paths.running().exists() {
        return Ok(written);
    }
    let tree = Tree::open(&paths.running(), &paths.compose_dir()).map_err(WriteError::Recipe)?;
    let writer = Writer {
        paths,
        tree,
        ledger_path,
    };
    let mut ledger = Ledger::read(&writer.ledger_path).map_err(WriteError::Recipe)?;
    writer.remove_gone(&[], &mut ledger, &mut written)?;
    writer.put_prep(None, &mut written)?;
    Ok(written)
}

/// The numeric owner of each file; all unknown ones are said at once.
fn owners(files: &[RecipeFile]) -> Result<Vec<Owner>, Problems> {
    let mut problems = Problems::default();
    let mut owners = Vec::new();
    for file in files {
        let owner = file.owner.resolve("/".as_ref()).map_err(|what| {
            Problem::new(format!("files[{:?}].owner", file.path.as_str()), what).hint(
                "a user that only the container knows is given by number, as in owner: \"999:999\"",
            )
        });
        owners.extend(problems.note(owner));
    }
    problems.into_result(Some(owners))
}

struct Writer<'a> {
    paths: &'a Paths,
    tree: Tree,
    ledger_path: PathBuf,
}

impl Writer<'_> {
    fn remove_gone(
        &self,
        wanted: &[&FilePath],
        ledger: &mut Ledger,
        written: &mut Written,
    ) -> Result<(), WriteError> {
        let names: BTreeSet<&str> = wanted.iter().map(|path| path.as_str()).collect();
        let gone: Vec<String> = ledger
            .files
            .keys()
            .filter(|path| !names.contains(path.as_str()))
            .cloned()
            .collect();
        for path in gone {
            // what the ledger holds was a good path when it was read
            if let Some(file) = ledger::path(&path) {
                self.tree
                    .remove_file(&file)
                    .map_err(|source| self.failed(&file, source))?;
            }
            ledger.files.remove(&path);
            written.removed.push(path);
        }
        let needed: BTreeSet<&str> = wanted.iter().flat_map(|path| path.directories()).collect();
        // innermost first
        let unneeded: Vec<String> = ledger
            .directories
            .iter()
            .rev()
            .filter(|path| !needed.contains(path.as_str()))
            .cloned()
            .collect();
        for path in unneeded {
            if FilePath::new(&path)
                .is_ok_and(|directory| self.tree.remove_empty_directory(&directory))
            {
                ledger.directories.remove(&path);
            }
        }
        ledger.write(&self.ledger_path).map_err(WriteError::Recipe)
    }

    fn put(
        &self,
        path: &FilePath,
        content: &[u8],
        wanted: Attributes,
        ledger: &mut Ledger,
        written: &mut Written,
    ) -> Result<(), WriteError> {
        let present = self
            .tree
            .read(path)
            .map_err(|source| self.failed(path, source))?;
        let given = ledger.files.get(path.as_str()).copied();
        let is_right = present.is_some_and(|(now, attributes)| {
            now == content && (attributes == wanted || given == Some(wanted))
        });
        if is_right && given == Some(wanted) {
            return Ok(());
        }
        if !is_right {
            let mut made = Vec::new();
            let replaced = self.tree.replace(path, content, wanted, &mut made);
            ledger.directories.extend(made);
            replaced.map_err(|source| self.failed(path, source))?;
            written.written.push(path.as_str().to_owned());
        }
        ledger.files.insert(path.as_str().to_owned(), wanted);
        // at once: what is on disk and not in the ledger would never be removed
        ledger.write(&self.ledger_path).map_err(WriteError::Recipe)
    }

    fn put_prep(&self, prep: Option<&Prep>, written: &mut Written) -> Result<(), WriteError> {
        let path = self.paths.prep();
        let Some(prep) = prep else {
            return match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(WriteError::Recipe(error))
                }
                _ => Ok(()),
            };
        };
        if std::fs::read(&path).is_ok_and(|present| present == prep.text().as_bytes()) {
            return Ok(());
        }
        atomic_write(&path, prep.text().as_bytes(), 0o700).map_err(WriteError::Recipe)?;
        written.written.push("prep".to_owned());
        Ok(())
    }

    fn failed(&self, path: &FilePath, source: io::Error) -> WriteError {
        WriteError::File {
            path: path.as_str().to_owned(),
            directory: self.paths.running(),
            source,
        }
    }
}
