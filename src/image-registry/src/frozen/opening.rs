//! The start: opens what the lists name, and reads manifests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Instant;

use bosh_job::Paths;
use image_archive::{InPlace, Layouts, Listed, Platform, Reference};
use import_lists::{Entry, Lists};

use super::Frozen;
use super::contents::{self, Contents, open_layout, told};
use super::conversion::Conversions;
use super::hosts::repository_at;
use super::unconverted::Unconverted;

impl Frozen {
    /// Opens what the jobs below a directory list. Conversions are kept in the store. A list or an image that is broken is told
    /// in the log, and the others are served.
    pub fn open(jobs: &Path, store: &Path) -> (Self, Unconverted) {
        let began = Instant::now();
        let paths = Paths::new(jobs.parent().unwrap_or(jobs));
        let lists = Lists::read(&paths);
        let frozen = Self::default();
        for problem in &lists.problems {
            let report = problem.report();
            let hint = report.hint.as_deref().unwrap_or_default();
            tracing::warn!(why = %report.what, hint, "a list of frozen images is broken");
            frozen.note(report.what);
        }
        let conversions = Conversions::new(store);
        let layouts = Layouts::new(lists.layouts());
        let (mut left, mut needed) = (Vec::new(), BTreeSet::new());
        let mut referrers = Vec::new();
        for (order, entry) in lists.entries.into_iter().enumerate() {
            let opened = open_entry(&conversions, &layouts, &entry, &mut needed);
            match opened {
                Ok(Some((layout, problems))) => {
                    for why in problems {
                        frozen.refuse(&entry, &why);
                    }
                    frozen.add(&layout, order, &entry, &mut referrers);
                }
                Ok(None) => left.push((order, entry)),
                Err(why) => frozen.refuse(&entry, &why),
            }
        }
        frozen.add_referrers(referrers);
        let repositories = frozen.state().index.repositories().count();
        let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let to_convert = left.len();
        tracing::info!(repositories, to_convert, elapsed_ms, "frozen images opened");
        let unconverted = Unconverted {
            frozen: frozen.clone(),
            conversions,
            entries: left,
            layouts,
            needed: lists.problems.is_empty().then_some(needed),
        };
        (frozen, unconverted)
    }

    /// Adds the images of a layout.
    pub(super) fn add(
        &self,
        layout: &InPlace,
        order: usize,
        entry: &Entry,
        referrers: &mut Vec<Contents>,
    ) {
        let listed = match layout.listed(&Platform::host()) {
            Ok(listed) => listed,
            Err(error) => return self.refuse(entry, &told(&error)),
        };
        for image in listed {
            let added = match image {
                Ok(image) => self.add_image(layout, order, entry, &image, referrers),
                Err(error) => Err(told(&error)),
            };
            if let Err(why) = added {
                self.refuse(entry, &why);
            }
        }
    }

    fn add_image(
        &self,
        layout: &InPlace,
        order: usize,
        entry: &Entry,
        image: &Listed,
        referrers: &mut Vec<Contents>,
    ) -> Result<(), String> {
        let shown = image
            .references
            .first()
            .map_or_else(|| image.descriptor.digest.to_string(), Reference::familiar);
        let contents = contents::read(layout, &image.descriptor)
            .map_err(|why| format!("image {shown}: {why}"))?;
        if image.references.is_empty() {
            let is_referrer = contents
                .manifests
                .first()
                .is_some_and(|first| first.subject.is_some());
            if is_referrer {
                referrers.push(contents);
                return Ok(());
            }
            return Err(format!("image {shown}: it has no name"));
        }
        let Some(target) = contents.manifests.first().map(|first| &first.digest) else {
            return Ok(());
        };
        for reference in &image.references {
            let repository = repository_at(reference.domain(), reference.path())
                .ok_or_else(|| format!("image {shown}: its name can be no repository's here"))?;
            let tag = reference.tag().and_then(|tag| tag.parse().ok());
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            state.changes += 1;
            let images = state.index.add(&repository, &contents, &entry.path);
            let is_taken = tag.is_some_and(|tag| images.tag(tag, order, target));
            drop(state);
            if is_taken {
                let path = entry.path.display();
                tracing::warn!(image = %reference, %path, "two frozen images have this name; the one that the last list names has it");
            }
        }
        Ok(())
    }

    /// Adds signatures and the like, which have no names, to the images that they are about, and then what is about these.
    pub(super) fn add_referrers(&self, mut referrers: Vec<Contents>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.changes += 1;
        loop {
            let before = referrers.len();
            referrers.retain(|contents| {
                let subject = contents
                    .manifests
                    .first()
                    .and_then(|first| first.subject.as_ref());
                subject.is_some_and(|subject| state.index.add_referrer(contents, subject) == 0)
            });
            if referrers.is_empty() || referrers.len() == before {
                return;
            }
        }
    }
}

/// A layout that can be served as it lies, with what is wrong with images that are not in it; nothing if it has to be made first.
fn open_entry(
    conversions: &Conversions,
    layouts: &Layouts,
    entry: &Entry,
    needed: &mut BTreeSet<PathBuf>,
) -> Result<Option<(InPlace, Vec<String>)>, String> {
    if entry.path.is_file() {
        let found = conversions.find(&entry.path);
        if let Some(conversion) = found.map_err(|error| error.to_string())? {
            // one that is damaged is made again
            let layout = open_layout(&conversion.layout, layouts).ok().flatten();
            let layout = layout.filter(|layout| layout.listed(&Platform::host()).is_ok());
            needed.insert(conversion.layout);
            return Ok(layout.map(|layout| (layout, conversion.problems)));
        }
    }
    let layout = open_layout(&entry.path, layouts).map_err(|error| told(&error))?;
    Ok(layout.map(|layout| (layout, Vec::new())))
}
