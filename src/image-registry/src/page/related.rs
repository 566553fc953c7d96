//! Manifests that an image has to do with: those that an index lists, and those that are about it.

use maud::{Markup, html};
use serde_json::Value;

use super::address;
use super::config;
use super::layout::{MOST, more};
use super::shown::Shown;
use super::text::{short, size, time, time_or};
use crate::digest::Digest;
use crate::inventory::Manifest;

/// The manifests of an index.
pub(super) fn children(shown: &Shown<'_>) -> Markup {
    let repository = shown.content.repository.as_str();
    let children = shown.document["manifests"].as_array();
    let all = children.map_or(0, Vec::len);
    let children = children.into_iter().flatten().take(MOST);
    let children = children.filter_map(|child| {
        let digest: Digest = child["digest"].as_str()?.parse().ok()?;
        Some((
            platform(child),
            shown.content.listing.manifests.get(&digest),
            digest,
        ))
    });
    html! {
        section aria-labelledby="children" {
            h2 #children { "Platforms" }
            table role="table" {
                thead role="rowgroup" {
                    tr role="row" {
                        th role="columnheader" scope="col" { "For" }
                        th role="columnheader" scope="col" { "Manifest" }
                        th.number role="columnheader" scope="col" { "Size" }
                        th role="columnheader" scope="col" { "Last pulled" }
                    }
                }
                tbody role="rowgroup" {
                    @for (platform, manifest, digest) in children {
                        tr role="row" {
                            th role="rowheader" scope="row" { (platform) }
                            @match manifest {
                                Some(manifest) => {
                                    td role="cell" data-label="Manifest" {
                                        a href=(address::of_digest(repository, &digest)) { (short(&digest)) }
                                    }
                                    td.number role="cell" data-label="Size" { (size(manifest.size)) }
                                    td role="cell" data-label="Last pulled" {
                                        (time_or(shown.content.pulled.get(&digest).copied(), "never"))
                                    }
                                }
                                None => {
                                    td role="cell" data-label="Manifest" { (short(&digest)) }
                                    td.number role="cell" data-label="Size" { span.muted { "not here" } }
                                    td role="cell" data-label="Last pulled" { span.muted { "–" } }
                                }
                            }
                        }
                    }
                }
            }
            (more(all))
        }
    }
}

/// What an index says that a manifest is for.
fn platform(child: &Value) -> String {
    let platform = &child["platform"];
    let part = |name: &str| config::text(&platform[name]);
    if let Some(kind) = config::text(&child["annotations"]["vnd.docker.reference.type"]) {
        return kind.replace("attestation-manifest", "attestation");
    }
    let parts: Vec<String> = ["os", "architecture", "variant"]
        .iter()
        .filter_map(|name| part(name))
        .collect();
    let version = part("os.version")
        .map(|version| format!(" {version}"))
        .unwrap_or_default();
    if parts.is_empty() {
        config::text(&child["artifactType"]).unwrap_or_else(|| "any platform".to_owned())
    } else {
        parts.join("/") + &version
    }
}

/// The manifests that are about it, if there are any.
pub(super) fn referrers(shown: &Shown<'_>) -> Markup {
    let repository = shown.content.repository.as_str();
    let there = shown.manifest.referrers.iter();
    let there: Vec<&Manifest> = there
        .filter_map(|digest| shown.content.listing.manifests.get(digest))
        .collect();
    html! {
        @if !there.is_empty() {
            section aria-labelledby="referrers" {
                h2 #referrers { "Referrers" }
                p.muted { "Signatures, bills of materials, and what else refers to it." }
                table role="table" {
                    thead role="rowgroup" {
                        tr role="row" {
                            th role="columnheader" scope="col" { "Type" }
                            th role="columnheader" scope="col" { "Manifest" }
                            th.number role="columnheader" scope="col" { "Size" }
                            th role="columnheader" scope="col" { "Pushed" }
                        }
                    }
                    tbody role="rowgroup" {
                        @for manifest in there.iter().take(MOST) {
                            tr role="row" {
                                th role="rowheader" scope="row" { (manifest.facts.artifact_type.as_deref().unwrap_or("image")) }
                                td role="cell" data-label="Manifest" {
                                    a href=(address::of_digest(repository, &manifest.digest)) { (short(&manifest.digest)) }
                                }
                                td.number role="cell" data-label="Size" { (size(manifest.size)) }
                                td role="cell" data-label="Pushed" { (time(manifest.pushed)) }
                            }
                        }
                    }
                }
                (more(there.len()))
            }
        }
    }
}
