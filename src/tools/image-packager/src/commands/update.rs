//! `update`: images that are frozen already, as their registries have them now.

use std::process::ExitCode;

use crate::fetch::original;
use crate::freezing::{Request, registry_reference};
use crate::release::{self, Access, LockedImage, Release};
use crate::source::{Location, Wanted};
use anyhow::Result;
use clap::Args;
use image_archive::Reference;

use super::freezing::{self, How};
use super::open;
use crate::global::Global;
use crate::output;

/// `update`.
#[derive(Debug, Args)]
pub struct Update {
    /// Images, as `list` shows them; all when absent
    #[arg(value_name = "REF")]
    pub references: Vec<Reference>,
    /// How.
    #[command(flatten)]
    pub how: How,
}

/// Freezes them again, each the way it was frozen before.
pub fn run(global: &Global, arguments: &Update) -> Result<ExitCode> {
    let access = if arguments.how.dry_run {
        Access::Read
    } else {
        Access::Write
    };
    let release = open(global, access)?;
    let mut requests = Vec::new();
    for locked in chosen(&release, &arguments.references)? {
        match request(locked) {
            Some(request) => requests.push(request),
            None => output::remark(&format!(
                "left as it is: {} came from {}; freeze it again from there",
                locked.reference.familiar(),
                locked.source.as_deref().unwrap_or("elsewhere")
            )),
        }
    }
    freezing::freeze(global, release, &requests, &arguments.how, None, &[])
}

/// The images of the release that are meant.
pub fn chosen<'r>(release: &'r Release, references: &[Reference]) -> Result<Vec<&'r LockedImage>> {
    if references.is_empty() {
        return Ok(release.lock().images().iter().collect());
    }
    (references.iter())
        .map(|reference| {
            let missing = || release::Error::NotFrozen {
                reference: reference.familiar(),
                root: release.root().to_owned(),
            };
            Ok(release.lock().find(reference).ok_or_else(missing)?)
        })
        .collect()
}

/// What was asked for when the image was frozen; nothing if it did not come from a registry.
fn request(locked: &LockedImage) -> Option<Request> {
    let reference = registry_reference(locked)?;
    Some(Request {
        wanted: Wanted {
            named: (reference != locked.reference).then(|| locked.reference.clone()),
            location: Location::Registry(reference),
        },
        platform: locked.platform.clone(),
        recompress: original(locked.source.as_deref()).is_some(),
    })
}
