//! Rows of what the registry holds, as `catalog` and the page show them.

use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::{Content, Kind, Manifest};
use crate::names::Tag;

/// A time, in RFC 3339 and UTC, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub SystemTime);

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match jiff::Timestamp::try_from(self.0) {
            Ok(time) => write!(f, "{time:.0}"),
            Err(_) => f.write_str("-"),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A repository.
#[derive(Clone, Debug, Serialize)]
pub struct RepositoryRow<'a> {
    /// Its name.
    pub repository: &'a str,
    /// Bytes of all that it holds, each blob counted once.
    pub size: u64,
    /// How many tags it has.
    pub tags: usize,
    /// How many manifests it has.
    pub manifests: usize,
    /// When anything of it was pushed last.
    pub pushed: Option<Time>,
    /// When anything of it was pulled last.
    pub pulled: Option<Time>,
}

/// A tag, or a manifest that no tag stands for, no index lists and that is about no other one.
#[derive(Clone, Debug, Serialize)]
pub struct Row<'a> {
    /// The repository.
    pub repository: &'a str,
    /// The tag.
    pub tag: Option<&'a str>,
    /// The digest; none if the tag's file is damaged.
    pub digest: Option<String>,
    /// What it is; broken as well if the manifest is not there.
    pub kind: Kind,
    /// The media type.
    pub media_type: Option<&'a str>,
    /// What an artifact is.
    pub artifact_type: Option<&'a str>,
    /// What it runs on, as `linux/amd64`.
    pub platforms: &'a [String],
    /// Bytes of it and of all that it names, each blob counted once.
    pub size: u64,
    /// When it was pushed last.
    pub pushed: Time,
    /// When it was pulled last, by this tag or any other way.
    pub pulled: Option<Time>,
    /// How many manifests are about it.
    pub referrers: usize,
}

impl Content {
    /// The repository as a whole.
    pub fn summary(&self) -> RepositoryRow<'_> {
        let listing = &self.listing;
        let manifests = listing.manifests.values().map(|it| it.pushed);
        let pushed = listing.tags.iter().map(|tag| tag.pushed).chain(manifests);
        RepositoryRow {
            repository: self.repository.as_str(),
            size: listing.size,
            tags: listing.tags.len(),
            manifests: listing.manifests.len(),
            pushed: pushed.max().map(Time),
            pulled: self.pulled.values().max().copied().map(Time),
        }
    }

    /// Its tags, then what has none and belongs to no other manifest.
    pub fn rows(&self) -> Vec<Row<'_>> {
        let listing = &self.listing;
        let tags = listing.tags.iter().map(|tag| {
            let digest = tag.digest.as_ref();
            let manifest = digest.and_then(|digest| listing.manifests.get(digest));
            Row {
                pushed: Time(tag.pushed),
                digest: digest.map(ToString::to_string),
                ..self.row(Some(&tag.tag), manifest, tag.pushed)
            }
        });
        let alone = listing.manifests.values().filter(|manifest| {
            manifest.tags.is_empty()
                && manifest.parents.is_empty()
                && manifest.facts.subject.is_none()
        });
        let alone = alone.map(|manifest| self.row(None, Some(manifest), manifest.pushed));
        tags.chain(alone).collect()
    }

    fn row<'a>(
        &'a self,
        tag: Option<&'a Tag>,
        manifest: Option<&'a Manifest>,
        pushed: SystemTime,
    ) -> Row<'a> {
        let facts = manifest.map(|manifest| &*manifest.facts);
        let pulled = manifest.and_then(|manifest| self.pulled.get(&manifest.digest));
        Row {
            repository: self.repository.as_str(),
            tag: tag.map(Tag::as_str),
            digest: manifest.map(|manifest| manifest.digest.to_string()),
            kind: facts.map_or(Kind::Broken, |facts| facts.kind),
            media_type: manifest.map(|manifest| manifest.media_type.as_str()),
            artifact_type: facts.and_then(|facts| facts.artifact_type.as_deref()),
            platforms: facts.map_or(&[], |facts| &facts.platforms),
            size: manifest.map_or(0, |manifest| manifest.size),
            pushed: Time(pushed),
            pulled: pulled.copied().map(Time),
            referrers: manifest.map_or(0, |manifest| manifest.referrers.len()),
        }
    }
}
