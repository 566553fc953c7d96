//! What image-importer reports to the programs that run it (`--json`), and how they ask for it: compose-runner with a recipe,
//! `docker-ctl wait` without one.

use std::{
    fs::File,
    io::{self, Read, Seek},
    path::Path,
    process::{Command, Stdio},
};

use rustix::fs::{MemfdFlags, memfd_create};
use serde::Deserialize;

use bosh_job::{ErrorReport, ExitCode};

/// The report, as far as its readers need it: what went wrong, in the report's order.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ImportReport {
    /// What the importer exited with.
    pub exit_code: ExitCode,
    lists: Vec<ErrorReport>,
    images: Vec<ImageErrors>,
    aborted: Vec<ErrorReport>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ImageErrors {
    errors: Vec<ErrorReport>,
}

impl ImportReport {
    /// Everything that went wrong: with lists, with images, and why the rest was not tried.
    #[must_use]
    pub fn into_errors(self) -> Vec<ErrorReport> {
        let of_images = self.images.into_iter().flat_map(|image| image.errors);
        let of_lists = self.lists.into_iter();
        of_lists.chain(of_images).chain(self.aborted).collect()
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
        let errors = read.into_errors();
        assert_eq!(errors.len(), 502);
        assert_eq!(errors[0].what, "no such file");
        assert_eq!(errors[500].what, "image 499 is damaged");
        assert_eq!(errors[500].causes, ["layer 3"]);
        assert_eq!(errors[501].what, "the engine went");
    }

    #[test]
    fn the_importer_is_asked_for_it_and_one_that_gives_none_is_no_failure_to_read() {
        let said = report("echo \"{\\\"aborted\\\": [{\\\"what\\\": \\\"$*\\\"}]}\"").unwrap();
        assert_eq!(
            said.into_errors()[0].what,
            "--json --root /r --config /r/c.json"
        );
        for script in [
            "exit 1",
            "echo no JSON",
            "echo '{\"images\": ['; kill -9 $$",
        ] {
            assert!(report(script).is_none(), "{script}");
        }
    }
}
