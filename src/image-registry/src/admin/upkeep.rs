//! `collect-garbage`, `retention` and `scrub`: what is on a schedule, too, at once.

use serde_json::{Value, json};

use super::{Answer, Context, done, failed, seconds, value};
use crate::blocking::blocking;
use crate::storage::Collected;

/// Frees the disk, or says what it would be.
pub async fn collect(context: &Context, query: Option<&str>) -> Answer {
    let grace = match seconds(query, "grace") {
        Ok(grace) => grace,
        Err(answer) => return answer,
    };
    let is_trial = value(query, "dry-run").is_some();
    let upkeep = context.upkeep.clone();
    match blocking(move || upkeep.collect(grace, is_trial)).await {
        Ok(collected) => done(&document(&collected)),
        Err(error) => failed(&error),
    }
}

/// Applies the rules, or says what would go.
pub async fn retain(context: &Context, query: Option<&str>) -> Answer {
    let grace = match seconds(query, "grace") {
        Ok(grace) => grace,
        Err(answer) => return answer,
    };
    let is_trial = value(query, "dry-run").is_some();
    let upkeep = context.upkeep.clone();
    match blocking(move || upkeep.retain(grace, is_trial)).await {
        Ok((report, collected)) => done(&json!({
            "has_rules": context.upkeep.has_rules(),
            "verdicts": report.verdicts,
            "tags": report.tags,
            "manifests": report.manifests,
            "untouched": report.untouched,
            "collected": collected.as_ref().map(document),
        })),
        Err(error) => failed(&error),
    }
}

/// Reads all blobs again.
pub async fn scrub(context: &Context, query: Option<&str>) -> Answer {
    let rate = value(query, "bytes-per-second").and_then(|rate| rate.parse().ok());
    let upkeep = context.upkeep.clone();
    match blocking(move || upkeep.scrub(rate, false)).await {
        Ok(scrubbed) => {
            let names = |digests: &[_]| digests.iter().map(ToString::to_string).collect::<Vec<_>>();
            done(&json!({
                "blobs": scrubbed.blobs,
                "bytes": scrubbed.bytes,
                "damaged": names(&scrubbed.damaged),
                "unreadable": names(&scrubbed.unreadable),
            }))
        }
        Err(error) => failed(&error),
    }
}

fn document(collected: &Collected) -> Value {
    let broken = collected.broken.iter();
    let broken = broken.map(|(repository, digest)| format!("{repository}@{digest}"));
    json!({
        "links": collected.links,
        "blobs": collected.blobs,
        "bytes": collected.bytes,
        "broken": broken.collect::<Vec<_>>(),
    })
}
