//! Conversions that are still to be made, beside the serving.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use image_archive::Layouts;
use import_lists::Entry;

use super::Frozen;
use super::contents::open_layout;
use super::conversion::Conversions;

/// Tarballs that have to be converted before they are served.
#[derive(Debug)]
pub struct Unconverted {
    pub(super) frozen: Frozen,
    pub(super) conversions: Conversions,
    /// Each with its place among all lists.
    pub(super) entries: Vec<(usize, Entry)>,
    pub(super) layouts: Layouts,
    /// Conversions that are needed; none if that is not known for sure.
    pub(super) needed: Option<BTreeSet<PathBuf>>,
}

impl Unconverted {
    /// Converts and serves them, one after the other, and then removes conversions of tarballs that no job lists any more.
    pub fn convert(self) {
        let mut needed = self.needed;
        for (order, entry) in &self.entries {
            let began = Instant::now();
            let path = entry.path.display();
            tracing::info!(%path, "converting a frozen tarball");
            let (frozen, mut referrers) = (&self.frozen, Vec::new());
            let conversion = self
                .conversions
                .convert(&entry.path)
                .and_then(|conversion| {
                    let layout = open_layout(&conversion.layout, &self.layouts)?;
                    Ok((layout, conversion))
                });
            match conversion {
                Ok((Some(layout), conversion)) => {
                    for why in &conversion.problems {
                        frozen.refuse(entry, why);
                    }
                    frozen.add(&layout, *order, entry, &mut referrers);
                    frozen.add_referrers(referrers);
                    let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                    tracing::info!(%path, elapsed_ms, "a frozen tarball is converted, and served");
                }
                Ok((None, _)) => frozen.refuse(entry, "its conversion is no layout"),
                Err(error) => frozen.refuse(entry, &format!("converting it failed: {error:#}")),
            }
            match (self.conversions.place(&entry.path), needed.as_mut()) {
                (Ok(place), Some(needed)) => drop(needed.insert(place)),
                _ => needed = None,
            }
        }
        let Some(needed) = needed else {
            return;
        };
        match self.conversions.remove_others(&needed) {
            Ok(removed) if removed.is_empty() => {}
            Ok(removed) => tracing::info!(
                conversions = removed.len(),
                "conversions of frozen tarballs that no job lists any more are removed"
            ),
            Err(error) => {
                tracing::warn!(why = %error, "conversions that nobody needs stay on the disk");
            }
        }
    }
}
