//! Images in OCI image layouts, as skopeo, umoci, buildkit and others write them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use image_archive::{Descriptor, Digest, Index, Limits, Manifest, MediaType, Platform, Reference};
use serde::Deserialize;

use super::chain::{self, Documents};
use super::copy::copy;
use super::{Error, Fetch, Found, Origin, Result};

/// The full name, as containerd writes it.
const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// The name, or the tag alone.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// A layout directory.
#[derive(Clone, Debug)]
pub struct Layout {
    path: PathBuf,
    /// Without links: what lies under the layout has to stay there.
    root: PathBuf,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    image_layout_version: String,
}

/// Finds the image that `name` names, or the only one.
pub fn find(
    path: &Path,
    name: Option<&str>,
    named: Option<&Reference>,
    wanted: &Platform,
) -> Result<Found> {
    let root = path.canonicalize().map_err(Error::file("opening", path))?;
    let layout = Layout {
        path: path.to_owned(),
        root,
    };
    let version: Version = layout.json("oci-layout")?;
    if version.image_layout_version != "1.0.0" {
        let version: String = version
            .image_layout_version
            .escape_debug()
            .take(50)
            .collect();
        return Err(layout.unusable(format!("it is of version `{version}`, not 1.0.0")));
    }
    let index: Index = layout.json("index.json")?;
    let entry = layout.select(index.manifests, name, wanted)?;
    let reference = match named {
        Some(named) => named.clone(),
        None => layout.name_of(&entry)?,
    };
    chain::check_document_size(&entry, &reference.familiar())?;
    let bytes = layout.document(&entry)?;
    let described = chain::describe(&layout, &(entry, bytes), wanted, &reference.familiar())?;
    Ok(Found {
        reference,
        described,
        note: Some(format!("oci:{}", super::file_name(path))),
        origin: Origin::Layout(layout),
    })
}

impl Layout {
    /// Copies a layer.
    pub fn fetch(&self, fetch: Fetch<'_>, progress: &dyn Fn(u64), stop: &AtomicBool) -> Result<()> {
        let path = self.inside(&fetch.layer.descriptor.digest.blob_path())?;
        let mut file = File::open(&path).map_err(Error::file("opening", &path))?;
        copy(&mut file, &path, fetch, progress, stop)
    }

    /// The file of a blob.
    pub fn blob_file(&self, digest: &Digest) -> Result<PathBuf> {
        self.inside(&digest.blob_path())
    }

    /// The entry of `index.json` that is asked for.
    fn select(
        &self,
        entries: Vec<Descriptor>,
        name: Option<&str>,
        wanted: &Platform,
    ) -> Result<Descriptor> {
        let entries: Vec<Descriptor> = (entries.into_iter())
            .filter(Descriptor::may_be_image)
            .collect();
        let all = names(&entries);
        let mut matching: Vec<Descriptor> = (entries.into_iter())
            .filter(|entry| name.is_none_or(|name| is_called(entry, name)))
            .collect();
        let selection = |why: String| Error::Selection {
            path: self.path.clone(),
            why,
            hint: format!(
                "write oci:{}:NAME, where NAME is one of {all}",
                self.path.display()
            ),
        };
        let Some(first) = matching.first().cloned() else {
            return Err(match name {
                Some(name) => selection(format!("holds no image called `{name}`")),
                None => self.unusable("its index.json lists no images"),
            });
        };
        let mut seen = BTreeSet::new();
        matching.retain(|entry| seen.insert(entry.digest));
        if matching.len() > 1 {
            matching.retain(|entry| !self.is_artifact(entry));
        }
        let Some(first) = matching.first().cloned().filter(|_| matching.len() == 1) else {
            return self.select_platform(&matching, &first, wanted, &selection);
        };
        Ok(first)
    }

    /// The best of several entries of one name: an image for several platforms without an index of its own.
    fn select_platform(
        &self,
        matching: &[Descriptor],
        first: &Descriptor,
        wanted: &Platform,
        selection: &dyn Fn(String) -> Error,
    ) -> Result<Descriptor> {
        let one_name = names(matching) == names(std::slice::from_ref(first));
        if !one_name {
            return Err(selection("holds several images".to_owned()));
        }
        let rank = |entry: &Descriptor| match &entry.platform {
            Some(found) => wanted.preference(found),
            None => Some(u32::MAX),
        };
        let best = (matching.iter())
            .filter_map(|entry| Some((rank(entry)?, entry)))
            .min_by_key(|(rank, _)| *rank);
        best.map(|(_, entry)| entry.clone())
            .ok_or_else(|| Error::Platform {
                image: format!("the image in {}", self.path.display()),
                wanted: wanted.to_string(),
                found: (matching.iter())
                    .filter_map(|entry| entry.platform.as_ref().map(ToString::to_string))
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect(),
            })
    }

