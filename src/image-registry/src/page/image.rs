//! An image, an index or an artifact: what it is, what it has in it, and what is about it.

use std::io;

use maud::{Markup, html};

use super::address;
use super::config::{self, Config};
use super::layers;
use super::layout::{MOST, Page, Visitor, command, facts, link_or_text, more};
use super::related;
use super::shown::Shown;
use super::sources::Sources;
use super::tags::{badge, platforms};
use super::text::{short, size, time, time_or};
use crate::digest::Digest;
use crate::inventory::{Content, Kind, Manifest};
use crate::names::{ManifestReference, Repository, Tag};

/// Shows it; nothing if a login sees no such image.
pub fn show(
    sources: &Sources,
    contents: &[Content],
    (repository, reference): (&Repository, &ManifestReference),
    visitor: &Visitor,
) -> io::Result<Option<Page>> {
    let content = contents
        .iter()
        .find(|content| content.repository == *repository);
    let Some(content) = content else {
        return Ok(None);
    };
    let digest = match reference {
        ManifestReference::Digest(digest) => Some(digest),
        ManifestReference::Tag(tag) => {
            let entry = content.listing.tags.iter().find(|entry| entry.tag == *tag);
            let Some(entry) = entry else {
                return Ok(None);
            };
            entry.digest.as_ref()
        }
    };
    let manifest = digest.and_then(|digest| content.listing.manifests.get(digest));
    let name = match reference {
        ManifestReference::Tag(tag) => format!("{repository}:{tag}"),
        ManifestReference::Digest(digest) => format!("{repository}@{}", short(digest)),
    };
    let inner = match (manifest, reference) {
        (None, ManifestReference::Digest(_)) => return Ok(None),
        (None, ManifestReference::Tag(_)) => broken(),
        (Some(manifest), _) if manifest.facts.kind == Kind::Broken => broken(),
        (Some(manifest), _) => {
            let bytes = sources.manifest(repository, &manifest.digest)?;
            let document = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            match document {
                None => broken(),
                Some(document) => {
                    let shown = Shown {
                        contents,
                        content,
                        manifest,
                        document,
                    };
                    body(sources, &shown, reference, visitor)?
                }
            }
        }
    };
    let mut page = Page::of(repository.as_str(), html! { h1 { (name) } (inner) });
    let here = match reference {
        ManifestReference::Tag(tag) => (
            tag.to_string(),
            address::of_tag(repository.as_str(), tag.as_str()),
        ),
        ManifestReference::Digest(digest) => (
            short(digest),
            address::of_digest(repository.as_str(), digest),
        ),
    };
    page.trail.push(here);
    page.title = name;
    Ok(Some(page))
}

fn broken() -> Markup {
    html! {
        section.card.bad {
            h2 { "Broken" }
            p {
                "Its manifest is missing in the store, or is not what its digest says. Push the image again; "
                code { "image-registry verify" } " on the registry's VM names everything that is broken."
            }
        }
    }
}

fn body(
    sources: &Sources,
    shown: &Shown<'_>,
    reference: &ManifestReference,
    visitor: &Visitor,
) -> io::Result<Markup> {
    let Shown {
        manifest, document, ..
    } = shown;
    let repository = &shown.content.repository;
    let config_digest =
        config::text(&document["config"]["digest"]).and_then(|text| text.parse().ok());
    let layer_count = document["layers"].as_array().map_or(0, Vec::len);
    let config: Option<Config> = match config_digest {
        Some(digest) if manifest.facts.kind == Kind::Image => {
            let bytes = sources.config(repository, &digest)?;
            bytes.and_then(|bytes| Config::parse(&bytes, layer_count))
        }
        _ => None,
    };
    let annotations = config::pairs(&document["annotations"]);
    Ok(html! {
        (overview(shown, reference, config.as_ref()))
        (pull(repository, reference, manifest, visitor))
        @if manifest.facts.kind == Kind::Index { (related::children(shown)) }
        (layers::list(shown, config.as_ref()))
        @if let Some(config) = &config { (runs(config)) }
        (pairs("Labels", "labels", config.iter().flat_map(|config| &config.labels)))
        (pairs("Annotations", "annotations", &annotations))
        (related::referrers(shown))
    })
}

