//! Which manifest is meant: from what a name stands for, over indexes and indexes within indexes, to the manifest of one
//! platform.
//!
//! The one rule of all programs. The choice is that of containerd (`core/images/image.go`, `Manifest`): what the index
//! names goes before what it leaves open, and then the better platform before the worse, in the index's order. What is no
//! image (attestations, signatures, SBOMs, charts) is passed over, and what is not chosen need not be understood.

use serde::Deserialize;
use serde_json::Value;

use crate::digest::abridge;
use crate::manifest::{Descriptor, Manifest, MediaType};
use crate::platform::Platform;
use crate::shape::{check_shape, parse};

/// Documents from the first to the manifest.
const DEEPEST: usize = 5;
/// Entries that are read to find an image among what does not say what it is.
const MOST_READ: usize = 64;

/// What has documents by digest.
pub trait Blobs {
    /// Why a document cannot be had.
    type Error;

    /// The bytes of an index, manifest or config, whose digest and size were checked; nothing if it is not there.
    fn document(&mut self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, Self::Error>;
}

/// The manifest that is meant.
#[derive(Debug)]
pub struct Selected {
    /// The documents on the way with their exact bytes: indexes, and the manifest last.
    pub documents: Vec<(Descriptor, Vec<u8>)>,
    /// The manifest.
    pub manifest: Manifest,
    /// What an index says that it is for. It goes before what the config says.
    pub platform: Option<Platform>,
}

/// Why there is none.
#[derive(Debug)]
pub enum Refused<E> {
    /// A document cannot be had.
    Blobs(E),
    /// A document that is needed is not there.
    Missing(Box<Descriptor>),
    /// There are images for other platforms only: these.
    Platform(Vec<String>),
    /// What is there is no image: the type of the document or of its config.
    NoImage(String),
    /// It is of Docker's schema 1.
    Schema1,
    /// A document is not what it should be.
    Document {
        /// `index`, `manifest`, `config`.
        what: &'static str,
        /// Its digest; nothing if that is what is wrong.
        descriptor: Option<Box<Descriptor>>,
        /// The rule that it breaks.
        why: String,
    },
}

/// The manifest for `wanted` that `target` stands for, or one of the indexes that it leads to.
///
/// A platform that `target` names, as `index.json` may, is a choice that was made before, and holds for what is below.
///
/// # Errors
/// When there is none, or what is chosen cannot be used.
pub fn select<B: Blobs>(
    blobs: &mut B,
    target: &Descriptor,
    wanted: &Platform,
) -> Result<Selected, Refused<B::Error>> {
    let entry = Entry::of(target.clone());
    let mut search = Search {
        blobs,
        wanted: wanted.clone(),
        path: Vec::new(),
        read: 0,
    };
    let mut named = None;
    if let Some(platform) = entry.platform.clone() {
        if wanted.preference(&platform).is_none() {
            return Err(Refused::Platform(vec![platform.to_string()]));
        }
        search.wanted = platform.clone();
        named = Some(platform);
    }
    let mut seen = Seen::default();
    // What the name stands for is not held to its config here: nothing else can be meant.
    match search.enter(&entry, named, false, &mut seen)? {
        Some(selected) => Ok(selected),
        None => Err(seen.refusal()),
    }
}

/// One entry of an index, understood as far as it can be.
pub(crate) struct Entry {
    kind: MediaType,
    /// The media type, and what else it may be called.
    shown: String,
    /// What it is for, if it says anything of that.
    pub(crate) platform: Option<Platform>,
    /// Whether it may be an image, or lead to one.
    pub(crate) may_be_image: bool,
    pub(crate) descriptor: Result<Descriptor, String>,
}

#[derive(Deserialize)]
pub(crate) struct Entries {
    #[serde(default)]
    manifests: Option<Vec<Value>>,
}

impl Entries {
    pub(crate) fn into_list(self) -> Vec<Entry> {
        let entries = self.manifests.unwrap_or_default();
        entries.into_iter().map(Entry::parse).collect()
    }
}

impl Entry {
    fn parse(value: Value) -> Self {
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        let media_type = text("mediaType").to_owned();
        let artifact = text("artifactType").to_owned();
        let attestation = value
            .get("annotations")
            .and_then(|annotations| annotations.get("vnd.docker.reference.type"))
            .is_some_and(|kind| kind == "attestation-manifest");
        let platform = value
            .get("platform")
            .and_then(|platform| Platform::deserialize(platform).ok());
        let descriptor = serde_json::from_value(value).map_err(|error| abridge(&error.to_string()));
        Self::new(media_type, &artifact, attestation, platform, descriptor)
    }

    fn of(descriptor: Descriptor) -> Self {
        let (media_type, platform) = (descriptor.media_type.clone(), descriptor.platform.clone());
        Self::new(media_type, "", false, platform, Ok(descriptor))
    }

    fn new(
        media_type: String,
        artifact: &str,
        attestation: bool,
        platform: Option<Platform>,
        descriptor: Result<Descriptor, String>,
    ) -> Self {
        let kind = MediaType::of(&media_type);
        let platform = platform.filter(|platform| !platform.is_silent());
        let is_document = matches!(kind, MediaType::Index | MediaType::Manifest);
        let is_artifact = !artifact.is_empty() && MediaType::of(artifact) != MediaType::Config;
        let is_unknown = platform.as_ref().is_some_and(Platform::is_unknown);
        Self {
            kind,
            shown: if is_artifact {
                artifact.to_owned()
            } else {
                media_type
            },
            platform,
            may_be_image: is_document && !is_artifact && !attestation && !is_unknown,
            descriptor,
        }
    }

