//! `collect-garbage`, `scrub` and `upkeep`.

use std::fmt::Write as _;

use anyhow::{Context as _, anyhow};
use bosh_job::{Advise as _, ExitCode};
use clap::Args;
use serde::Deserialize;

use super::print;

/// How `collect-garbage` is asked for.
#[derive(Args, Debug)]
pub struct Collect {
    /// Leave what was pushed or asked for within this time: a push may be about to refer to it
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    grace: u64,
    /// Only say how much it would be
    #[arg(long)]
    dry_run: bool,
}

/// What the registry says of a collection.
#[derive(Deserialize)]
pub struct Collected {
    links: u64,
    blobs: u64,
    bytes: u64,
    broken: Vec<String>,
}

impl Collected {
    /// In words.
    pub fn text(&self, verb: &str) -> String {
        let mut text = String::new();
        for manifest in &self.broken {
            let _ = writeln!(
                text,
                "{manifest} is broken: all blobs of its repository stay; push it again, or delete it"
            );
        }
        let (bytes, blobs, links) = (self.bytes, self.blobs, self.links);
        let _ = writeln!(
            text,
            "{verb} {bytes} bytes: {blobs} blobs that no repository has, after {links} links that no manifest needs"
        );
        text
    }
}

impl Collect {
    /// What to ask of the registry.
    pub fn question(&self) -> String {
        let flag = if self.dry_run { "&dry-run" } else { "" };
        format!("/collect-garbage?grace={}{flag}", self.grace)
    }

    /// Prints the registry's answer.
    pub fn tell(&self, answer: &[u8]) -> anyhow::Result<()> {
        let answer: Collected =
            serde_json::from_slice(answer).context("reading the registry's answer")?;
        let verb = if self.dry_run { "would free" } else { "freed" };
        print(answer.text(verb).as_bytes())
    }
}

/// How `scrub` is asked for.
#[derive(Args, Debug)]
pub struct Scrub {
    /// Read no faster than this; without it, as fast as the disk allows
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    bytes_per_second: Option<u64>,
}

#[derive(Deserialize)]
struct Scrubbed {
    blobs: u64,
    bytes: u64,
    damaged: Vec<String>,
    unreadable: Vec<String>,
}

impl Scrub {
    /// What to ask of the registry.
    pub fn question(&self) -> String {
        match self.bytes_per_second {
            Some(rate) => format!("/scrub?bytes-per-second={rate}"),
            None => "/scrub".to_owned(),
        }
    }

    /// Prints the registry's answer.
    pub fn tell(answer: &[u8]) -> anyhow::Result<()> {
        let answer: Scrubbed =
            serde_json::from_slice(answer).context("reading the registry's answer")?;
        let mut text = String::new();
        for digest in &answer.damaged {
            let _ = writeln!(
                text,
                "blob {digest}: damaged, and set aside below `damaged`"
            );
        }
        for digest in &answer.unreadable {
            let _ = writeln!(text, "blob {digest}: cannot be read");
        }
        let faults = answer.damaged.len() + answer.unreadable.len();
        let (blobs, bytes) = (answer.blobs, answer.bytes);
        let _ = writeln!(text, "{blobs} blobs ({bytes} bytes), {faults} faults");
        print(text.as_bytes())?;
        if faults == 0 {
            return Ok(());
        }
        let hint = if answer.unreadable.is_empty() {
            "push the images again that need these blobs: `image-registry verify` names their repositories"
        } else {
            "the registry's log says why a blob cannot be read: look at the disk first, then at `image-registry verify`"
        };
        Err(anyhow!("the store is damaged"))
            .hint(hint)
            .exits(ExitCode::VerificationFailed)
    }
}

/// Prints what upkeep counted.
pub fn tell_upkeep(answer: &[u8]) -> anyhow::Result<()> {
    super::print_document(answer)
}
