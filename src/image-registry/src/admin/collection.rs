//! `collect-garbage`: the store is freed of what no repository has any more.

use serde_json::json;

use super::{Answer, Context, blocking, done, failed, seconds, value};

/// Collects, or says what it would be.
pub async fn answer(context: &Context, query: Option<&str>) -> Answer {
    let grace = match seconds(query, "grace") {
        Ok(grace) => grace,
        Err(answer) => return answer,
    };
    let is_trial = value(query, "dry-run").is_some();
    let storage = context.storage.clone();
    let collected = blocking(move || storage.collect(grace, is_trial)).await;
    if !is_trial {
        context.metrics.collected(collected.as_ref().ok());
    }
    match collected {
        Ok(collected) => {
            let (links, blobs, bytes) = (collected.links, collected.blobs, collected.bytes);
            tracing::info!(links, blobs, bytes, is_trial, "collected");
            done(&json!({"links": links, "blobs": blobs, "bytes": bytes}))
        }
        Err(error) => failed("the collection", &error),
    }
}
