//! `push`: frozen images into a registry.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use crate::progress::Progress;
use crate::pushing::{
    Amount, Destination, Error, Image, Names, Prefix, Pushed, Pushing, TagState, Target,
};
use crate::release::{Access as Open, megabytes};
use crate::source::Location;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::Serialize;

use super::access::Access;
use super::freezing::Failed;
use super::named_images::{Problems, location};
use super::{interrupt, open, update};
use crate::global::Global;
use crate::{output, report};

/// `push`.
#[derive(Debug, Args)]
pub struct Push {
    /// Images, as `list` shows them, or `docker-archive:FILE[:NAME:TAG]`, `oci:DIRECTORY[:NAME]`; all of the release
    /// when absent. DEST is where this one goes: REGISTRY/REPOSITORY[:TAG][@DIGEST], or REGISTRY[/PATH]/ to keep its name
    #[arg(value_name = "REF[=DEST]", value_parser = item)]
    pub images: Vec<Item>,
    /// Where images without a DEST go, each under its own name
    #[arg(long, value_name = "REGISTRY[/PATH]")]
    pub to: Option<Prefix>,
    /// What is left of an image's name there
    #[arg(long, value_enum, default_value = "short")]
    pub names: Names,
    /// Ask the registry to take blobs from this repository of its own, too, where it has them
    #[arg(long, value_name = "REPOSITORY", value_parser = repository)]
    pub mount_from: Vec<String>,
    /// Push an index as it is, though images that it names are neither here nor in the registry; many registries refuse
    /// that [default: push this platform's manifest in its place]
    #[arg(long)]
    pub incomplete_index: bool,
    /// Send so many blobs at a time
    #[arg(long, value_name = "N", default_value = "4")]
    pub jobs: NonZeroUsize,
    /// Ask the registry and say what would be done; send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How to reach registries.
    #[command(flatten)]
    pub access: Access,
}

/// One image of the command line.
#[derive(Clone, Debug)]
pub struct Item {
    image: Location,
    target: Option<Target>,
}

/// What is said as JSON.
#[derive(Serialize)]
struct Report {
    dry_run: bool,
    images: Vec<Pushed>,
    failed: Vec<Failed>,
}

/// Pushes one image after the other; one that fails stops no other.
pub fn run(global: &Global, arguments: &Push) -> Result<ExitCode> {
    let mut failures = Vec::new();
    let images = images(global, arguments, &mut failures)?;
    let images = places(images, arguments)?;
    let registries: BTreeSet<String> = (images.iter())
        .map(|(_, to)| to.repository.domain().to_owned())
        .collect();
    let client = arguments
        .access
        .client(&registries)
        .context("reaching registries")?;
    let stop = interrupt::watch(client.clone())?;
    let progress = Progress::new();
    let pushing = Pushing {
        jobs: arguments.jobs.get(),
        mount_from: &arguments.mount_from,
        incomplete_index: arguments.incomplete_index,
        dry_run: arguments.dry_run,
        ..Pushing::new(&client, &progress, &stop)
    };
    let mut done = Vec::new();
    for (image, to) in &images {
        match pushing.push(image, to) {
            Ok(pushed) => done.push(pushed),
            Err(error) if error.is_interruption() || stop.load(Ordering::Relaxed) => {
                return Ok(ExitCode::from(interrupt::CODE));
            }
            Err(error) => failures.push((format!("{} to {to}", image.name), error)),
        }
    }
    tell(global, arguments.dry_run, done, &failures)?;
    Ok(exit_code(&failures))
}

/// An image with what is said of its place.
type Asked<'a> = (Image, Option<&'a Target>);

/// The images that are meant; what cannot be read is a failure of its own.
fn images<'a>(
    global: &Global,
    arguments: &'a Push,
    failures: &mut Vec<(String, Error)>,
) -> Result<Vec<Asked<'a>>> {
    let needs_release = arguments.images.is_empty()
        || (arguments.images.iter()).any(|item| matches!(item.image, Location::Registry(_)));
    let release = needs_release
        .then(|| open(global, Open::Read))
        .transpose()?;
    let mut images = Vec::new();
    let mut add = |name: String, image: Result<Image, Error>, target| match image {
        Ok(image) => images.push((image, target)),
        Err(error) => failures.push((name, error)),
    };
    for item in &arguments.images {
        let target = item.target.as_ref();
        let name = item.image.to_string();
        match (&item.image, &release) {
            (Location::Registry(reference), Some(release)) => {
                for locked in update::chosen(release, std::slice::from_ref(reference))? {
                    add(name.clone(), Image::frozen(release, locked), target);
                }
            }
            (location, _) => {
                // Where it is called by its destination, it needs no name of its own.
                let named = target.and_then(Target::name);
                add(name, Image::elsewhere(location, named), target);
            }
        }
    }
    if let Some(release) = release.filter(|_| arguments.images.is_empty()) {
        for locked in release.lock().images() {
            let name = locked.reference.familiar();
            add(name, Image::frozen(&release, locked), None);
        }
        if images.is_empty() && failures.is_empty() {
            bail!(
                "the release has no frozen images, and none are named: freeze some with `image-packager freeze`, or name a layout (oci:DIRECTORY) or a tarball (docker-archive:FILE)"
            );
        }
    }
    Ok(images)
}

