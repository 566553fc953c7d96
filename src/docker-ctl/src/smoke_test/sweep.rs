//! Removing everything that a smoke test made, of this run or of one that was killed.

use anyhow::Context;
use docker_engine::{Engine, Filters};

use super::bench::{Bench, LABEL};
use super::{Seen, print_line};

/// What was there.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    containers: usize,
    networks: usize,
    volumes: usize,
    images: usize,
}

impl Found {
    fn words(&self) -> String {
        let kinds = [
            (self.containers, "container"),
            (self.networks, "network"),
            (self.volumes, "volume"),
            (self.images, "image"),
        ];
        let words: Vec<String> = kinds
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, kind)| format!("{count} {kind}{}", if count == 1 { "" } else { "s" }))
            .collect();
        words.join(", ")
    }
}

/// Removes what an earlier run left, and says so.
pub fn before(bench: &Bench) -> anyhow::Result<()> {
    let found = sweep(&bench.engine).context("removing what an earlier smoke test left")?;
    if found != Found::default() {
        let text = format!("of an earlier smoke test, removed: {}", found.words());
        print_line("found", "leftover", &text, None)?;
    }
    Ok(())
}

/// Removes what this run made, and looks whether it is gone.
pub fn after(bench: &Bench) -> anyhow::Result<Seen> {
    sweep(&bench.engine).context("removing what the smoke test made")?;
    let left = sweep(&bench.engine).context("looking for what is left")?;
    if left != Found::default() {
        anyhow::bail!("still there after it was removed: {}", left.words());
    }
    Ok(Seen::Proved("nothing of the test is left".to_owned()))
}

/// Removes all that can be removed; the first failure is the one to tell of.
fn sweep(engine: &Engine) -> anyhow::Result<Found> {
    let ours = Filters::all().label(LABEL);
    let mut failures = Vec::new();
    let containers = engine.containers(&ours)?;
    for container in &containers {
        failures.extend(engine.remove_container(&container.id, true).err());
    }
    let networks = engine.networks(&ours)?;
    for network in &networks {
        failures.extend(engine.remove_network(&network.id).err());
    }
    let volumes = engine.volumes(&ours)?;
    for volume in &volumes {
        failures.extend(engine.remove_volume(&volume.name).err());
    }
    let images = engine.images_with(&ours)?;
    for image in &images {
        failures.extend(engine.remove_image_by_force(&image.id).err());
    }
    match failures.into_iter().next() {
        Some(failure) => Err(failure.into()),
        None => Ok(Found {
            containers: containers.len(),
            networks: networks.len(),
            volumes: volumes.len(),
            images: images.len(),
        }),
    }
}
