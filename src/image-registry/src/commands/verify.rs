//! `verify`: everything that the registry could give out, read again.

use anyhow::Context as _;
use bosh_job::{Advise as _, ExitCode};

use crate::config::Config;
use crate::frozen::Frozen;
use crate::storage::Storage;

#[expect(clippy::print_stdout, reason = "what `verify` found is its output")]
/// Reads it all. The registry may serve meanwhile.
pub fn verify(config: &Config) -> anyhow::Result<()> {
    let storage = Storage::at(&config.store);
    let verified = storage.verify().context("reading the store")?;
    for fault in &verified.faults {
        println!("{fault}");
    }
    println!(
        "{} blobs ({} bytes), {} manifests, {} tags, {} faults",
        verified.blobs,
        verified.bytes,
        verified.manifests,
        verified.tags,
        verified.faults.len()
    );
    let are_frozen_whole = config.frozen.as_ref().is_none_or(|frozen| {
        let (frozen, _) = Frozen::open(&frozen.jobs, &config.store);
        let verified = frozen.verify();
        for fault in &verified.faults {
            println!("frozen: {fault}");
        }
        println!(
            "frozen images: {} blobs ({} bytes), {} faults",
            verified.blobs,
            verified.bytes,
            verified.faults.len()
        );
        verified.faults.is_empty()
    });
    if !verified.faults.is_empty() {
        return Err(anyhow::anyhow!("the store is damaged"))
            .hint("`image-registry scrub` sets damaged blobs aside; then push the images again that need what is named above: a client pushes only what is not there; or restore the store from a backup")
            .exits(ExitCode::VerificationFailed);
    }
    if are_frozen_whole {
        return Ok(());
    }
    Err(anyhow::anyhow!("frozen images are damaged or missing"))
        .hint("a damaged package comes back with `bosh recreate`; what was frozen wrongly has to be frozen again; a damaged conversion below `frozen` in the store may be removed, and is made again at the next start")
        .exits(ExitCode::VerificationFailed)
}
