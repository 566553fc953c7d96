//! The images that the lists name, opened.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use docker_engine::ImageStore;
use image_archive::{Image, Layouts, Limits, Platform, Reference, Result, Source};

use import_lists::{Entry, Lists};

/// What was found at a line of a list.
pub struct Found<'a> {
    /// The line.
    pub entry: &'a Entry,
    /// An image, or why there is none.
    pub image: Result<Image>,
    /// How long it took to open what is listed.
    pub elapsed: Duration,
}

/// Opens what the lists name, several at once; the order is that of the lists. A layout without images of its own is
/// there for the blobs that it lends.
pub fn open<'a>(
    lists: &'a Lists,
    platform: &Platform,
    indexes: &Path,
    threads: usize,
) -> Vec<Found<'a>> {
    let layouts = Layouts::new(lists.layouts());
    let next = AtomicUsize::new(0);
    let opened = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(lists.entries.len()) {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::SeqCst);
                    let Some(entry) = lists.entries.get(place) else {
                        return;
                    };
                    let began = Instant::now();
                    let images = match Source::open_indexed(
                        &entry.path,
                        &layouts,
                        platform,
                        Limits::DEFAULT,
                        indexes,
                    ) {
                        Ok(source) => (source.into_images().into_iter())
                            .map(|image| image.and_then(|image| image.for_engines()))
                            .collect(),
                        Err(error) => vec![Err(error)],
                    };
                    let mut opened = opened.lock().unwrap_or_else(PoisonError::into_inner);
                    opened.push((place, entry, images, began.elapsed()));
                }
            });
        }
    });
    let mut opened = opened.into_inner().unwrap_or_else(PoisonError::into_inner);
    opened.sort_by_key(|(place, ..)| *place);
    let found = opened.into_iter().flat_map(|(_, entry, images, elapsed)| {
        images.into_iter().map(move |image| Found {
            entry,
            image,
            elapsed,
        })
    });
    found.collect()
}

/// The names that each image is to get, in the order of the images, each with a tag or a digest.
///
/// Two releases may bring different images of one name; as with `docker load` in the order of the lists, the last one
/// gets it; in the containerd store that is also so for two forms of one image, such as a layout and a tarball. Of two pins of one tag (`app:1@sha256:A` and `app:1@sha256:B`) the last gets the tag, and each its digest.
pub fn names<'a>(
    images: impl Iterator<Item = &'a Image>,
    store: ImageStore,
) -> Vec<Vec<Reference>> {
    let images: Vec<&Image> = images.collect();
    let digest = |image: &Image| match store {
        ImageStore::GraphDriver => image.config_digest(),
        // one that has none is refused later
        ImageStore::Containerd => image.target().unwrap_or_else(|_| image.config_digest()),
    };
    let mut owners: HashMap<Reference, (&Image, bool)> = HashMap::new();
    for image in &images {
        for reference in image.references() {
            let is_pin = reference.digest().is_some();
            for name in parts(reference) {
                let before = owners.insert(name, (image, is_pin));
                // A pin that loses its tag is still found by its digest.
                let is_other = |before: &Image| before.config_digest() != image.config_digest();
                if before.is_some_and(|(before, pin)| is_other(before) && !pin) {
                    let path = image.path().display();
                    tracing::warn!(%reference, %path, "several images are listed under this name; the last one gets it");
                }
            }
        }
    }
    let own = |image: &&Image| {
        let mut own = Vec::new();
        for name in image.references().iter().flat_map(parts) {
            let is_own = owners
                .get(&name)
                .is_some_and(|(owner, _)| digest(owner) == digest(image));
            if is_own && !own.contains(&name) {
                own.push(name);
            }
        }
        own
    };
    images.iter().map(own).collect()
}

/// What a reference names: a tag, a digest, or both.
fn parts(reference: &Reference) -> impl Iterator<Item = Reference> {
    [reference.tagged(), reference.digested()]
        .into_iter()
        .flatten()
}
