//! A new release for images, as `bosh create-release` takes it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;

use super::error::{Error, Result};
use super::images_lock::{FILE as LOCK_FILE, ImagesLock};
use super::{blobs, files, names};

/// A new release.
#[derive(Clone, Debug, Serialize)]
pub struct Scaffolded {
    /// Where it lies.
    pub path: PathBuf,
    /// Its files, relative to it.
    pub files: Vec<String>,
    /// Why there is no git repository or no first commit in it, if so.
    pub note: Option<String>,
}

/// Makes a release in a directory of its name below `parent`; with `dry_run`, says what it would have.
///
/// # Errors
/// When the name is no release's, or there is something already.
pub fn scaffold(parent: &Path, name: &str, dry_run: bool) -> Result<Scaffolded> {
    names::check(name).map_err(|why| Error::BadReleaseName {
        name: name.to_owned(),
        why,
    })?;
    let path = parent.join(name);
    let is_empty = match fs::read_dir(&path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => path.symlink_metadata().is_err(),
    };
    if !is_empty {
        return Err(Error::NotEmpty { path });
    }
    let contents = contents(name);
    let mut made = Scaffolded {
        path: path.clone(),
        files: contents
            .iter()
            .map(|(file, _)| (*file).to_owned())
            .collect(),
        note: None,
    };
    if dry_run {
        return Ok(made);
    }
    // Beside its place, so that it appears there in one step, and whole.
    let draft = parent.join(format!(".{name}.{}.part", std::process::id()));
    let filled = fill(&draft, &contents).and_then(|()| {
        made.note = commit(&draft);
        fs::rename(&draft, &path).map_err(Error::write(&path))
    });
    if filled.is_err() {
        let _ = fs::remove_dir_all(&draft);
    }
    filled.map(|()| made)
}

fn contents(name: &str) -> Vec<(&'static str, String)> {
    let named = |template: &str| template.replace("((name))", name);
    vec![
        (
            ".gitignore",
            include_str!("../../templates/gitignore").to_owned(),
        ),
        (
            "README.md",
            named(include_str!("../../templates/README.md")),
        ),
        (blobs::FILE, blobs::Blobs::default().to_text()),
        (
            "config/final.yml",
            format!(
                "---\nname: {name}\nblobstore:\n  provider: local\n  options:\n    blobstore_path: final_blobs\n"
            ),
        ),
        (LOCK_FILE, ImagesLock::default().to_text()),
        (
            "manifests/example.yml",
            named(include_str!("../../templates/example.yml")),
        ),
    ]
}

fn fill(directory: &Path, contents: &[(&'static str, String)]) -> Result<()> {
    for (file, text) in contents {
        let path = directory.join(file);
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent).map_err(Error::write(parent))?;
        files::write(&path, text.as_bytes())?;
    }
    // The BOSH CLI takes what lies in them for packages and jobs, so they cannot hold a file that keeps them in git; it
    // does without them.
    for directory in ["jobs", "packages", "src"].map(|name| directory.join(name)) {
        fs::create_dir_all(&directory).map_err(Error::write(&directory))?;
    }
    Ok(())
}

/// A repository with a first commit, as far as git and its settings allow; the reason if not.
fn commit(directory: &Path) -> Option<String> {
    let git = |arguments: &[&str]| -> std::result::Result<(), String> {
        let output = Command::new("git")
            .arg("-C")
            .arg(directory)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("git: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let said = said.lines().find(|line| line.starts_with("fatal: "));
        Err(said.unwrap_or("git failed").replacen("fatal: ", "", 1))
    };
    if let Err(why) = git(&["init", "--quiet", "--initial-branch=main"]) {
        return Some(format!("there is no git repository in it: {why}"));
    }
    // An identity that git makes up from the name of the machine would be worse than none.
    let identity = ["-c", "user.useConfigOnly=true"];
    git(&["add", "--all"])
        .and_then(|()| {
            let message = ["commit", "--quiet", "--message", "Make a release for images"];
            git(&[identity.as_slice(), message.as_slice()].concat())
        })
        .err()
        .map(|why| {
            format!("it has no first commit: {why}; set user.name and user.email with `git config`, then commit")
        })
}
