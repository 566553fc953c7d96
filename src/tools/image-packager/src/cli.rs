//! Command line.

use std::path::PathBuf;

use crate::commands::freeze::Freeze;
use crate::commands::outdated::Outdated;
use crate::commands::push::Push;
use crate::commands::update::Update;
use crate::global::Global;
use crate::release::ExportFormat;
use clap::{Args, Parser, Subcommand};
use image_archive::Reference;

/// Freezes container images into a BOSH release, without a Docker daemon.
#[derive(Debug, Parser)]
#[command(name = "image-packager", version, max_term_width = 100)]
pub struct Cli {
    /// Flags that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a release for images
    New(New),
    /// Freeze images: resolve them to digests, fetch them, and put them into the release
    Freeze(Box<Freeze>),
    /// Say which frozen images have moved on in their registries; nothing is changed
    Outdated(Outdated),
    /// Freeze images again with the digests that their tags have now
    Update(Update),
    /// List the frozen images
    List,
    /// Check that blobs, lock, packages and jobs agree, and every digest
    Verify,
    /// Take images out of the release, with the packages and blobs that no other image needs
    Remove(Remove),
    /// Write a frozen image for other tools
    Export(Export),
    /// Put frozen images into a registry, without what it has already
    Push(Box<Push>),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// `new`.
#[derive(Debug, Args)]
pub struct New {
    /// The release's name, and that of its directory, which is made where you are or in --dir
    pub name: String,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `remove`.
#[derive(Debug, Args)]
pub struct Remove {
    /// Images, as `list` shows them
    #[arg(required = true, value_name = "REF")]
    pub references: Vec<Reference>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The image, as `list` shows it
    #[arg(value_name = "REF")]
    pub reference: Reference,
    /// What to write
    #[arg(long, value_enum, default_value = "docker-archive")]
    pub format: ExportFormat,
    /// The file or directory to make; `-` writes a docker-archive to standard output
    #[arg(long, value_name = "FILE|DIR")]
    pub output: PathBuf,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}
