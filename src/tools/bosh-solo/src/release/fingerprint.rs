//! Fingerprints as the BOSH CLI computes them (bosh-cli `release/resource/fingerprint.go`, version 2).

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// One file that goes into a package or a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it lies in the archive, `/`-separated.
    pub relative: String,
    /// Where it lies in the release directory.
    pub source: PathBuf,
    /// Whether the mode is part of the fingerprint (it is not for `packaging`).
    pub with_mode: bool,
}

/// Whether links are followed (a job's files) or kept as links (a package's).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// The target's content counts.
    Followed,
    /// The link's own text counts.
    Kept,
}

/// The fingerprint of a set of files and, for packages, of the names of the dependencies.
pub fn of_files(files: &[SourceFile], dependencies: &[String], links: Links) -> Result<String> {
    let mut files: Vec<&SourceFile> = files.iter().collect();
    files.sort_by(|left, right| left.relative.cmp(&right.relative));
    let mut whole = Sha256::new();
    whole.update("v2");
    for file in files {
        whole.update(&file.relative);
        let chunk = describe(file, links)
            .with_context(|| format!("fingerprinting {}", file.source.display()))?;
        whole.update(chunk);
    }
    let mut dependencies = dependencies.to_vec();
    dependencies.sort();
    whole.update(dependencies.join(","));
    Ok(hex::encode(whole.finalize()))
}

fn describe(file: &SourceFile, links: Links) -> Result<String> {
    let metadata = fs::symlink_metadata(&file.source)?;
    let is_link = metadata.is_symlink() && links == Links::Kept;
    let digest = if is_link {
        let target = fs::read_link(&file.source)?;
        of_text(&target.to_string_lossy())
    } else {
        of_content(&file.source)?
    };
    let mode = match () {
        () if !file.with_mode => "",
        () if is_link => "symlink",
        () if metadata.permissions().mode() & 0o111 != 0 => "100755",
        () => "100644",
    };
    Ok(format!("sha256:{digest}{mode}"))
}

/// SHA-256 of a file's content, in hexadecimal.
pub fn of_content(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file
            .read(&mut buffer)
            .with_context(|| format!("reading {}", path.display()))?;
        if read == 0 {
            return Ok(hex::encode(digest.finalize()));
        }
        digest.update(&buffer[..read]);
    }
}

/// SHA-256 of a text, in hexadecimal.
pub fn of_text(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(directory: &Path, name: &str, content: &str, mode: u32) -> SourceFile {
        let source = directory.join(name);
        fs::write(&source, content).unwrap();
        fs::set_permissions(&source, fs::Permissions::from_mode(mode)).unwrap();
        SourceFile {
            relative: name.to_owned(),
            source,
            with_mode: true,
        }
    }

    #[test]
    fn follows_path_content_executable_bit_and_dependency_names_only() {
        let directory = tempfile::tempdir().unwrap();
        let base = file(directory.path(), "a", "one", 0o644);
        let fingerprint = |file: &SourceFile, dependencies: &[&str]| {
            let dependencies: Vec<String> =
                dependencies.iter().map(|name| (*name).to_owned()).collect();
            of_files(std::slice::from_ref(file), &dependencies, Links::Kept).unwrap()
        };
        let first = fingerprint(&base, &["x", "y"]);
        assert_eq!(first, fingerprint(&base, &["y", "x"]));
        assert_ne!(first, fingerprint(&base, &["x"]));
        assert_eq!(
            first,
            fingerprint(&file(directory.path(), "a", "one", 0o600), &["x", "y"])
        );
        assert_ne!(
            first,
            fingerprint(&file(directory.path(), "a", "one", 0o755), &["x", "y"])
        );
        assert_ne!(
            first,
            fingerprint(&file(directory.path(), "a", "two", 0o644), &["x", "y"])
        );
        assert_ne!(
            first,
            fingerprint(&file(directory.path(), "b", "one", 0o644), &["x", "y"])
        );
    }

    #[test]
    fn a_kept_link_counts_by_its_text_even_when_it_dangles() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("link");
        std::os::unix::fs::symlink("nowhere", &source).unwrap();
        let link = SourceFile {
            relative: "link".into(),
            source,
            with_mode: true,
        };
        assert!(of_files(std::slice::from_ref(&link), &[], Links::Kept).is_ok());
        assert!(of_files(&[link], &[], Links::Followed).is_err());
    }
}
