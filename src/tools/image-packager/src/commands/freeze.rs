//! `freeze`: images into the release.

use std::process::ExitCode;

use crate::freezing::Request;
use crate::release::{self, Access};
use crate::source::{Wanted, platform};
use anyhow::Result;
use clap::{Args, ValueEnum};
use image_archive::{Platform, Reference};

use super::freezing::{self, How};
use super::named_images::{NamedImages, Problems};
use super::open;
use crate::global::Global;

/// `freeze`.
#[derive(Debug, Args)]
pub struct Freeze {
    /// Which images.
    #[command(flatten)]
    pub images: NamedImages,
    /// The platform: `linux/amd64`, `linux/arm64`, `linux/arm/v7`
    #[arg(long, default_value = "linux/amd64", value_parser = wanted_platform)]
    pub platform: Platform,
    /// What recipes call the image, if that is not what its source calls it; for a single image
    #[arg(long = "as", value_name = "REF")]
    pub named: Option<Reference>,
    /// The name of package and job; for a single image
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Store the layers another way than the registry does: faster to import, but `name@sha256:…` no longer holds
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub recompress: Option<Recompress>,
    /// How.
    #[command(flatten)]
    pub how: How,
}

/// What layers can be recompressed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Recompress {
    /// Zstandard
    Zstd,
}

/// Freezes images, and prints what to do next.
pub fn run(global: &Global, arguments: &Freeze) -> Result<ExitCode> {
    let asked = arguments.images.read()?;
    let count = asked.images.len();
    if arguments.named.is_some() && count > 1 {
        return Err(Problems(vec![format!(
            "--as is for a single image, and there are {count}"
        )])
        .into());
    }
    if arguments.name.is_some() && count > 1 {
        return Err(release::Error::OneNameForMany { count }.into());
    }
    let access = if arguments.how.dry_run {
        Access::Read
    } else {
        Access::Write
    };
    let release = open(global, access)?;
    let requests: Vec<Request> = (asked.images.into_iter())
        .map(|(location, _)| Request {
            wanted: Wanted {
                location,
                named: arguments.named.clone(),
            },
            platform: arguments.platform.clone(),
            recompress: arguments.recompress == Some(Recompress::Zstd),
        })
        .collect();
    freezing::freeze(
        global,
        release,
        &requests,
        &arguments.how,
        arguments.name.clone(),
        &asked.passed_over,
    )
}

fn wanted_platform(text: &str) -> Result<Platform, String> {
    platform::parse(text).map_err(|error| {
        let hint = error.hint().unwrap_or_default();
        format!("{error}; {hint}")
    })
}
