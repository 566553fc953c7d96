//! A run of retention: the rules are applied while pushes go on.
//!
//! What stays because of another thing is judged after it: indexes go before what they list, and manifests before what is about them.
//! Where something was pushed meanwhile, the repository is judged again.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::Rules;
use super::plan::{Action, Judging, Verdict, plan};
use super::rules::Rule;
use crate::digest::Digest;
use crate::inventory::{Content, Inventory, Listing};
use crate::names::{Repository, Tag};
use crate::storage::{Storage, Taking};

/// A line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    repository: String,
    /// Of a tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    digest: Option<String>,
    action: Action,
    reason: String,
}

/// What a run did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Each tag and manifest of the repositories that a rule is for.
    pub verdicts: Vec<Line>,
    /// Tags that went.
    pub tags: u64,
    /// Manifests that went.
    pub manifests: u64,
    /// Repositories that no rule is for.
    pub untouched: u64,
}

/// Applies the rules. With `is_trial` it only says what would go. `grace` is how long what was pushed or pulled is not without use,
/// though nothing needs it: a push may be about to refer to it.
///
/// # Errors
/// The disk refuses; or a collection, or retention, runs already.
pub fn run(
    storage: &Storage,
    inventory: &Inventory,
    rules: &Rules,
    grace: Duration,
    is_trial: bool,
) -> io::Result<Report> {
    let mut report = Report::default();
    // before anything is looked at: what is pushed after that is noted
    let taking = (!is_trial).then(|| storage.begin_taking()).transpose()?;
    for repository in storage.repositories()? {
        let Some(rule) = rules.of(&repository) else {
            report.untouched += 1;
            continue;
        };
        let run = Run {
            inventory,
            rule,
            grace,
            taking: taking.as_ref(),
        };
        run.repository(&repository, &mut report)?;
    }
    Ok(report)
}

struct Run<'a> {
    inventory: &'a Inventory,
    rule: &'a Rule,
    grace: Duration,
    /// Nothing in a trial.
    taking: Option<&'a Taking>,
}

impl Run<'_> {
    fn repository(&self, repository: &Repository, report: &mut Report) -> io::Result<()> {
        let mut pinned = BTreeSet::new();
        let mut gone: Vec<Verdict> = Vec::new();
        let stays = loop {
            let Some(content) = self.inventory.of(repository)? else {
                break Vec::new();
            };
            let judging = Judging {
                rule: self.rule,
                grace: self.grace,
                now: SystemTime::now(),
                pinned: &pinned,
            };
            let verdicts = plan(&content, judging);
            let (mut goes, stays): (Vec<_>, Vec<_>) = verdicts
                .into_iter()
                .partition(|verdict| verdict.action == Action::Remove);
            order(&mut goes, &content.listing);
            let Some(refused) = self.remove(repository, &content, goes, &mut gone)? else {
                break stays;
            };
            pinned.insert(refused);
        };
        for verdict in gone.iter().chain(&stays) {
            let (tags, manifests) = (&mut report.tags, &mut report.manifests);
            let counter = if verdict.tag.is_some() {
                tags
            } else {
                manifests
            };
            *counter += u64::from(verdict.action == Action::Remove);
        }
        let line = |verdict: Verdict| Line {
            repository: repository.to_string(),
            tag: verdict.tag.map(|tag| tag.to_string()),
            digest: verdict.digest.map(|digest| digest.to_string()),
            action: verdict.action,
            reason: verdict.reason,
        };
        let all = gone.into_iter().chain(stays);
        report.verdicts.extend(all.map(line));
        Ok(())
    }

    /// Removes what goes, up to the first that was pushed meanwhile.
    fn remove(
        &self,
        repository: &Repository,
        content: &Content,
        goes: Vec<Verdict>,
        gone: &mut Vec<Verdict>,
    ) -> io::Result<Option<Digest>> {
        for verdict in goes {
            let Some(digest) = verdict.digest.clone() else {
                continue;
            };
            let is_gone = match (self.taking, &verdict.tag) {
                (None, _) => true,
                (Some(taking), Some(tag)) => taking.remove_tag(repository, tag, &digest)?,
                (Some(taking), None) => {
                    let pulled = content.pulled.get(&digest).copied();
                    taking.remove_manifest(repository, &digest, pulled)?
                }
            };
            if !is_gone {
                return Ok(Some(digest));
            }
            let (tag, reason) = (&verdict.tag, &verdict.reason);
            if self.taking.is_some() {
                let tag = tag.as_ref().map(Tag::as_str);
                tracing::info!(%repository, tag, %digest, reason, "removed by retention");
            }
            gone.push(verdict);
        }
        Ok(None)
    }
}

/// Tags first; then each manifest before those that it keeps.
fn order(goes: &mut [Verdict], listing: &Listing) {
    let mut ordered: Vec<&Digest> = Vec::new();
    let mut seen = BTreeSet::new();
    for start in listing.manifests.keys() {
        // depth first: what a manifest keeps is entered before it
        let mut ahead = vec![(start, false)];
        while let Some((digest, is_left)) = ahead.pop() {
            let Some(manifest) = listing.manifests.get(digest) else {
                continue;
            };
            if is_left {
                ordered.push(digest);
            } else if seen.insert(digest) {
                ahead.push((digest, true));
                let kept = manifest.facts.children.iter().chain(&manifest.referrers);
                ahead.extend(kept.map(|digest| (digest, false)));
            }
        }
    }
    let places: std::collections::BTreeMap<&Digest, usize> =
        ordered.into_iter().rev().zip(0..).collect();
    goes.sort_by_key(|verdict| {
        let place = verdict
            .digest
            .as_ref()
            .and_then(|digest| places.get(digest));
        (verdict.tag.is_none(), place.copied())
    });
}
