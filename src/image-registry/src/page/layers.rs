//! The layers of an image, or the files of an artifact: what made each, how large it is, and who has it, too.

use maud::{Markup, html};

use super::address;
use super::config::{self, Config};
use super::layout::{MOST, more};
use super::sharing::{NAMED, Sharers, sharers};
use super::shown::Shown;
use super::text::{count, short, size};
use crate::digest::Digest;
use crate::inventory::Kind;

/// Lists them, if there are any.
pub(super) fn list(shown: &Shown<'_>, config: Option<&Config>) -> Markup {
    let layers = shown.document["layers"].as_array();
    let layers: Vec<_> = layers.into_iter().flatten().collect();
    let found = sharers(
        shown.contents,
        &shown.manifest.digest,
        &shown.manifest.facts.blobs,
    );
    let (title, what) = match shown.manifest.facts.kind {
        Kind::Image => ("Layers", "Made by"),
        _ => ("Files", "Name or type"),
    };
    html! {
        @if !layers.is_empty() {
            section aria-labelledby="layers" {
                h2 #layers { (title) }
                table role="table" {
                    thead role="rowgroup" {
                        tr role="row" {
                            th role="columnheader" scope="col" { (what) }
                            th role="columnheader" scope="col" { "Digest" }
                            th.number role="columnheader" scope="col" { "Size" }
                            th role="columnheader" scope="col" { "Shared with" }
                        }
                    }
                    tbody role="rowgroup" {
                        @for (index, layer) in layers.iter().take(MOST).enumerate() {
                            @let digest = layer["digest"].as_str().and_then(|text| text.parse::<Digest>().ok());
                            @let step = config.and_then(|config| config.steps.get(index));
                            tr role="row" {
                                th.step role="rowheader" scope="row" {
                                    @match step {
                                        Some(step) if !step.is_empty() => code { (step) },
                                        _ => (name(layer)),
                                    }
                                }
                                td role="cell" data-label="Digest" {
                                    @if let Some(digest) = &digest { code title=(digest) { (short(digest)) } }
                                }
                                td.number role="cell" data-label="Size" { (size(layer["size"].as_u64().unwrap_or_default())) }
                                td role="cell" data-label="Shared with" {
                                    (shared(digest.as_ref().and_then(|digest| found.get(digest))))
                                }
                            }
                        }
                    }
                }
                (more(layers.len()))
            }
        }
    }
}

/// What a layer is called, or what it is.
fn name(layer: &serde_json::Value) -> String {
    let title = config::text(&layer["annotations"]["org.opencontainers.image.title"]);
    let media_type = || config::text(&layer["mediaType"]);
    title.or_else(media_type).unwrap_or_default()
}

fn shared(sharers: Option<&Sharers<'_>>) -> Markup {
    let others = sharers.map_or(0, Sharers::count);
    html! {
        @if others == 0 { span.muted { "no other" } }
        @else if let Some(sharers) = sharers {
            details {
                summary { (count(others, "image", "images")) }
                ul.plain {
                    @for (repository, name) in &sharers.named {
                        li {
                            a href=(address::of_tag(repository, name)) {
                                (repository) @if name.contains(':') { "@" (name.get(..19).unwrap_or(name)) } @else { ":" (name) }
                            }
                        }
                    }
                    @if others > NAMED { li.muted { "and " (others - NAMED) " more" } }
                }
            }
        }
    }
}