/// Where each goes: all that is wrong with that is told before anything is sent.
fn places(images: Vec<Asked<'_>>, arguments: &Push) -> Result<Vec<(Image, Destination)>, Problems> {
    let mut problems = Vec::new();
    let mut places: Vec<(Image, Destination)> = Vec::new();
    for (image, target) in images {
        let place = match (target, &arguments.to) {
            (Some(target), _) => target.place(&image.reference, arguments.names),
            (None, Some(prefix)) => prefix.place(&image.reference, arguments.names),
            (None, None) => Err(format!(
                "nothing says where {0} goes: write `{0}=REGISTRY/REPOSITORY:TAG`, or name a registry for all images with --to",
                image.name
            )),
        };
        match place {
            Ok(place) => {
                let same = |(_, other): &&(Image, Destination)| {
                    place.tag.is_some() && other.to_string() == place.to_string()
                };
                if let Some((other, _)) = places.iter().find(same) {
                    problems.push(format!(
                        "{} and {} would both be {place}: give one another place with IMAGE=DESTINATION, or keep more of their names with --names",
                        other.name, image.name
                    ));
                }
                places.push((image, place));
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(places)
    } else {
        Err(Problems(problems))
    }
}

fn tell(
    global: &Global,
    dry_run: bool,
    images: Vec<Pushed>,
    failures: &[(String, Error)],
) -> Result<()> {
    for image in &images {
        if let Some(index) = image.left_out_index {
            output::remark(&format!(
                "note: {} is the manifest for one platform: the index {index} names images for others, which are neither here nor there",
                image.destination
            ));
        }
    }
    let failed: Vec<Failed> = failures
        .iter()
        .map(|(image, error)| Failed::of(image, error, error.hint()))
        .collect();
    if !failed.is_empty() {
        let lines: Vec<String> = failed.iter().map(Failed::lines).collect();
        let count = failed.len();
        let were = if count == 1 {
            "image was"
        } else {
            "images were"
        };
        output::remark(&format!(
            "error: {count} {were} not pushed\n{}",
            lines.join("\n")
        ));
    }
    if global.is_json() {
        return output::json(&Report {
            dry_run,
            images,
            failed,
        });
    }
    let mut text: String = images
        .iter()
        .map(|image| describe(image, dry_run))
        .collect();
    if dry_run {
        text.push_str("this was a dry run: nothing was sent\n");
    }
    output::text(&text)
}

fn describe(image: &Pushed, dry_run: bool) -> String {
    let verb = match (image.tag, dry_run) {
        (TagState::Unchanged, _) => "unchanged",
        (_, true) => "would push",
        _ => "pushed",
    };
    let mut text = format!(
        "{verb} {} to {}@{}\n",
        image.reference, image.destination, image.digest
    );
    let amount = |Amount { blobs, bytes }: Amount| {
        let word = if blobs == 1 { "blob" } else { "blobs" };
        format!("{blobs} {word}, {}", megabytes(bytes))
    };
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "  sent: {}; mounted: {}; there already: {}",
        amount(image.pushed),
        amount(image.mounted),
        amount(image.skipped)
    );
    text
}

/// As for `freeze`: 4 for damage, 2 if the command line or files that people write are at fault for all, else 1.
fn exit_code(failures: &[(String, Error)]) -> ExitCode {
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else if failures.iter().any(|(_, error)| error.is_verification()) {
        ExitCode::from(report::DAMAGED)
    } else if failures.iter().all(|(_, error)| error.is_usage()) {
        ExitCode::from(report::USAGE)
    } else {
        ExitCode::from(report::FAILED)
    }
}

/// No reference has an equals sign.
fn item(text: &str) -> Result<Item, String> {
    let (image, target) = match text.rsplit_once('=') {
        Some((image, target)) => (image, Some(target.parse()?)),
        None => (text, None),
    };
    Ok(Item {
        image: location(image)?,
        target,
    })
}

/// A repository of the destination's registry, without that.
fn repository(text: &str) -> Result<String, String> {
    let whole = format!("registry.invalid/{text}");
    match whole.parse::<image_archive::Reference>() {
        Ok(parsed) if parsed.path() == text => Ok(text.to_owned()),
        _ => Err("write it without registry and tag: `mirror/redis`".to_owned()),
    }
}
