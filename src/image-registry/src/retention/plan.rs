//! What a rule says of a repository: for each tag and manifest whether it stays, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::rules::Rule;
use super::span;
use crate::digest::Digest;
use crate::inventory::{Content, Kind, Manifest, TagEntry};
use crate::names::Tag;

/// Whether something stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
}

/// What becomes of a tag or a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The tag; nothing for a manifest.
    pub tag: Option<Tag>,
    /// The manifest, or the one that the tag stands for; nothing for a tag whose file is damaged.
    pub digest: Option<Digest>,
    /// Whether it stays.
    pub action: Action,
    /// Why.
    pub reason: String,
}

/// How a repository is judged.
#[derive(Clone, Copy, Debug)]
pub struct Judging<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// What was pushed or pulled within this time is not yet without a use.
    pub grace: Duration,
    /// The time.
    pub now: SystemTime,
    /// What was pushed or pulled since the run began.
    pub pinned: &'a BTreeSet<Digest>,
}

/// What becomes of each tag, in the order of their names, and then of each manifest.
pub fn plan(content: &Content, judging: Judging<'_>) -> Vec<Verdict> {
    let mut plan = Plan {
        content,
        judging,
        tags: BTreeMap::new(),
        stays: BTreeMap::new(),
    };
    if let Some(broken) = plan.broken() {
        return plan.all_stay(&broken);
    }
    plan.judge_tags();
    plan.judge_manifests();
    plan.verdicts()
}

struct Plan<'a> {
    content: &'a Content,
    judging: Judging<'a>,
    tags: BTreeMap<&'a Tag, (Action, String)>,
    /// The manifests that stay, and why.
    stays: BTreeMap<&'a Digest, String>,
}

impl<'a> Plan<'a> {
    /// What is broken in the repository. What it names is not known, and so not what it needs.
    fn broken(&self) -> Option<String> {
        let listing = &self.content.listing;
        let mut manifests = listing.manifests.values();
        if let Some(manifest) = manifests.find(|it| it.facts.kind == Kind::Broken) {
            return Some(format!("manifest {}", manifest.digest));
        }
        let is_broken = |tag: &&TagEntry| {
            let digest = tag.digest.as_ref();
            !digest.is_some_and(|digest| listing.manifests.contains_key(digest))
        };
        let tag = listing.tags.iter().find(is_broken)?;
        Some(format!("tag {}", tag.tag))
    }

    fn all_stay(&self, broken: &str) -> Vec<Verdict> {
        let reason =
            format!("{broken} of this repository is broken: nothing goes before that is fixed");
        let listing = &self.content.listing;
        let tags = listing.tags.iter();
        let tags = tags.map(|tag| (Some(tag.tag.clone()), tag.digest.clone()));
        let manifests = listing.manifests.keys();
        let all = tags.chain(manifests.map(|digest| (None, Some(digest.clone()))));
        let verdict = |(tag, digest)| Verdict {
            tag,
            digest,
            action: Action::Keep,
            reason: reason.clone(),
        };
        all.map(verdict).collect()
    }

    /// Judges all tags but those that only say what a manifest is about: these follow it.
    fn judge_tags(&mut self) {
        let content = self.content;
        let mut tags: Vec<&TagEntry> = content.listing.tags.iter().collect();
        tags.retain(|tag| self.subject_of(tag).is_none());
        tags.sort_by_key(|tag| std::cmp::Reverse((tag.pushed, &tag.tag)));
        let mut place = 0;
        for tag in tags {
            let verdict = if let Some(pattern) = self.judging.rule.pattern_of(&tag.tag) {
                (Action::Keep, format!("matches {pattern:?}"))
            } else {
                place += 1;
                self.judge_tag(tag, place)
            };
            if verdict.0 == Action::Keep
                && let Some(digest) = &tag.digest
            {
                self.keep(digest, format!("tag {} stands for it", tag.tag));
            }
            self.tags.insert(&tag.tag, verdict);
        }
    }

    fn judge_tag(&self, tag: &TagEntry, place: usize) -> (Action, String) {
        let rule = self.judging.rule;
        let digest = tag.digest.as_ref();
        if digest.is_some_and(|digest| self.judging.pinned.contains(digest)) {
            return (Action::Keep, "pushed or pulled meanwhile".to_owned());
        }
        let mut reasons = Vec::new();
        if let Some(count) = rule.keep_tags {
            if place <= count {
                return (
                    Action::Keep,
                    format!("number {place} of the {count} newest"),
                );
            }
            reasons.push(format!("number {place}, of which {count} stay"));
        }
        let pulled = digest.and_then(|digest| self.content.pulled.get(digest));
        match self.judge_age(tag.pushed, pulled, Duration::ZERO) {
            Ok(why) => (Action::Keep, why),
            Err(why) => {
                reasons.push(why);
                (Action::Remove, reasons.join(", "))
            }
        }
    }