    /// Whether this is a signature or another artifact, which nobody means who names no image. What cannot be read is for
    /// the one who chooses it to see.
    fn is_artifact(&self, entry: &Descriptor) -> bool {
        entry.kind() == MediaType::Manifest
            && self
                .document(entry)
                .ok()
                .and_then(|bytes| serde_json::from_slice::<Manifest>(&bytes).ok())
                .is_some_and(|manifest| manifest.artifact_type().is_some())
    }

    /// What recipes call the image, where the layout says it in full.
    fn name_of(&self, entry: &Descriptor) -> Result<Reference> {
        let name = [CONTAINERD_NAME, REF_NAME]
            .iter()
            .find_map(|key| entry.annotation(key));
        let full = name.filter(|name| name.contains([':', '/', '@']));
        let Some(full) = full else {
            return Err(Error::Selection {
                path: self.path.clone(),
                why: match name {
                    Some(tag) => format!(
                        "calls the image `{}`, which may be a tag alone",
                        tag.escape_debug()
                    ),
                    None => "does not say what the image is called".to_owned(),
                },
                hint: "say with `--as NAME:TAG` what recipes call it".to_owned(),
            });
        };
        Ok(full.parse()?)
    }

    fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T> {
        let bytes = self.read(&self.inside(name)?, Limits::DEFAULT.document)?;
        serde_json::from_slice(&bytes).map_err(|error| self.unusable(format!("{name}: {error}")))
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>> {
        let file = File::open(path).map_err(Error::file("opening", path))?;
        let mut bytes = Vec::new();
        file.take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(Error::file("reading", path))?;
        if bytes.len() as u64 > limit {
            return Err(self.unusable(format!("{} is larger than {limit} bytes", path.display())));
        }
        Ok(bytes)
    }

    /// The real path of a file of the layout.
    fn inside(&self, name: &str) -> Result<PathBuf> {
        let path = self.root.join(name);
        let real = path.canonicalize().map_err(Error::file("opening", &path))?;
        if !real.starts_with(&self.root) {
            return Err(self.unusable(format!("`{name}` leads out of it")));
        }
        if !real.is_file() {
            return Err(self.unusable(format!("`{name}` is no file")));
        }
        Ok(real)
    }

    fn unusable(&self, why: impl Into<String>) -> Error {
        Error::Layout {
            path: self.path.clone(),
            why: why.into(),
        }
    }
}

impl Documents for Layout {
    fn has(&self, descriptor: &Descriptor) -> bool {
        self.root.join(descriptor.digest.blob_path()).exists()
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let path = self.inside(&descriptor.digest.blob_path())?;
        let bytes = self.read(&path, Limits::DEFAULT.document)?;
        let (expected, actual) = (descriptor.size, bytes.len() as u64);
        if actual != expected {
            return Err(Error::WrongSize {
                path,
                expected,
                actual,
            });
        }
        let (expected, actual) = (descriptor.digest, Digest::of(&bytes));
        if actual != expected {
            return Err(Error::WrongDigest {
                path,
                expected,
                actual,
            });
        }
        Ok(bytes)
    }
}

/// Whether an entry has this name, in full, shortened, or as its digest.
fn is_called(entry: &Descriptor, name: &str) -> bool {
    let same = |own: &str| {
        own == name
            || (own.contains([':', '/', '@'])
                && own
                    .parse::<Reference>()
                    .ok()
                    .is_some_and(|own| name.parse().ok() == Some(own)))
    };
    let digest = name.strip_prefix('@').unwrap_or(name);
    [CONTAINERD_NAME, REF_NAME]
        .iter()
        .filter_map(|key| entry.annotation(key))
        .any(same)
        || digest.parse().ok() == Some(entry.digest)
}

fn names(entries: &[Descriptor]) -> String {
    let mut names: Vec<String> = (entries.iter())
        .map(|entry| {
            let name = entry
                .annotation(REF_NAME)
                .or_else(|| entry.annotation(CONTAINERD_NAME));
            name.map_or_else(
                || format!("@{}", entry.digest),
                |name| name.escape_debug().take(200).collect(),
            )
        })
        .collect();
    names.sort();
    names.dedup();
    names.truncate(20);
    names.join(", ")
}
