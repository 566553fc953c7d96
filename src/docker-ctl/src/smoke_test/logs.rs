//! What a container prints comes back.

use anyhow::bail;
use serde_json::json;

use super::Seen;
use super::bench::Bench;

/// Both streams.
pub fn check(bench: &Bench) -> anyhow::Result<Seen> {
    let more = json!({"HostConfig": {"NetworkMode": "none"}});
    let mut lines = bench.run("speaker", &["say", "to stdout", "to stderr"], &more)?;
    // Two streams have no common order.
    lines.sort();
    if lines != ["to stderr", "to stdout"] {
        bail!("a container's output comes back as {lines:?}");
    }
    Ok(Seen::Proved(
        "what a container prints on stdout and stderr comes back".to_owned(),
    ))
}