    /// Why something is too young to go, or how old it is.
    fn judge_age(
        &self,
        pushed: SystemTime,
        pulled: Option<&SystemTime>,
        grace: Duration,
    ) -> Result<String, String> {
        let Judging { rule, now, .. } = self.judging;
        let age = |time| now.duration_since(time).unwrap_or_default();
        let shown = |time| span::show(age(time));
        let unused_for = rule.not_pulled_for.unwrap_or_default().max(grace);
        let young = rule.older_than.unwrap_or_default().max(unused_for);
        if age(pushed) < young {
            let (ago, young) = (shown(pushed), span::show(young));
            return Ok(format!("pushed {ago} ago, within {young}"));
        }
        if let Some(pulled) = pulled.copied().filter(|pulled| age(*pulled) < unused_for) {
            let (ago, used) = (shown(pulled), span::show(unused_for));
            return Ok(format!("pulled {ago} ago, within {used}"));
        }
        let pushed = format!("pushed {} ago", shown(pushed));
        Err(match pulled {
            Some(pulled) => format!("{pushed}, pulled {} ago", shown(*pulled)),
            None => format!("{pushed}, never pulled"),
        })
    }

    /// The manifest that a tag of the form `sha256-ABCD…` is about: signatures are tagged so for registries without referrers.
    fn subject_of(&self, tag: &TagEntry) -> Option<&'a Digest> {
        let (algorithm, rest) = tag.tag.as_str().split_once('-')?;
        let hex = rest.split('.').next()?;
        let subject = Digest::from_parts(algorithm, hex)?;
        let manifests = &self.content.listing.manifests;
        manifests.get_key_value(&subject).map(|(digest, _)| digest)
    }

    /// Judges what no tag keeps.
    fn judge_manifests(&mut self) {
        let content = self.content;
        for (digest, manifest) in &content.listing.manifests {
            let pulled = content.pulled.get(digest);
            if self.judging.pinned.contains(digest) {
                self.keep(digest, "pushed or pulled meanwhile".to_owned());
            } else if let Ok(why) = self.judge_age(manifest.pushed, pulled, self.judging.grace) {
                self.keep(digest, why);
            }
        }
        for tag in &content.listing.tags {
            if let Some(digest) = &tag.digest
                && !self.tags.contains_key(&tag.tag)
                && self.stays.contains_key(digest)
            {
                let why = "what it stands for stays".to_owned();
                self.tags.insert(&tag.tag, (Action::Keep, why));
            }
        }
    }

    /// Keeps a manifest, and what it needs and what is about it.
    fn keep(&mut self, digest: &'a Digest, reason: String) {
        let content = self.content;
        let mut ahead = vec![(digest, reason)];
        while let Some((digest, reason)) = ahead.pop() {
            let Some((digest, manifest)) = content.listing.manifests.get_key_value(digest) else {
                continue;
            };
            if self.stays.contains_key(digest) {
                continue;
            }
            self.stays.insert(digest, reason);
            let children = manifest.facts.children.iter();
            ahead.extend(children.map(|child| (child, format!("index {digest} lists it"))));
            let referrers = manifest.referrers.iter();
            ahead.extend(referrers.map(|it| (it, format!("about {digest}, which stays"))));
            for tag in &content.listing.tags {
                if self.subject_of(tag) == Some(digest)
                    && let Some(about) = &tag.digest
                {
                    let reason = format!("about {digest}, which stays");
                    self.tags.insert(&tag.tag, (Action::Keep, reason.clone()));
                    ahead.push((about, reason));
                }
            }
        }
    }

    fn verdicts(mut self) -> Vec<Verdict> {
        let listing = &self.content.listing;
        let mut verdicts = Vec::new();
        for tag in &listing.tags {
            let judged = self.tags.remove(&tag.tag);
            let (action, reason) = judged.unwrap_or_else(|| {
                let reason = "what it is about goes".to_owned();
                (Action::Remove, reason)
            });
            verdicts.push(Verdict {
                tag: Some(tag.tag.clone()),
                digest: tag.digest.clone(),
                action,
                reason,
            });
        }
        for (digest, manifest) in &listing.manifests {
            let kept = self.stays.remove(digest);
            let action = match kept {
                Some(_) => Action::Keep,
                None => Action::Remove,
            };
            verdicts.push(Verdict {
                tag: None,
                digest: Some(digest.clone()),
                action,
                reason: kept.unwrap_or_else(|| self.why_not(manifest)),
            });
        }
        verdicts
    }

    fn why_not(&self, manifest: &Manifest) -> String {
        let pulled = self.content.pulled.get(&manifest.digest);
        let age = self.judge_age(manifest.pushed, pulled, Duration::ZERO);
        let age = age.unwrap_or_else(|why| why);
        let use_ = match &manifest.facts.subject {
            Some(subject) => format!("about {subject}, which does not stay"),
            None => "no tag and no index that stays needs it".to_owned(),
        };
        format!("{use_}, {age}")
    }
}