fn overview(shown: &Shown<'_>, reference: &ManifestReference, config: Option<&Config>) -> Markup {
    let Shown {
        content, manifest, ..
    } = shown;
    let repository = content.repository.as_str();
    let is_other =
        |tag: &str| !matches!(reference, ManifestReference::Tag(this) if this.as_str() == tag);
    let others: Vec<&str> = manifest
        .tags
        .iter()
        .map(Tag::as_str)
        .filter(|tag| is_other(tag))
        .collect();
    let links = |digests: &[Digest]| {
        html! { @for digest in digests { a href=(address::of_digest(repository, digest)) { (short(digest)) } " " } }
    };
    let what = match manifest.facts.kind {
        Kind::Index => "Index",
        Kind::Image => "Image",
        Kind::Artifact | Kind::Broken => "Artifact",
    };
    let subject = manifest.facts.subject.as_slice();
    facts([
        (
            "Kind",
            Some(
                html! { (what) (badge(manifest.facts.kind, manifest.facts.artifact_type.as_deref())) },
            ),
        ),
        (
            "Platforms",
            (!manifest.facts.platforms.is_empty()).then(|| platforms(&manifest.facts.platforms)),
        ),
        ("Size", Some(html! { (size(manifest.size)) })),
        ("Pushed", Some(time(manifest.pushed))),
        (
            "Last pulled",
            Some(time_or(
                content.pulled.get(&manifest.digest).copied(),
                "never",
            )),
        ),
        (
            "Created",
            config
                .and_then(|config| config.created.as_ref())
                .map(|made| html! { (made) }),
        ),
        (
            "Other tags",
            (!others.is_empty()).then(|| {
                html! {
                    @for tag in others.iter().take(MOST) { a href=(address::of_tag(repository, tag)) { (tag) } " " }
                }
            }),
        ),
        (
            "Part of",
            (!manifest.parents.is_empty()).then(|| links(&manifest.parents)),
        ),
        ("About", (!subject.is_empty()).then(|| links(subject))),
        ("Media type", Some(html! { (manifest.media_type) })),
        ("Digest", Some(html! { code { (manifest.digest) } })),
    ])
}

fn pull(
    repository: &Repository,
    reference: &ManifestReference,
    manifest: &Manifest,
    visitor: &Visitor,
) -> Markup {
    let tool = match manifest.facts.kind {
        Kind::Artifact => "oras pull",
        _ => "docker pull",
    };
    let host = &visitor.host;
    let by_digest = format!("{tool} {host}/{repository}@{}", manifest.digest);
    html! {
        section aria-labelledby="pull" {
            h2 #pull { "Pull" }
            @if let ManifestReference::Tag(tag) = reference {
                (command("By tag", "by-tag", &format!("{tool} {host}/{repository}:{tag}")))
            }
            (command("By digest: always the same image", "by-digest", &by_digest))
        }
    }
}

fn runs(config: &Config) -> Markup {
    let words = |words: &[String]| {
        (!words.is_empty()).then(|| html! { @for word in words { code.word { (word) } " " } })
    };
    let one = |text: &Option<String>| text.as_ref().map(|text| html! { code { (text) } });
    let all = [
        ("Entrypoint", words(&config.entrypoint)),
        ("Command", words(&config.command)),
        ("User", one(&config.user)),
        ("Working directory", one(&config.directory)),
        ("Ports", words(&config.ports)),
        ("Volumes", words(&config.volumes)),
        ("Stop signal", one(&config.stop_signal)),
        (
            "Environment",
            (!config.environment.is_empty()).then(|| {
                html! {
                    ul.plain { @for entry in &config.environment { li { code { (entry) } } } }
                }
            }),
        ),
        ("Author", one(&config.author)),
    ];
    html! {
        @if all.iter().any(|(_, value)| value.is_some()) {
            section aria-labelledby="runs" {
                h2 #runs { "Configuration" }
                (facts(all))
            }
        }
    }
}

/// Labels or annotations, if there are any.
fn pairs<'a>(
    title: &str,
    id: &str,
    pairs: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Markup {
    let pairs: Vec<_> = pairs.into_iter().collect();
    html! {
        @if !pairs.is_empty() {
            section aria-labelledby=(id) {
                h2 id=(id) { (title) }
                dl.pairs {
                    @for (name, value) in pairs.iter().take(MOST) { div { dt { (name) } dd { (link_or_text(value)) } } }
                }
                (more(pairs.len()))
            }
        }
    }
}
