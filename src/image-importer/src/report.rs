//! What became of the images: lines in the log, and the report for `--json`.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bosh_job::ErrorReport;
use bosh_job::{ExitCode, exit_code_of};
use docker_engine::ImageStore;
use image_archive::Reference;
use serde::Serialize;

use crate::item::{Action, Item};
use image_importer::lists::Problem;

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Present => "present",
            Self::Tagged => "tagged",
            Self::Failed => "failed",
        }
    }
}

/// What became of one image, or of a tarball or layout in which none was found.
#[derive(Debug, Serialize)]
pub struct Outcome {
    path: PathBuf,
    references: Vec<String>,
    /// The engine's digest: of the config in the graph drivers' store, else of the manifest or index.
    digest: Option<String>,
    config_digest: Option<String>,
    action: Action,
    /// Bytes sent to the engine.
    bytes: u64,
    layers_sent: usize,
    layers_skipped: usize,
    elapsed_ms: u64,
    /// References by digest that this image store cannot resolve.
    unresolvable: Vec<String>,
    errors: Vec<ErrorReport>,
    /// What this image alone would have the program exit with.
    exit_code: ExitCode,
}

impl Outcome {
    /// Of an image.
    pub fn new(item: Item) -> Self {
        let (image, done, elapsed, found) = item.into_outcome();
        let mut outcome = Self {
            references: image.references().iter().map(ToString::to_string).collect(),
            config_digest: Some(image.config_digest().to_string()),
            bytes: done.bytes,
            layers_sent: done.layers_sent,
            layers_skipped: done.layers_skipped,
            ..Self::unknown(image.path().to_owned(), elapsed)
        };
        match found {
            Ok(found) => {
                outcome.action = done.action.unwrap_or(Action::Present);
                if outcome.action != Action::Loaded {
                    outcome.layers_skipped = image.layers().len();
                }
                let unresolvable = found.unresolvable.iter();
                outcome.unresolvable = unresolvable.map(Reference::familiar).collect();
                outcome.digest = Some(found.digest);
            }
            Err(error) => outcome.fail(&error.context(format!("importing {}", image.name()))),
        }
        outcome.log();
        outcome
    }

    /// Of a tarball or layout, or of an image in it that cannot be told.
    pub fn failed(path: PathBuf, error: &anyhow::Error, elapsed: Duration) -> Self {
        let mut outcome = Self::unknown(path, elapsed);
        outcome.fail(error);
        outcome.log();
        outcome
    }

    fn unknown(path: PathBuf, elapsed: Duration) -> Self {
        Self {
            path,
            references: Vec::new(),
            digest: None,
            config_digest: None,
            action: Action::Failed,
            bytes: 0,
            layers_sent: 0,
            layers_skipped: 0,
            elapsed_ms: milliseconds(elapsed),
            unresolvable: Vec::new(),
            errors: Vec::new(),
            exit_code: ExitCode::Ok,
        }
    }

    fn fail(&mut self, error: &anyhow::Error) {
        self.exit_code = exit_code_of(error);
        self.errors = ErrorReport::all_of(error);
    }

    fn log(&self) {
        let reference = self.references.join(",");
        let digest = self
            .digest
            .as_ref()
            .or(self.config_digest.as_ref())
            .map_or("", String::as_str);
        let (bytes, elapsed_ms, action) = (self.bytes, self.elapsed_ms, self.action.as_str());
        let (layers_sent, layers_skipped) = (self.layers_sent, self.layers_skipped);
        let path = self.path.display();
        match self.action {
            Action::Failed => {
                let why = self
                    .errors
                    .first()
                    .map(|error| error.causes.last().unwrap_or(&error.what).as_str());
                let why = why.unwrap_or_default();
                tracing::error!(%reference, %digest, bytes, elapsed_ms, %action, %path, %why, "image failed");
            }
            Action::Present => {
                tracing::info!(%reference, %digest, bytes, layers_sent, layers_skipped, elapsed_ms, %action, "image present");
            }
            Action::Loaded | Action::Tagged => {
                tracing::info!(%reference, %digest, bytes, layers_sent, layers_skipped, elapsed_ms, %action, "image {action}");
            }
        }
        if !self.unresolvable.is_empty() {
            let unresolvable = self.unresolvable.join(",");
            tracing::info!(
                %unresolvable, %digest,
                "recipes find these names by digest; docker does not, in this image store: use a tag or the digest alone"
            );
        }
    }
}

