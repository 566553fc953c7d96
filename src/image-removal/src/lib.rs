//! The removal of old images: by their names, and never by force, so that the engine refuses what it knows better.

use std::collections::{BTreeMap, BTreeSet};

use docker_engine::{Engine, Filters, Image, Result};
use image_archive::Reference;

use state_files::{Brought, ImageLedger};

/// What a removal came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Images that are gone, or have lost the names that the release gave them.
    pub images: usize,
    /// Bytes of layers that are gone with them; nothing if the engine does not tell (API before 1.42).
    pub bytes: Option<u64>,
    /// Images that should have gone and did not.
    pub failed: usize,
}

/// Removes the images that no deploy uses any more, except those that a container uses, of whatever project, running
/// or not. What cannot be removed is logged, and tried again the next time.
///
/// # Errors
/// The engine does not answer.
pub fn remove_old(ledger: &mut ImageLedger, engine: &Engine) -> Result<Removed> {
    let mut removed = Removed::default();
    let store = engine.info()?.image_store();
    let old = ledger.old(store);
    if old.is_empty() {
        return Ok(removed);
    }
    let containers = engine.containers(&Filters::all())?;
    let users: BTreeMap<&str, &str> = containers
        .iter()
        .map(|container| (container.image_id.as_str(), container.name()))
        .collect();
    let mut size = engine.layers_size()?;
    removed.bytes = size.map(|_| 0);
    for (id, brought) in old {
        let names = brought.names.iter().cloned().collect::<Vec<_>>().join(",");
        if let Some(container) = users.get(id.as_str()) {
            tracing::info!(
                image = id,
                names,
                container,
                "old image stays: a container uses it"
            );
            continue;
        }
        match remove(engine, &id, &brought) {
            Ok(false) => {}
            Ok(true) => {
                let now = engine.layers_size()?;
                let bytes = size
                    .zip(now)
                    .map(|(before, now)| before.saturating_sub(now));
                size = now;
                removed.images += 1;
                removed.bytes = removed.bytes.zip(bytes).map(|(sum, bytes)| sum + bytes);
                tracing::info!(image = id, names, bytes, "old image removed");
            }
            Err(error) if error.is_engine_trouble() => return Err(error),
            Err(error) => {
                removed.failed += 1;
                tracing::warn!(image = id, names, why = %error, "old image cannot be removed; it is tried again after the next start");
                continue;
            }
        }
        ledger.forget(&id);
        ledger.keep();
    }
    let Removed {
        images,
        bytes,
        failed,
    } = removed;
    if images + failed > 0 {
        tracing::info!(images, bytes, failed, "old images removed");
    }
    Ok(removed)
}

/// Takes away what was brought of an image. Whether there was anything to take away.
fn remove(engine: &Engine, id: &str, brought: &Brought) -> Result<bool> {
    let Some(names) = names_of(engine, id)? else {
        return Ok(false);
    };
    let ours: BTreeSet<Reference> = brought
        .names
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect();
    let repositories: BTreeSet<String> = ours.iter().map(Reference::repository).collect();
    // A name by digest comes with the repository, and stays behind when its tag goes.
    let is_ours = |name: &Reference| {
        ours.contains(name) || (name.tag().is_none() && repositories.contains(&name.repository()))
    };
    let others = names.iter().any(|name| !is_ours(name));
    if !brought.image && !others {
        // It was there before, and would go with its last name.
        return Ok(false);
    }
    let (tags, digests): (Vec<_>, Vec<_>) = names
        .iter()
        .filter(|name| is_ours(name))
        .partition(|name| name.tag().is_some());
    for name in tags.iter().chain(&digests) {
        // The engine takes the names by digest with the last tag of their repository.
        if names_of(engine, id)?.is_some_and(|names| names.contains(name)) {
            engine.remove_image(&name.to_string())?;
        }
    }
    if !others && names_of(engine, id)?.is_some() {
        engine.remove_image(id)?;
    }
    Ok(true)
}

/// The names of an image, if it is there.
fn names_of(engine: &Engine, id: &str) -> Result<Option<Vec<Reference>>> {
    let found = engine.inspect_image(id)?;
    // The containerd store also finds an image by the digest of one of its manifests.
    let found = found.filter(|image| image.id == id);
    Ok(found.map(
        |Image {
             repo_tags,
             repo_digests,
             ..
         }| {
            let names = repo_tags.iter().chain(&repo_digests);
            // `<none>:<none>` is no name.
            names.filter_map(|name| name.parse().ok()).collect()
        },
    ))
}
