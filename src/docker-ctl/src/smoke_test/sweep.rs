//! Removing everything that a smoke test made, of this run or of one that was killed.

use anyhow::Context;
use docker_engine::{Engine, Filters};

use super::bench::{Bench, LABEL};
use super::{Report, Seen};

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
pub fn before(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let found = sweep(&bench.engine).context("removing what an earlier smoke test left")?;
    if found != Found::default() {
        let text = format!("of an earlier smoke test, removed: {}", found.words());
        report.line("found", "leftover", &text, None)?;
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

fn sweep(engine: &Engine) -> anyhow::Result<Found> {
    let ours = Filters::all().label(LABEL);
    let containers = engine.containers(&ours)?;
    for container in &containers {
        engine.remove_container(&container.id, true)?;
    }
    let networks = engine.networks(&ours)?;
    for network in &networks {
        engine.remove_network(&network.id)?;
    }
    let volumes = engine.volumes(&ours)?;
    for volume in &volumes {
        engine.remove_volume(&volume.name)?;
    }
    let images = engine.images_with(&ours)?;
    for image in &images {
        engine.remove_image_by_force(&image.id)?;
    }
    Ok(Found {
        containers: containers.len(),
        networks: networks.len(),
        volumes: volumes.len(),
        images: images.len(),
    })
}