/// What became of everything.
#[derive(Debug, Serialize)]
pub struct Report {
    image_store: Option<&'static str>,
    images: Vec<Outcome>,
    /// What is wrong with the lists.
    lists: Vec<ErrorReport>,
    /// Why the rest was not tried.
    aborted: Vec<ErrorReport>,
    loaded: usize,
    present: usize,
    tagged: usize,
    failed: usize,
    bytes: u64,
    elapsed_ms: u64,
    #[serde(skip)]
    began: Instant,
}

#[derive(Serialize)]
struct Printed<'a> {
    exit_code: ExitCode,
    #[serde(flatten)]
    report: &'a Report,
}

impl Report {
    /// Begins, with what is wrong with the lists.
    pub fn new(began: Instant, problems: &[Problem]) -> Self {
        for problem in problems {
            tracing::error!(%problem, "bad list");
        }
        Self {
            image_store: None,
            images: Vec::new(),
            lists: problems.iter().map(Problem::report).collect(),
            aborted: Vec::new(),
            loaded: 0,
            present: 0,
            tagged: 0,
            failed: 0,
            bytes: 0,
            elapsed_ms: 0,
            began,
        }
    }

    /// Of a run that did not get as far as the lists.
    pub fn of_nothing(error: &anyhow::Error) -> Self {
        Self {
            aborted: ErrorReport::all_of(error),
            ..Self::new(Instant::now(), &[])
        }
    }

    /// Writes it to stdout, as one document, with what the program exits with.
    pub fn print(&self, exit_code: ExitCode) -> anyhow::Result<()> {
        let whole = Printed {
            exit_code,
            report: self,
        };
        let mut text = serde_json::to_string_pretty(&whole).context("writing the report")?;
        text.push('\n');
        std::io::stdout()
            .lock()
            .write_all(text.as_bytes())
            .context("writing the report to stdout")
    }

    /// Notes where the images go.
    pub fn note_store(&mut self, store: ImageStore) {
        self.image_store = Some(match store {
            ImageStore::GraphDriver => "graphdriver",
            ImageStore::Containerd => "containerd",
        });
    }

    /// Adds an outcome.
    pub fn add(&mut self, outcome: Outcome) {
        match outcome.action {
            Action::Loaded => self.loaded += 1,
            Action::Present => self.present += 1,
            Action::Tagged => self.tagged += 1,
            Action::Failed => self.failed += 1,
        }
        self.bytes += outcome.bytes;
        self.images.push(outcome);
    }

    /// Notes why the rest is not tried.
    pub fn abort(&mut self, error: &anyhow::Error) {
        self.aborted = ErrorReport::all_of(error);
        tracing::error!(why = %format!("{error:#}"), "import aborted");
    }

    /// Logs the summary.
    pub fn finish(&mut self) {
        self.elapsed_ms = milliseconds(self.began.elapsed());
        let Self {
            loaded,
            present,
            tagged,
            failed,
            bytes,
            elapsed_ms,
            ..
        } = *self;
        if self.images.is_empty() && self.lists.is_empty() && self.aborted.is_empty() {
            tracing::info!(elapsed_ms, "nothing to import");
        } else {
            let bad_lines = self.lists.len();
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
        let of_images = self.images.iter().flat_map(|image| &image.errors);
        self.lists.iter().chain(of_images).chain(&self.aborted)
    }

    /// A wrong list is the operator's to fix first, a wrong image the next.
    pub fn exit_code(&self) -> ExitCode {
        let failed = |code| self.images.iter().any(|image| image.exit_code == code);
        if !self.lists.is_empty() {
            ExitCode::BadConfig
        } else if failed(ExitCode::VerificationFailed) {
            ExitCode::VerificationFailed
        } else if self.failed > 0 || !self.aborted.is_empty() {
            ExitCode::Failed
        } else {
            ExitCode::Ok
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
