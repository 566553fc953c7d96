//! `retention`: a line for each tag and manifest that stays or goes, with the reason.

use std::fmt::Write as _;

use anyhow::Context as _;
use bosh_job::one_line;
use clap::Args;
use serde::Deserialize;

use super::upkeep::Collected;
use super::{print, print_document};

/// How it is asked for.
#[derive(Args, Debug)]
pub struct Retention {
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
    /// Leave manifests without a tag that were pushed or pulled within this time: a push may be about to refer to them
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    grace: u64,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Answer {
    has_rules: bool,
    verdicts: Vec<Line>,
    tags: u64,
    manifests: u64,
    untouched: u64,
    collected: Option<Collected>,
}

#[derive(Deserialize)]
struct Line {
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
    action: String,
    reason: String,
}

impl Retention {
    /// What to ask of the registry.
    pub fn question(&self) -> String {
        let flag = if self.dry_run { "&dry-run" } else { "" };
        format!("/retention?grace={}{flag}", self.grace)
    }

    /// Prints the registry's answer.
    pub fn tell(&self, answer: &[u8]) -> anyhow::Result<()> {
        if self.json {
            return print_document(answer);
        }
        let answer: Answer =
            serde_json::from_slice(answer).context("reading the registry's answer")?;
        print(self.text(&answer).as_bytes())
    }

    fn text(&self, answer: &Answer) -> String {
        let mut text = String::new();
        for line in &answer.verdicts {
            let name = match (&line.tag, &line.digest) {
                (Some(tag), _) => format!("{}:{tag}", line.repository),
                (None, digest) => {
                    format!("{}@{}", line.repository, digest.as_deref().unwrap_or("-"))
                }
            };
            let (action, reason) = (&line.action, one_line(&line.reason));
            let _ = writeln!(text, "{action:6}  {name}: {reason}");
        }
        if !answer.has_rules {
            text.push_str("property `retention` has no rules: nothing is removed\n");
        }
        let verb = if self.dry_run {
            "would remove"
        } else {
            "removed"
        };
        let (tags, manifests) = (answer.tags, answer.manifests);
        let _ = writeln!(
            text,
            "{verb} {tags} tags and {manifests} manifests; {} repositories have no rule",
            answer.untouched
        );
        if let Some(collected) = &answer.collected {
            text.push_str(&collected.text("freed"));
        }
        text
    }
}
