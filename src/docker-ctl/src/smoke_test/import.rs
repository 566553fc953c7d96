//! An image that is made on the spot gets into the engine, whole.

use std::io::Cursor;

use anyhow::{Context, bail};
use serde_json::json;

use super::Seen;
use super::bench::{Bench, IMAGE, LABEL};
use super::self_image;

pub const NAME: &str = "import";

/// Loads it, and compares what the engine then says with what was sent.
pub fn check(bench: &Bench) -> anyhow::Result<Seen> {
    let image = self_image::make(IMAGE, LABEL).context("making an image of this program")?;
    if bench.engine.inspect_image(IMAGE)?.is_some() {
        bail!("{IMAGE} is there before it is imported, and is not the smoke test's own");
    }
    let size = image.archive.len();
    bench.engine.load(Cursor::new(image.archive))?;
    let found = bench
        .engine
        .inspect_image(IMAGE)?
        .with_context(|| format!("the engine took {IMAGE} and does not know it"))?;
    if found.root_fs.layers != [image.diff_id.as_str()] {
        bail!(
            "the engine has other layers for {IMAGE} than were sent: {}",
            found.root_fs.layers.join(", ")
        );
    }
    let more = json!({"HostConfig": {"NetworkMode": "none"}});
    bench
        .run("import", &["say", "it runs", ""], &more)
        .context("running the image that was imported")?;
    Ok(Seen::Proved(format!(
        "an image of {} KiB made on the spot runs; the engine knows it as {}",
        size >> 10,
        short(&found.id)
    )))
}

/// Enough of a digest to find it again.
fn short(digest: &str) -> &str {
    digest.get(..19).unwrap_or(digest)
}
