//! What all files have in common that pass between the release's programs, and from one release to the next.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use bosh_job::{Paths, atomic_write, make_dir, remove_if_there};

/// Bytes of a file; a real one has some thousands.
const LONGEST: u64 = 16 << 20;

/// A document in a file of its own, which one program writes and others read: JSON with a version, replaced as a whole,
/// for root alone.
pub trait StateFile: Serialize + DeserializeOwned {
    /// Counts up with every change that programs of an earlier release cannot read.
    const VERSION: u32;

    /// Whether the directory is made with the file. That of the job in `sys/run` is not: it is the start programs' to make.
    const MAKES_DIRECTORY: bool = true;

    /// Where it lies.
    fn path(paths: &Paths) -> PathBuf;

    /// Reads it; nothing if there is none.
    ///
    /// # Errors
    /// There is one that cannot be read: the disk refuses, it is damaged, or it is of another version. The error names the
    /// file, and nothing of what stands there, since that may be secret.
    fn read(paths: &Paths) -> io::Result<Option<Self>> {
        let file = Self::path(paths);
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("reading {}: {error}", file.display()))
        };
        let mut bytes = Vec::new();
        match File::open(&file) {
            Ok(open) => open.take(LONGEST + 1).read_to_end(&mut bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(named(error)),
        }
        .and_then(|_| parse(&bytes))
        .map(Some)
        .map_err(named)
    }

    /// Writes it, in place of the previous one.
    ///
    /// # Errors
    /// The disk refuses.
    fn write(&self, paths: &Paths) -> io::Result<()> {
        let file = Self::path(paths);
        if let Some(directory) = file.parent()
            && Self::MAKES_DIRECTORY
            && !directory.exists()
        {
            make_dir(directory, 0o700)?;
        }
        let version = Self::VERSION;
        let document = Document {
            version,
            content: self,
        };
        let mut text = serde_json::to_vec_pretty(&document)?;
        text.push(b'\n');
        atomic_write(&file, &text, 0o600)
    }

    /// Removes it, if it is there.
    ///
    /// # Errors
    /// It is there and cannot be removed.
    fn remove(paths: &Paths) -> io::Result<()> {
        remove_if_there(&Self::path(paths))
    }
}

#[derive(Serialize)]
struct Document<'a, T> {
    version: u32,
    #[serde(flatten)]
    content: &'a T,
}

fn parse<T: StateFile>(bytes: &[u8]) -> io::Result<T> {
    let bad = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    // The parser's words could show what stands there.
    let damaged = || bad("it is damaged".to_owned());
    if bytes.len() as u64 > LONGEST {
        return Err(damaged());
    }
    let mut document: Value = serde_json::from_slice(bytes).map_err(|_| damaged())?;
    let content = document.as_object_mut().ok_or_else(damaged)?;
    // The first versions were written without one.
    let version = content.remove("version").unwrap_or_else(|| 1.into());
    if version != T::VERSION {
        let version = u32::deserialize(&version).map_err(|_| damaged())?;
        let ours = T::VERSION;
        return Err(bad(format!(
            "it has version {version}, of another release; this one reads version {ours}"
        )));
    }
    serde_json::from_value(document).map_err(|_| damaged())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        word: String,
    }

    impl StateFile for Example {
        const VERSION: u32 = 2;

        fn path(paths: &Paths) -> PathBuf {
            paths.root().join("new/example.json")
        }
    }

    #[test]
    fn a_document_comes_back_as_it_was_written_and_is_for_root_alone() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        assert_eq!(Example::read(&paths).unwrap(), None);
        let example = Example {
            word: "x".to_owned(),
        };
        example.write(&paths).unwrap();
        assert_eq!(Example::read(&paths).unwrap(), Some(example));
        let file = Example::path(&paths);
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            "{\n  \"version\": 2,\n  \"word\": \"x\"\n}\n"
        );
        for (path, mode) in [(file.as_path(), 0o600), (file.parent().unwrap(), 0o700)] {
            let permissions = path.metadata().unwrap().permissions();
            assert_eq!(permissions.mode() & 0o777, mode, "{}", path.display());
        }
        Example::remove(&paths).unwrap();
        Example::remove(&paths).unwrap();
        assert_eq!(Example::read(&paths).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_names_the_file_and_shows_nothing_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        let file = Example::path(&paths);
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        let long = format!(r#"{{"version": 2, "word": "{}"}}"#, "x".repeat(17 << 20));
        let other = "it has version 3, of another release; this one reads version 2";
        let without = other.replace('3', "1");
        let without = without.as_str();
        for (content, what) in [
            ("", "it is damaged"),
            ("hunter2", "it is damaged"),
            ("[\"hunter2\"]", "it is damaged"),
            (r#"{"word": "hunter2"}"#, without),
            (r#"{"version": "hunter2", "word": "x"}"#, "it is damaged"),
            (r#"{"version": 2, "word": {"hunter2": 1}}"#, "it is damaged"),
            (
                r#"{"version": 2, "word": "x", "hunter2": 1}"#,
                "it is damaged",
            ),
            (r#"{"version": 3, "words": ["hunter2"]}"#, other),
            (&long, "it is damaged"),
        ] {
            std::fs::write(&file, content).unwrap();
            let error = Example::read(&paths).unwrap_err().to_string();
            assert_eq!(error, format!("reading {}: {what}", file.display()));
        }
    }
}
