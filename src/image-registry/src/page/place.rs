//! A folder, a repository, or both: the folders and repositories in it, and its tags.

use std::collections::BTreeMap;
use std::time::SystemTime;

use maud::{Markup, html};

use super::address;
use super::gauges;
use super::layout::{Page, Visitor, command};
use super::paging::Parameters;
use super::sources::CacheUse;
use super::tags;
use super::text::{count, size, time_or};
use crate::inventory::Content;
use crate::names::Repository;
use crate::storage::Space;

/// Something that lies in a folder.
enum Entry<'a> {
    Folder(&'a str, Vec<&'a Content>),
    Repository(&'a Content),
}

/// What is shown beside folders and tags.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// Where a repository's images come from, if they were not pushed.
    pub origin: Option<&'static str>,
    /// The cache.
    pub cache: Option<CacheUse>,
    /// The disk.
    pub space: Option<Space>,
}

/// Shows a folder or repository; nothing if there is none of this name. `at` is none for the top.
pub fn show(
    contents: &[Content],
    at: Option<&Repository>,
    parameters: &Parameters,
    visitor: &Visitor,
    around: &Around,
) -> Option<Page> {
    let name = at.map_or("", Repository::as_str);
    let here = contents
        .iter()
        .find(|content| Some(&content.repository) == at);
    let below: Vec<&Content> = contents
        .iter()
        .filter(|it| rest(it, name).is_some())
        .collect();
    if at.is_some() && here.is_none() && below.is_empty() {
        return None;
    }
    let title = if at.is_some() { name } else { "All images" };
    let content = html! {
        h1 { (title) }
        @if let Some(here) = here { (tags::summary(here, around.origin)) }
        @if at.is_none() && below.is_empty() { (nothing(visitor)) }
        @else { (search(here.is_some(), !below.is_empty(), parameters)) }
        @if let Some(here) = here { (tags::list(here, parameters)) }
        @if !below.is_empty() { (list(&below, name, here.is_some(), parameters)) }
        @if let Some(cache) = &around.cache { (gauges::cache(cache)) }
        @if let Some(space) = around.space { (gauges::disk(space)) }
    };
    Some(Page::of(name, content))
}

/// What is left of a repository's name in a folder; nothing if it is not in it.
fn rest<'a>(content: &'a Content, folder: &str) -> Option<&'a str> {
    let name = content.repository.as_str();
    if folder.is_empty() {
        return Some(name);
    }
    name.strip_prefix(folder)?.strip_prefix('/')
}

fn search(has_tags: bool, has_repositories: bool, parameters: &Parameters) -> Markup {
    let label = match (has_tags, has_repositories) {
        (true, true) => "Search tags and repositories",
        (true, false) => "Search tags",
        _ => "Search repositories",
    };
    html! {
        form.search role="search" method="get" {
            label for="q" { (label) }
            div.field {
                input #q type="search" name="q" value=(parameters.search) spellcheck="false" autocapitalize="none" autocomplete="off";
                button type="submit" { "Search" }
            }
        }
    }
}

/// What lies directly in a folder; of a search, all repositories below it that are found.
fn entries<'a>(below: &[&'a Content], folder: &str, parameters: &Parameters) -> Vec<Entry<'a>> {
    if !parameters.search.is_empty() {
        let found = below
            .iter()
            .filter(|it| parameters.matches(it.repository.as_str()));
        return found.map(|content| Entry::Repository(content)).collect();
    }
    let mut folders: BTreeMap<&str, Vec<&Content>> = BTreeMap::new();
    let mut repositories = Vec::new();
    for &content in below {
        let rest = rest(content, folder).unwrap_or_default();
        match rest.split_once('/') {
            Some((name, _)) => folders.entry(name).or_default().push(content),
            None => repositories.push(Entry::Repository(content)),
        }
    }
    let folders = folders
        .into_iter()
        .map(|(name, all)| Entry::Folder(name, all));
    folders.chain(repositories).collect()
}