    /// What it calls itself.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// How good it is, as far as it says; less is better, and what says nothing comes last.
    pub(crate) fn rank(&self, wanted: &Platform) -> Option<u32> {
        match &self.platform {
            Some(platform) => wanted.preference(platform),
            None => Some(u32::MAX),
        }
    }
}

/// What was found on the way that is not what is meant.
#[derive(Default)]
struct Seen {
    platforms: Vec<String>,
    missing: Option<Descriptor>,
    no_image: Option<String>,
    schema1: bool,
}

impl Seen {
    fn refusal<E>(self) -> Refused<E> {
        let mut platforms = self.platforms;
        platforms.sort();
        platforms.dedup();
        if let Some(missing) = self.missing {
            return Refused::Missing(Box::new(missing));
        }
        if !platforms.is_empty() {
            return Refused::Platform(platforms);
        }
        match self.no_image {
            Some(what) => Refused::NoImage(what),
            None if self.schema1 => Refused::Schema1,
            None => Refused::Platform(platforms),
        }
    }
}

struct Search<'a, B> {
    blobs: &'a mut B,
    wanted: Platform,
    path: Vec<(Descriptor, Vec<u8>)>,
    read: usize,
}

impl<B: Blobs> Search<'_, B> {
    /// The best of the entries that leads to an image.
    fn best(
        &mut self,
        entries: Vec<Entry>,
        named: Option<&Platform>,
        seen: &mut Seen,
    ) -> Result<Option<Selected>, Refused<B::Error>> {
        let mut candidates = Vec::new();
        for entry in entries {
            if !entry.may_be_image {
                seen.schema1 |= entry.kind == MediaType::Schema1;
                seen.no_image.get_or_insert(abridge(&entry.shown));
                continue;
            }
            match (entry.rank(&self.wanted), &entry.platform) {
                (Some(rank), _) => candidates.push((rank, entry)),
                (None, Some(platform)) => seen.platforms.push(platform.to_string()),
                (None, None) => {}
            }
        }
        candidates.sort_by_key(|(rank, _)| *rank);
        let mut missing = None;
        for (rank, entry) in candidates {
            // What is not there is passed over for its equals alone: they may be what says nothing of what it is.
            if missing.is_some_and(|missing| missing < rank) {
                break;
            }
            let own = entry.platform.clone().or_else(|| named.cloned());
            if let Some(selected) = self.enter(&entry, own, true, seen)? {
                return Ok(Some(selected));
            }
            if seen.missing.is_some() {
                missing.get_or_insert(rank);
            }
        }
        Ok(None)
    }

    /// The image that an entry is or leads to; nothing if there is none.
    fn enter(
        &mut self,
        entry: &Entry,
        named: Option<Platform>,
        of_index: bool,
        seen: &mut Seen,
    ) -> Result<Option<Selected>, Refused<B::Error>> {
        if !matches!(entry.kind, MediaType::Index | MediaType::Manifest) {
            seen.schema1 |= entry.kind == MediaType::Schema1;
            if !seen.schema1 {
                seen.no_image.get_or_insert(abridge(&entry.shown));
            }
            return Ok(None);
        }
        let what = if entry.kind == MediaType::Index {
            "index"
        } else {
            "manifest"
        };
        let refuse = |descriptor: Option<&Descriptor>, why: String| Refused::Document {
            what,
            descriptor: descriptor.cloned().map(Box::new),
            why,
        };
        let descriptor = match &entry.descriptor {
            Ok(descriptor) => descriptor,
            Err(why) => return Err(refuse(None, why.clone())),
        };
        self.read += 1;
        if self.path.len() >= DEEPEST || self.read > MOST_READ {
            return Err(refuse(
                Some(descriptor),
                "too many indexes lie in indexes".into(),
            ));
        }
        let bytes = self.blobs.document(descriptor).map_err(Refused::Blobs)?;
        let Some(bytes) = bytes else {
            seen.missing.get_or_insert_with(|| descriptor.clone());
            return Ok(None);
        };
        check_shape(entry.kind, &bytes).map_err(|why| refuse(Some(descriptor), why))?;
        let wrong = |why| refuse(Some(descriptor), why);
        if entry.kind == MediaType::Index {
            let entries: Entries = parse(&bytes).map_err(wrong)?;
            self.path.push((descriptor.clone(), bytes));
            let found = self.best(entries.into_list(), named.as_ref(), seen)?;
            self.path.pop();
            return Ok(found);
        }
        let manifest: Manifest = parse(&bytes).map_err(wrong)?;
        if let Some(artifact) = manifest.artifact_type() {
            seen.no_image.get_or_insert_with(|| abridge(artifact));
            return Ok(None);
        }
        if of_index && named.is_none() && !self.config_fits(&manifest, seen)? {
            return Ok(None);
        }
        let mut documents = self.path.clone();
        documents.push((descriptor.clone(), bytes));
        Ok(Some(Selected {
            documents,
            manifest,
            platform: named,
        }))
    }

    /// Where no index says what an image is for, its config tells.
    fn config_fits(
        &mut self,
        manifest: &Manifest,
        seen: &mut Seen,
    ) -> Result<bool, Refused<B::Error>> {
        let read = self
            .blobs
            .document(&manifest.config)
            .map_err(Refused::Blobs)?;
        let Some(bytes) = read else {
            seen.missing.get_or_insert_with(|| manifest.config.clone());
            return Ok(false);
        };
        let platform: Platform = parse(&bytes).map_err(|why| Refused::Document {
            what: "config",
            descriptor: Some(Box::new(manifest.config.clone())),
            why,
        })?;
        let fits = platform.may_be(&self.wanted);
        if !fits {
            seen.platforms.push(platform.to_string());
        }
        Ok(fits)
    }
}
