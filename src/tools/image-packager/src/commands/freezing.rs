//! What `freeze` and `update` have in common: the flags, and from requests to a changed release and a report.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use crate::freezing::{Failure, Freezing, Outcome, Request};
use crate::progress::Progress;
use crate::release::{Change, Changes, Layout, PutOptions, Release, megabytes, next_steps};
use crate::source::Location;
use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;

use super::access::Access;
use super::interrupt;
use super::named_images::PassedOver;
use crate::global::Global;
use crate::{output, report};

/// How images are frozen.
#[derive(Debug, Args)]
pub struct How {
    /// How an image is spread over packages [default: as it was before, or split]
    #[arg(long, value_enum)]
    pub layout: Option<Layout>,
    /// Fetch so many layers at a time
    #[arg(long, value_name = "N", default_value = "4")]
    pub jobs: NonZeroUsize,
    /// Put the good images into the release even if others fail
    #[arg(long)]
    pub keep_going: bool,
    /// Ask the sources and say what would be done; fetch no layers and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Warn of images whose layers have more than this
    #[arg(long, value_name = "MB", default_value_t = PutOptions::WARN_SIZE / 1_000_000)]
    pub warn_size: u64,
    /// How to reach registries.
    #[command(flatten)]
    pub access: Access,
}

/// What is said as JSON.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    changes: &'a Changes,
    fetched: Fetched,
    failed: Vec<Failed>,
    passed_over: &'a [PassedOver],
}

#[derive(Serialize)]
struct Fetched {
    layers: usize,
    bytes: u64,
}

/// An image that failed.
#[derive(Serialize)]
pub struct Failed {
    image: String,
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Failed {
    /// For a list in a report.
    pub fn new(failure: &Failure) -> Self {
        Self::of(&failure.image, failure.error.as_ref(), failure.error.hint())
    }

    /// The same for an error of another kind.
    pub fn of(image: &str, error: &dyn std::error::Error, hint: Option<String>) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let more = error.to_string();
            if !text.ends_with(&more) {
                text = format!("{text}: {more}");
            }
            cause = error.source();
        }
        Self {
            image: image.to_owned(),
            error: text,
            hint,
        }
    }

    /// A line for people, and the hint below it.
    pub fn lines(&self) -> String {
        let hint = self.hint.iter().map(|hint| format!("\n    hint: {hint}"));
        format!(
            "  {}: {}{}",
            self.image,
            self.error,
            hint.collect::<String>()
        )
    }
}

/// Freezes what is asked for, and reports.
pub fn freeze(
    global: &Global,
    mut release: Release,
    requests: &[Request],
    how: &How,
    name: Option<String>,
    passed_over: &[PassedOver],
) -> Result<ExitCode> {
    let client = how
        .access
        .client(&registries(requests))
        .context("reaching registries")?;
    let stop = interrupt::watch(client.clone())?;
    let options = PutOptions {
        layout: how.layout,
        name,
        warn_size: how.warn_size.saturating_mul(1_000_000),
        dry_run: how.dry_run,
    };
    let progress = Progress::new();
    let freezing = Freezing {
        release: &release,
        client: &client,
        docker_host: registry_client::environment::docker_host(),
        options: &options,
        jobs: how.jobs.get(),
        progress: &progress,
        stop: &stop,
    };
    let mut outcome = freezing.run(requests);
    release.remember_layers();
    if stop.load(Ordering::Relaxed) {
        return Ok(ExitCode::from(interrupt::CODE));
    }
    let refused = release.refused(&outcome.frozen, &options);
    outcome.take_out(refused.context("changing the release")?);
    let put = outcome.failures.is_empty() || how.keep_going;
    let changes = if put && !outcome.frozen.is_empty() {
        let mut changes = release
            .put(&outcome.frozen, &options)
            .context("changing the release")?;
        changes.warnings.extend(recompressed(&outcome, &changes));
        changes
    } else {
        Changes {
            dry_run: how.dry_run,
            ..Changes::default()
        }
    };
    tell(global, &release, &changes, &outcome, passed_over)?;
    Ok(exit_code(&outcome.failures))
}

fn registries(requests: &[Request]) -> BTreeSet<String> {
    (requests.iter())
        .filter_map(|request| match &request.wanted.location {
            Location::Registry(reference) => Some(reference.domain().to_owned()),
            _ => None,
        })
        .collect()
}

/// Recompressing is a trade, and this is its price.
fn recompressed(outcome: &Outcome, changes: &Changes) -> Vec<String> {
    let is_new = |reference: &str| {
        (changes.images.iter())
            .any(|image| image.reference == reference && image.change != Change::Unchanged)
    };
    (outcome.frozen.iter())
        .filter_map(|frozen| {
            let original = crate::fetch::original(frozen.note.as_deref())?;
            let reference = frozen.reference.familiar();
            is_new(&reference).then(|| {
                format!(
                    "{reference} was recompressed and has the digest {} now: recipes that name it by {} will not find it",
                    frozen.digest, original.digest
                )
            })
        })
        .collect()
}

fn tell(
    global: &Global,
    release: &Release,
    changes: &Changes,
    outcome: &Outcome,
    passed_over: &[PassedOver],
) -> Result<()> {
    for PassedOver { what, why } in passed_over {
        output::remark(&format!("passed over, since {why}: {what}"));
    }
    let failed: Vec<Failed> = outcome.failures.iter().map(Failed::new).collect();
    let (layers, bytes) = outcome.fetched;
    if global.is_json() {
        for warning in &changes.warnings {
            output::remark(&format!("warning: {warning}"));
        }
        output::json(&Report {
            changes,
            fetched: Fetched { layers, bytes },
            failed,
            passed_over,
        })?;
    } else if outcome.failures.is_empty() || !changes.images.is_empty() {
        output::changes(changes, false)?;
        let verb = if changes.dry_run {
            "to be fetched"
        } else {
            "fetched"
        };
        output::text(&format!("{verb}: {layers} layers, {}\n", megabytes(bytes)))?;
        if !changes.dry_run && !changes.is_empty() {
            output::text(&format!("\n{}", next_steps(release, changes)))?;
        }
    }
    if !outcome.failures.is_empty() {
        let failed: Vec<String> = outcome
            .failures
            .iter()
            .map(|failure| Failed::new(failure).lines())
            .collect();
        let count = failed.len();
        let done = if outcome.frozen.is_empty() || changes.images.is_empty() {
            "the release is as it was; layers that came are kept for the next run"
        } else {
            "the other images are in the release"
        };
        output::remark(&format!(
            "error: {count} {} not frozen; {done}\n{}",
            if count == 1 {
                "image was"
            } else {
                "images were"
            },
            failed.join("\n")
        ));
    }
    Ok(())
}

/// 4 if something came that was not what it should have been, 2 if the command line or files that people write are at fault
/// for all of it, else 1.
pub fn exit_code(failures: &[Failure]) -> ExitCode {
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else if failures
        .iter()
        .any(|failure| failure.error.is_verification())
    {
        ExitCode::from(report::DAMAGED)
    } else if failures.iter().all(|failure| failure.error.is_usage()) {
        ExitCode::from(report::USAGE)
    } else {
        ExitCode::from(report::FAILED)
    }
}