fn list(below: &[&Content], folder: &str, is_inner: bool, parameters: &Parameters) -> Markup {
    let entries = entries(below, folder, parameters);
    let is_search = !parameters.search.is_empty();
    let total = entries.len();
    let (shown, part) = parameters.part(entries);
    html! {
        section aria-labelledby="repositories" {
            h2 #repositories .quiet[!is_inner && !is_search] {
                @if is_search { (count(total, "repository", "repositories")) " found" }
                @else { "Repositories" }
            }
            @if shown.is_empty() { p.muted { "No name has all of these words in it." } }
            @else {
                table role="table" {
                    thead role="rowgroup" {
                        tr role="row" {
                            th role="columnheader" scope="col" { "Name" }
                            th.number role="columnheader" scope="col" { "Tags" }
                            th.number role="columnheader" scope="col" { "Size" }
                            th role="columnheader" scope="col" { "Pushed" }
                            th role="columnheader" scope="col" { "Last pulled" }
                        }
                    }
                    tbody role="rowgroup" {
                        @for entry in &shown { (row(entry, folder, is_search)) }
                    }
                }
            }
            (part.links())
        }
    }
}

fn row(entry: &Entry<'_>, folder: &str, is_search: bool) -> Markup {
    let (label, href, contents): (_, _, &[&Content]) = match entry {
        Entry::Folder(name, contents) => {
            let path = if folder.is_empty() {
                (*name).to_owned()
            } else {
                format!("{folder}/{name}")
            };
            let label = html! { (name) "/" };
            (label, address::of_place(&path), contents)
        }
        Entry::Repository(content) => {
            let name = content.repository.as_str();
            let label = if is_search {
                name
            } else {
                rest(content, folder).unwrap_or(name)
            };
            (
                html! { (label) },
                address::of_place(name),
                std::slice::from_ref(content),
            )
        }
    };
    let is_folder = matches!(entry, Entry::Folder(..));
    let tags = contents.iter().map(|it| it.listing.tags.len()).sum();
    let times = contents.iter().map(|content| {
        let summary = content.summary();
        (
            summary.pushed.map(|time| time.0),
            summary.pulled.map(|time| time.0),
        )
    });
    let (pushed, pulled): (Vec<Option<SystemTime>>, Vec<Option<SystemTime>>) = times.unzip();
    let latest = |times: Vec<Option<SystemTime>>| times.into_iter().flatten().max();
    html! {
        tr role="row" {
            th role="rowheader" scope="row" {
                a.folder[is_folder] href=(href) { (label) }
                @if is_folder { " " span.muted { (count(contents.len(), "repository", "repositories")) } }
            }
            td.number role="cell" data-label="Tags" { (super::text::number(tags)) }
            td.number role="cell" data-label="Size" { (size(bytes(contents))) }
            td role="cell" data-label="Pushed" { (time_or(latest(pushed), "never")) }
            td role="cell" data-label="Last pulled" { (time_or(latest(pulled), "never")) }
        }
    }
}

/// Bytes of repositories, each blob counted once.
fn bytes(contents: &[&Content]) -> u64 {
    if let [one] = contents {
        return one.listing.size;
    }
    let mut counted = std::collections::HashSet::new();
    let mut bytes: u64 = 0;
    let manifests = contents.iter().flat_map(|it| &it.listing.manifests);
    for (digest, manifest) in manifests {
        let own = std::iter::once((digest, manifest.facts.bytes));
        let blobs = manifest
            .facts
            .blobs
            .iter()
            .map(|(blob, size)| (blob, *size));
        for (blob, size) in own.chain(blobs) {
            if counted.insert(blob) {
                bytes = bytes.saturating_add(size);
            }
        }
    }
    bytes
}

fn nothing(visitor: &Visitor) -> Markup {
    let host = &visitor.host;
    html! {
        section.card {
            h2 { "Nothing here yet" }
            p { "There are no images, or none that you may pull. This is how one is pushed:" }
            (command("Log in", "c1", &format!("docker login {host}")))
            (command("Name an image after this registry", "c2", &format!("docker tag IMAGE {host}/team/app:1")))
            (command("Push it", "c3", &format!("docker push {host}/team/app:1")))
        }
    }
}
