//! What one container writes into a volume another one reads, after the first is gone.

use anyhow::{Context, bail};
use serde_json::json;

use super::Seen;
use super::bench::Bench;

const TEXT: &str = "kept";

/// Writes, removes the container, reads.
pub fn check(bench: &Bench) -> anyhow::Result<Seen> {
    let name = Bench::name("volume");
    bench
        .engine
        .create_volume(&name, &Bench::labels())
        .with_context(|| format!("making volume `{name}`"))?;
    let more = json!({"HostConfig": {"NetworkMode": "none", "Binds": [format!("{name}:/data")]}});
    bench.run("writer", &["write", "/data/file", TEXT], &more)?;
    let read = bench.run("reader", &["read", "/data/file"], &more)?;
    if read != [TEXT] {
        bail!("volume `{name}` gives back {read:?} instead of {TEXT:?}");
    }
    bench.engine.remove_volume(&name)?;
    Ok(Seen::Proved(
        "data in a named volume outlives the container that wrote it".to_owned(),
    ))
}
