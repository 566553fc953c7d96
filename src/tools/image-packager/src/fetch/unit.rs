//! A piece of work for one thread: a layer, or the layers of one tarball.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use image_archive::Digest;

use super::{Error, Fetcher, Image, Key, Known, Stored, recompress};
use crate::source::{Fetch, Layer, Origin};
use crate::unpack;

/// Layers that are fetched together.
pub(super) struct Unit<'a> {
    origin: &'a Origin,
    recompress: bool,
    layers: Vec<Claimed<'a>>,
}

/// A layer, and what the configs of all images that have it say that it unpacks to.
struct Claimed<'a> {
    layer: &'a Layer,
    diff_ids: BTreeSet<Digest>,
}

/// Each layer once, over all images.
pub(super) fn units(images: &[Image]) -> Vec<Unit<'_>> {
    let mut units: Vec<Unit<'_>> = Vec::new();
    let mut places: BTreeMap<Key, (usize, usize)> = BTreeMap::new();
    for image in images {
        let (origin, recompress) = (&image.found.origin, image.recompress);
        let mut own = None;
        for layer in &image.found.described.layers {
            let key = (layer.descriptor.digest, recompress);
            if let Some((unit, place)) = places.get(&key) {
                units[*unit].layers[*place].diff_ids.insert(layer.diff_id);
                continue;
            }
            let shared = own.filter(|_| origin.is_sequential());
            let unit = shared.unwrap_or_else(|| {
                units.push(Unit {
                    origin,
                    recompress,
                    layers: Vec::new(),
                });
                units.len() - 1
            });
            own = Some(unit);
            places.insert(key, (unit, units[unit].layers.len()));
            units[unit].layers.push(Claimed {
                layer,
                diff_ids: BTreeSet::from([layer.diff_id]),
            });
        }
    }
    units
}

type Done = Result<Stored, Arc<Error>>;

impl Unit<'_> {
    pub(super) fn size(&self) -> u64 {
        self.layers
            .iter()
            .map(|claimed| claimed.layer.descriptor.size)
            .sum()
    }

    /// Brings the layers into the release.
    pub(super) fn run(&self, fetcher: &Fetcher<'_>, known: &Known) -> Vec<(Key, Done)> {
        let mut done = Vec::new();
        let mut missing = Vec::new();
        for claimed in &self.layers {
            match self.find(claimed, fetcher, known) {
                Ok(Some(stored)) => done.push((self.key(claimed.layer), Ok(stored))),
                Ok(None) => missing.push(claimed),
                Err(error) => done.push((self.key(claimed.layer), Err(Arc::new(error)))),
            }
        }
        match self.fetch(&missing, fetcher) {
            Ok(parts) => {
                for (claimed, part) in missing.into_iter().zip(parts) {
                    let kept = self.keep(claimed, &part, fetcher).map_err(Arc::new);
                    done.push((self.key(claimed.layer), kept));
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                done.extend(
                    missing
                        .iter()
                        .map(|claimed| (self.key(claimed.layer), Err(error.clone()))),
                );
            }
        }
        done
    }

    fn key(&self, layer: &Layer) -> Key {
        (layer.descriptor.digest, self.recompress)
    }

    /// The layer, if the release has it.
    fn find(
        &self,
        claimed: &Claimed<'_>,
        fetcher: &Fetcher<'_>,
        known: &Known,
    ) -> Result<Option<Stored>, Error> {
        fetcher.check_stop()?;
        let layer = claimed.layer;
        if self.recompress && !recompress::is_zstd(&layer.descriptor) {
            let there = known
                .zstd(&layer.diff_id)
                .filter(|there| fetcher.release.has_layer(&there.digest, there.size));
            return Ok(there.map(|there| Stored {
                descriptor: there.clone(),
                diff_id: layer.diff_id,
            }));
        }
        let digest = &layer.descriptor.digest;
        if !fetcher.release.has_layer(digest, layer.descriptor.size) {
            return Ok(None);
        }
        let diff_id = match known.diff_id(digest) {
            Some(diff_id) => diff_id,
            None => unpack::diff_id(
                &fetcher.release.layer_path(digest),
                &layer.descriptor,
                fetcher.stop,
            )?,
        };
        Ok(Some(Stored {
            descriptor: layer.descriptor.clone(),
            diff_id,
        }))
    }

    /// Fetches what is missing into part files.
    fn fetch(
        &self,
        missing: &[&Claimed<'_>],
        fetcher: &Fetcher<'_>,
    ) -> Result<Vec<PathBuf>, Error> {
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        fetcher.check_stop()?;
        let parts = (missing.iter())
            .map(|claimed| fetcher.release.part_path(&claimed.layer.descriptor.digest))
            .collect::<Result<Vec<_>, _>>()?;
        let wanted: Vec<Fetch<'_>> = (missing.iter().zip(&parts))
            .map(|(claimed, part)| Fetch {
                layer: claimed.layer,
                part,
            })
            .collect();
        let bars: BTreeMap<Digest, _> = (missing.iter())
            .map(|claimed| &claimed.layer.descriptor)
            .map(|descriptor| (descriptor.digest, fetcher.progress.layer(descriptor)))
            .collect();
        let progress = |layer: &Layer, bytes| {
            if let Some(bar) = bars.get(&layer.descriptor.digest) {
                bar.set(bytes);
            }
        };
        self.origin.fetch(&wanted, &progress, fetcher.stop)?;
        for bar in bars.into_values() {
            bar.done();
        }
        Ok(parts)
    }

    /// Takes a fetched layer into the release if it unpacks to what one of the images expects.
    fn keep(
        &self,
        claimed: &Claimed<'_>,
        part: &PathBuf,
        fetcher: &Fetcher<'_>,
    ) -> Result<Stored, Error> {
        let descriptor = &claimed.layer.descriptor;
        if self.recompress && !recompress::is_zstd(descriptor) {
            return recompress::keep(claimed.layer, part, fetcher);
        }
        let diff_id = unpack::diff_id(part, descriptor, fetcher.stop)?;
        if claimed.diff_ids.contains(&diff_id) {
            fetcher.release.keep_checked_layer(part, descriptor)?;
        } else {
            // No image can use it. If it stays all the same, the next run writes over it.
            let _ = std::fs::remove_file(part);
        }
        Ok(Stored {
            descriptor: descriptor.clone(),
            diff_id,
        })
    }
}
