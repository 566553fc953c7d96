//! How image-importer is called, and what it reports to the programs that call it (`--json`): compose-runner with a recipe,
//! `docker-ctl wait` without one.

use std::{
    fs::File,
    io::{self, Read, Seek},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use bosh_job::{ErrorReport, ExitCode};
use docker_engine::ImageStore;

/// What became of all images, and of the lists that name them.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportReport {
    /// What the importer exits with.
    pub exit_code: ExitCode,
    /// Where the images go; nothing if the engine was not asked.
    pub image_store: Option<ImageStore>,
    /// The images, in the order of the lists.
    pub images: Vec<ImportedImage>,
    /// What is wrong with the lists.
    pub lists: Vec<ErrorReport>,
    /// Why the rest was not tried.
    pub aborted: Vec<ErrorReport>,
    /// Images that were sent to the engine.
    pub loaded: usize,
    /// Images that were there.
    pub present: usize,
    /// Images that were there without their names.
    pub tagged: usize,
    /// Images of which nothing came.
    pub failed: usize,
    /// Bytes sent to the engine.
    pub bytes: u64,
    /// Milliseconds from the importer's start to its end.
    pub elapsed_ms: u64,
}

/// What became of one image, or of a tarball or layout in which none was found.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportedImage {
    /// The tarball or layout.
    pub path: PathBuf,
    /// Its names.
    pub references: Vec<String>,
    /// The engine's digest: of the config in the graph drivers' store, else of the manifest or index.
    pub digest: Option<String>,
    /// The digest of its config.
    pub config_digest: Option<String>,
    /// What was done.
    pub action: ImportAction,
    /// Bytes sent to the engine.
    pub bytes: u64,
    /// Layers sent.
    pub layers_sent: usize,
    /// Layers that the engine had, or got with another image.
    pub layers_skipped: usize,
    /// Milliseconds that it took.
    pub elapsed_ms: u64,
    /// References by digest that this image store cannot resolve.
    pub unresolvable: Vec<String>,
    /// What went wrong.
    pub errors: Vec<ErrorReport>,
    /// What this image alone would have the program exit with.
    pub exit_code: ExitCode,
}

/// What was done with an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImportAction {
    /// Sent to the engine.
    Loaded,
    /// Nothing: it was there.
    Present,
    /// Given names: it was there without them.
    Tagged,
    /// Nothing came of it.
    #[default]
    Failed,
}

impl ImportReport {
    /// Everything that went wrong: with lists, with images, and why the rest was not tried.
    pub fn errors(&self) -> impl Iterator<Item = &ErrorReport> {
        let of_images = self.images.iter().flat_map(|image| &image.errors);
        self.lists.iter().chain(of_images).chain(&self.aborted)
    }
}

/// Where the importer writes its report, in memory: it may be longer than a pipe holds, and a disk may be full.
#[derive(Debug)]
pub struct ReportFile(File);

impl ReportFile {
    /// Has image-importer, which `command` is to run, report on the images of a root.
    ///
    /// # Errors
    /// The system has no memory for it.
    pub fn of(command: &mut Command, root: &Path, config: &Path) -> io::Result<Self> {
        let file = File::from(memfd_create("import-report", MemfdFlags::CLOEXEC)?);
        command.arg("--json").arg("--root").arg(root);
        command.arg("--config").arg(config);
        command.stdout(Stdio::from(file.try_clone()?));
        Ok(Self(file))
    }

    /// The report of the importer, which has ended. Nothing if it was not able to give one.
    #[must_use]
    pub fn read(mut self) -> Option<ImportReport> {
        let mut bytes = Vec::new();
        self.0.rewind().ok()?;
        self.0.read_to_end(&mut bytes).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(script: &str) -> Option<ImportReport> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "image-importer"]);
        let file = ReportFile::of(&mut command, Path::new("/r"), Path::new("/r/c.json")).unwrap();
        command.status().unwrap();
        file.read()
    }

    #[test]
    fn all_errors_of_a_report_are_read_however_many() {
        let images: Vec<_> = (0..500)
            .map(|number| serde_json::json!({"path": "/x", "errors": [{"what": format!("image {number} is damaged"), "causes": ["layer 3"]}]}))
            .collect();
        let text = serde_json::json!({
            "exit_code": 4, "images": images, "lists": [{"what": "no such file"}], "aborted": [{"what": "the engine went"}], "loaded": 7,
        });
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("report.json");
        std::fs::write(&file, text.to_string()).unwrap();
        let read = report(&format!("echo progress >&2; cat {}", file.display())).unwrap();
        assert_eq!(read.exit_code, ExitCode::VerificationFailed);
        let errors: Vec<_> = read.errors().collect();
        assert_eq!(errors.len(), 502);
        assert_eq!(errors[0].what, "no such file");
        assert_eq!(errors[500].what, "image 499 is damaged");
        assert_eq!(errors[500].causes, ["layer 3"]);
        assert_eq!(errors[501].what, "the engine went");
    }

    #[test]
    fn the_importer_is_asked_for_it_and_one_that_gives_none_is_no_failure_to_read() {
        let said = report("echo \"{\\\"aborted\\\": [{\\\"what\\\": \\\"$*\\\"}]}\"").unwrap();
        assert_eq!(said.aborted[0].what, "--json --root /r --config /r/c.json");
        for script in [
            "exit 1",
            "echo no JSON",
            "echo '{\"images\": ['; kill -9 $$",
        ] {
            assert!(report(script).is_none(), "{script}");
        }
    }
}
