//! `outdated`: what registries have now for the frozen images.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use crate::fetch;
use crate::freezing::{Failure, original_digest, registry_reference};
use crate::release::{Access as Open, LockedImage};
use crate::source::{Error, registry};
use anyhow::{Context as _, Result};
use clap::Args;
use image_archive::{Digest, Reference};
use registry_client::Client;
use serde::Serialize;

use super::access::Access;
use super::freezing::{Failed, exit_code};
use super::{open, update};
use crate::global::Global;
use crate::output;

/// `outdated`.
#[derive(Debug, Args)]
pub struct Outdated {
    /// Images, as `list` shows them; all when absent
    #[arg(value_name = "REF")]
    pub references: Vec<Reference>,
    /// How to reach registries.
    #[command(flatten)]
    pub access: Access,
}

/// What became of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// The registry has the same.
    Current,
    /// The tag stands for something else now.
    Outdated,
    /// The tag stands for another index, but the image for this platform is the same.
    SameImage,
    /// The registry has no such tag any more.
    Gone,
    /// A reference by digest cannot move.
    Pinned,
    /// It did not come from a registry.
    Elsewhere,
}

#[derive(Serialize)]
struct Row {
    reference: String,
    state: State,
    frozen: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<Digest>,
}

#[derive(Serialize)]
struct Report {
    images: Vec<Row>,
    failed: Vec<Failed>,
}

/// Asks, and changes nothing. That something is outdated is no failure.
pub fn run(global: &Global, arguments: &Outdated) -> Result<ExitCode> {
    let release = open(global, Open::Read)?;
    let images = update::chosen(&release, &arguments.references)?;
    let registries = (images.iter())
        .filter_map(|image| registry_reference(image))
        .map(|reference| reference.domain().to_owned());
    let client = arguments
        .access
        .client(&registries.collect())
        .context("reaching registries")?;
    let mut rows = Vec::new();
    let mut failures = Vec::new();
    for image in images {
        match look(&client, image) {
            Ok(row) => rows.push(row),
            Err(error) => failures.push(Failure {
                image: image.reference.familiar(),
                error: Arc::new(fetch::Error::Source(error)),
            }),
        }
    }
    let failed: Vec<Failed> = failures.iter().map(Failed::new).collect();
    if global.is_json() {
        output::json(&Report {
            images: rows,
            failed,
        })?;
    } else {
        output::text(&describe(&rows))?;
        for failed in failed {
            output::remark(&format!("error: {}", failed.lines().trim_start()));
        }
    }
    Ok(exit_code(&failures))
}

fn look(client: &Client, image: &LockedImage) -> Result<Row, Error> {
    let frozen = original_digest(image);
    let row = |state, now| Row {
        reference: image.reference.familiar(),
        state,
        frozen,
        now,
    };
    let Some(reference) = registry_reference(image) else {
        return Ok(row(State::Elsewhere, None));
    };
    if reference.digest().is_some() {
        return Ok(row(State::Pinned, None));
    }
    let Some(now) = client.head(&reference)? else {
        return Ok(row(State::Gone, None));
    };
    if now == frozen {
        return Ok(row(State::Current, Some(now)));
    }
    // An index moves with each of its platforms. What cannot be found for this one will be told by `update`.
    let same = registry::find(client, &reference, None, &image.platform).is_ok_and(|found| {
        (found.described.documents.last())
            .is_some_and(|(manifest, _)| manifest.digest == image.manifest)
    });
    Ok(row(
        if same {
            State::SameImage
        } else {
            State::Outdated
        },
        Some(now),
    ))
}

fn describe(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let frozen = row.frozen;
        let now = row.now.map(|now| now.to_string()).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = match row.state {
            State::Current => writeln!(text, "current   {}", row.reference),
            State::Outdated => writeln!(
                text,
                "outdated  {}: {frozen} is frozen, the registry has {now}",
                row.reference
            ),
            State::SameImage => writeln!(
                text,
                "current   {}: the registry has the index {now}, with the same image for this platform",
                row.reference
            ),
            State::Gone => writeln!(
                text,
                "gone      {}: the registry has no such tag any more",
                row.reference
            ),
            State::Pinned => writeln!(text, "pinned    {}", row.reference),
            State::Elsewhere => writeln!(
                text,
                "elsewhere {}: it did not come from a registry",
                row.reference
            ),
        };
    }
    let count = rows
        .iter()
        .filter(|row| row.state == State::Outdated)
        .count();
    if count > 0 {
        let _ = writeln!(
            text,
            "{count} of {} outdated: `image-packager update` freezes them again",
            rows.len()
        );
    }
    text
}
