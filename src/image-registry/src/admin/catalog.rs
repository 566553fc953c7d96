//! `catalog`: what was pushed, and what releases brought to this VM, as rows.

use serde::Serialize;

use super::{Answer, Context, done, failed};
use crate::blocking::blocking;
use crate::inventory::{Content, RepositoryRow, Row};

#[derive(Serialize)]
struct Catalog<'a> {
    repositories: Vec<RepositoryRow<'a>>,
    images: Vec<Row<'a>>,
}

/// Lists it.
pub async fn answer(context: &Context) -> Answer {
    let (inventory, frozen) = (context.inventory.clone(), context.frozen.clone());
    let listed = blocking(move || {
        let contents = frozen.add_to(inventory.all()?)?;
        Ok(done(&Catalog {
            repositories: contents.iter().map(Content::summary).collect(),
            images: contents.iter().flat_map(Content::rows).collect(),
        }))
    });
    listed.await.unwrap_or_else(|error| {
        tracing::error!(why = %error, "the catalog failed");
        failed(&error)
    })
}
