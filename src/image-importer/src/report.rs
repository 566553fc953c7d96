//! What became of the images: lines in the log, and the report for `--json`.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bosh_job::{ErrorReport, ExitCode, exit_code_of};
use docker_engine::ImageStore;
use image_archive::Reference;
use state_files::{ImportAction, ImportReport, ImportedImage};

use crate::item::Item;
use import_lists::Problem;

/// What became of an image.
pub fn of_image(item: Item) -> ImportedImage {
    let (image, done, elapsed, found) = item.into_outcome();
    let mut imported = ImportedImage {
        references: image.references().iter().map(ToString::to_string).collect(),
        config_digest: Some(image.config_digest().to_string()),
        bytes: done.bytes,
        layers_sent: done.layers_sent,
        layers_skipped: done.layers_skipped,
        ..failed(image.path().to_owned(), elapsed)
    };
    match found {
        Ok(found) => {
            imported.action = done.action.unwrap_or(ImportAction::Present);
            if imported.action != ImportAction::Loaded {
                imported.layers_skipped = image.layers().len();
            }
            let unresolvable = found.unresolvable.iter();
            imported.unresolvable = unresolvable.map(Reference::familiar).collect();
            imported.digest = Some(found.digest);
        }
        Err(error) => note(
            &mut imported,
            &error.context(format!("importing {}", image.name())),
        ),
    }
    log(&imported);
    imported
}

/// What became of a tarball or layout, or of an image in it that cannot be told.
pub fn of_file(path: PathBuf, error: &anyhow::Error, elapsed: Duration) -> ImportedImage {
    let mut imported = failed(path, elapsed);
    note(&mut imported, error);
    log(&imported);
    imported
}

fn failed(path: PathBuf, elapsed: Duration) -> ImportedImage {
    ImportedImage {
        path,
        action: ImportAction::Failed,
        elapsed_ms: milliseconds(elapsed),
        ..ImportedImage::default()
    }
}

fn note(imported: &mut ImportedImage, error: &anyhow::Error) {
    imported.exit_code = exit_code_of(error);
    imported.errors = ErrorReport::all_of(error);
}

fn log(imported: &ImportedImage) {
    let ImportedImage {
        bytes,
        layers_sent,
        layers_skipped,
        elapsed_ms,
        ..
    } = *imported;
    let reference = imported.references.join(",");
    let digest = imported.digest.as_ref().or(imported.config_digest.as_ref());
    let digest = digest.map_or("", String::as_str);
    let action = match imported.action {
        ImportAction::Loaded => "loaded",
        ImportAction::Present => "present",
        ImportAction::Tagged => "tagged",
        ImportAction::Failed => "failed",
    };
    if imported.action == ImportAction::Failed {
        let path = imported.path.display();
        let error = imported.errors.first();
        let why = error.map(|error| error.causes.last().unwrap_or(&error.what).as_str());
        let why = why.unwrap_or_default();
        tracing::error!(%reference, %digest, bytes, elapsed_ms, %action, %path, %why, "image failed");
    } else {
        tracing::info!(%reference, %digest, bytes, layers_sent, layers_skipped, elapsed_ms, %action, "image {action}");
    }
    if !imported.unresolvable.is_empty() {
        let unresolvable = imported.unresolvable.join(",");
        tracing::info!(
            %unresolvable, %digest,
            "recipes find these names by digest; docker does not, in this image store: use a tag or the digest alone"
        );
    }
}

/// What became of everything, as it is collected.
#[derive(Debug)]
pub struct Report {
    document: ImportReport,
    began: Instant,
}

impl Report {
    /// Begins, with what is wrong with the lists.
    pub fn new(began: Instant, problems: &[Problem]) -> Self {
        for problem in problems {
            tracing::error!(%problem, "bad list");
        }
        let document = ImportReport {
            lists: problems.iter().map(Problem::report).collect(),
            ..ImportReport::default()
        };
        Self { document, began }
    }

    /// Of a run that did not get as far as the lists.
    pub fn of_nothing(error: &anyhow::Error) -> Self {
        let mut report = Self::new(Instant::now(), &[]);
        report.document.aborted = ErrorReport::all_of(error);
        report
    }

    /// Writes it to stdout, as one document, with what the program exits with.
    pub fn print(&mut self, exit_code: ExitCode) -> anyhow::Result<()> {
        self.document.exit_code = exit_code;
        let text = serde_json::to_string_pretty(&self.document).context("writing the report")?;
        writeln!(std::io::stdout().lock(), "{text}").context("writing the report to stdout")
    }

    /// Notes where the images go.
    pub fn note_store(&mut self, store: ImageStore) {
        self.document.image_store = Some(store);
    }

    /// Adds what became of an image.
    pub fn add(&mut self, image: ImportedImage) {
        let document = &mut self.document;
        match image.action {
            ImportAction::Loaded => document.loaded += 1,
            ImportAction::Present => document.present += 1,
            ImportAction::Tagged => document.tagged += 1,
            ImportAction::Failed => document.failed += 1,
        }
        document.bytes += image.bytes;
        document.images.push(image);
    }

    /// Notes why the rest is not tried.
    pub fn abort(&mut self, error: &anyhow::Error) {
        self.document.aborted = ErrorReport::all_of(error);
        tracing::error!(why = %format!("{error:#}"), "import aborted");
    }

    /// Logs the summary.
    pub fn finish(&mut self) {
        self.document.elapsed_ms = milliseconds(self.began.elapsed());
        let document = &self.document;
        let ImportReport {
            loaded,
            present,
            tagged,
            failed,
            bytes,
            elapsed_ms,
            ..
        } = *document;
        let is_empty = document.images.is_empty() && document.lists.is_empty();
        if is_empty && document.aborted.is_empty() {
            tracing::info!(elapsed_ms, "nothing to import");
        } else {
            let bad_lines = document.lists.len();
            tracing::info!(
                loaded,
                present,
                tagged,
                failed,
                bad_lines,
                bytes,
                elapsed_ms,
                "import finished"
            );
        }
    }

    /// Everything that went wrong.
    pub fn errors(&self) -> impl Iterator<Item = &ErrorReport> {
        self.document.errors()
    }

    /// A wrong list is the operator's to fix first, a wrong image the next.
    pub fn exit_code(&self) -> ExitCode {
        let document = &self.document;
        let failed = |code| document.images.iter().any(|image| image.exit_code == code);
        if !document.lists.is_empty() {
            ExitCode::BadConfig
        } else if failed(ExitCode::VerificationFailed) {
            ExitCode::VerificationFailed
        } else if document.failed > 0 || !document.aborted.is_empty() {
            ExitCode::Failed
        } else {
            ExitCode::Ok
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
