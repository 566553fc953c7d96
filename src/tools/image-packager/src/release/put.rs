//! Putting images into a release, or taking the place of what they were.

use std::collections::BTreeSet;
use std::path::Path;

use image_archive::{Digest, Reference};

use super::change::{Change, Changes, ImageChange};
use super::error::{Error, Result};
use super::images_lock::{ImagesLock, Layout, LockedImage, LockedLayer};
use super::{Release, consistency, names, pins, remake, tree};
use crate::image::Frozen;

/// How images are put into a release.
#[derive(Clone, Debug)]
pub struct PutOptions {
    /// How they are spread over packages; without it, as the image was before, or split.
    pub layout: Option<Layout>,
    /// The name of package and job; without it, what the image had before, or one that is derived from the reference.
    /// Only for a single image.
    pub name: Option<String>,
    /// Bytes of layers of an image above which there is a warning.
    pub warn_size: u64,
    /// Says what would be done, and writes nothing. The layers need not be there.
    pub dry_run: bool,
}

impl PutOptions {
    /// Bytes above which people are usually surprised at what an image costs on a Director: 500 MB.
    pub const WARN_SIZE: u64 = 500_000_000;
}

impl Default for PutOptions {
    fn default() -> Self {
        Self {
            layout: None,
            name: None,
            warn_size: Self::WARN_SIZE,
            dry_run: false,
        }
    }
}

impl Release {
    /// Puts images into the release: documents, packages, jobs, `config/blobs.yml` and `images.lock` change together or
    /// not at all. Images of the same references are replaced; their packages and blobs go, unless others need them.
    ///
    /// The layers must be there ([`Release::keep_layer`]), except for what is unchanged in the layout `archive`.
    ///
    /// # Errors
    /// When an image contradicts itself, a layer is missing or damaged, a name is taken, or the file system refuses. The
    /// release is then as it was.
    pub fn put(&mut self, images: &[Frozen], options: &PutOptions) -> Result<Changes> {
        if let Some(name) = &options.name {
            names::check(name).map_err(|why| Error::BadName {
                name: name.clone(),
                why,
            })?;
            if images.len() > 1 {
                return Err(Error::OneNameForMany {
                    count: images.len(),
                });
            }
        }
        let mut asked = BTreeSet::new();
        let mut new: Vec<LockedImage> = self.lock.images().to_vec();
        let replaced = pins::replaced(&mut new, images);
        for image in images {
            consistency::check(image)?;
            if !asked.insert(&image.reference) {
                return Err(Error::Twice {
                    reference: image.reference.familiar(),
                });
            }
            new.retain(|known| known.reference != image.reference);
            let known = self.lock.find(&image.reference);
            let before = known.or_else(|| pins::predecessor(&replaced, image, &new));
            let mut locked = locked(image, before, options);
            if known.is_none() && options.name.is_none() {
                pins::tell_apart(&mut locked, &new);
            }
            new.push(locked);
        }
        self.check_names(&new)?;
        tree::assign_packages(&mut new);
        let new = ImagesLock::new(new);

        let mut changes = Changes {
            dry_run: options.dry_run,
            ..Changes::default()
        };
        for image in images {
            let Some(now) = new.find(&image.reference) else {
                continue;
            };
            let change = match self.lock.find(&image.reference) {
                None => Change::Added,
                Some(before) if same(before, now) => Change::Unchanged,
                Some(_) => Change::Changed,
            };
            if !options.dry_run {
                self.require_layers(now)?;
            }
            if change != Change::Unchanged {
                changes
                    .warnings
                    .extend(size_warning(now, options.warn_size));
                changes.warnings.extend(depth_warning(now));
            }
            changes.images.push(ImageChange::new(now, change));
        }
        let gone = replaced.iter();
        changes
            .images
            .extend(gone.map(|image| ImageChange::new(image, Change::Removed)));
        let asked: Vec<&Frozen> = images.iter().collect();
        remake::remake(self, new, &asked, changes)
    }

    /// A name must not be anybody else's, in this release or by hand.
    fn check_names(&self, new: &[LockedImage]) -> Result<()> {
        for (number, image) in new.iter().enumerate() {
            let taken = |taken: String| Error::NameTaken {
                reference: image.reference.familiar(),
                name: image.package.clone(),
                taken,
            };
            names::check(&image.package).map_err(|why| Error::BadName {
                name: image.package.clone(),
                why,
            })?;
            if let Some(other) = new[..number]
                .iter()
                .find(|other| other.package == image.package)
            {
                let other = other.reference.familiar();
                return Err(taken(format!("is the name of those of {other}")));
            }
            let ours = self
                .lock
                .images()
                .iter()
                .any(|known| known.package == image.package);
            for directory in ["packages", "jobs"] {
                let path = Path::new(directory).join(&image.package);
                if !ours && self.root.join(&path).symlink_metadata().is_ok() {
                    return Err(taken(format!(
                        "{} has already, without being an image's",
                        path.display()
                    )));
                }
            }
        }
        Ok(())
    }

    fn require_layers(&self, image: &LockedImage) -> Result<()> {
        if remake::has_archive(self, image) {
            return Ok(());
        }
        for layer in image.unique_layers() {
            self.check_layer(&layer.digest, layer.size)
                .map_err(|error| match error {
                    Error::Read { path, source }
                        if source.kind() == std::io::ErrorKind::NotFound =>
                    {
                        Error::MissingLayer {
                            reference: image.reference.familiar(),
                            digest: layer.digest,
                            path,
                        }
                    }
                    error => error,
                })?;
        }
        Ok(())
    }
}

impl ImageChange {
    pub(crate) fn new(image: &LockedImage, change: Change) -> Self {
        Self {
            reference: image.reference.familiar(),
            digest: image.digest.to_string(),
            package: image.package.clone(),
            packages: image.packages.clone(),
            size: image.size(),
            change,
        }
    }
}

fn locked(image: &Frozen, before: Option<&LockedImage>, options: &PutOptions) -> LockedImage {
    let derived = |reference: &Reference| names::of_image(reference);
    let known = before.map(|before| before.package.clone());
    let manifest = image
        .documents
        .last()
        .map_or(image.digest, |(descriptor, _)| descriptor.digest);
    LockedImage {
        reference: image.reference.clone(),
        digest: image.digest,
        nested: nested(image),
        manifest,
        config: image.config.0.digest,
        platform: image.platform.clone(),
        layout: options
            .layout
            .or(before.map(|before| before.layout))
            .unwrap_or_default(),
        package: options
            .name
            .clone()
            .or(known)
            .unwrap_or_else(|| derived(&image.reference)),
        packages: Vec::new(),
        layers: image
            .layers
            .iter()
            .map(|layer| LockedLayer {
                digest: layer.digest,
                size: layer.size,
                media_type: layer.media_type.clone(),
            })
            .collect(),
        source: image.note.clone(),
    }
}

/// The documents between the first and the last.
fn nested(image: &Frozen) -> Vec<Digest> {
    let between = image.documents.len().saturating_sub(2);
    let documents = image.documents.iter().skip(1).take(between);
    documents.map(|(descriptor, _)| descriptor.digest).collect()
}

/// Which layers have packages may depend on other images.
fn same(before: &LockedImage, now: &LockedImage) -> bool {
    let without_packages = |image: &LockedImage| LockedImage {
        packages: Vec::new(),
        ..image.clone()
    };
    without_packages(before) == without_packages(now)
}

fn size_warning(image: &LockedImage, limit: u64) -> Option<String> {
    /// The layers that make it large, rather than all.
    const NAMED: usize = 5;
    if image.size() <= limit {
        return None;
    }
    let mut layers = image.unique_layers();
    layers.sort_by_key(|layer| (std::cmp::Reverse(layer.size), layer.digest));
    let named: Vec<String> = layers
        .iter()
        .take(NAMED)
        .map(|layer| format!("{} {}", megabytes(layer.size), short(&layer.digest)))
        .collect();
    Some(format!(
        "{} has {} of layers, more than {}; the largest are {}",
        image.reference.familiar(),
        megabytes(image.size()),
        megabytes(limit),
        named.join(", ")
    ))
}

/// Layers that Docker's graph drivers stack (moby, `layer/layer_store.go`, `maxLayerDepth`).
const DEEPEST: usize = 125;

fn depth_warning(image: &LockedImage) -> Option<String> {
    let count = image.layers.len();
    (count > DEEPEST).then(|| {
        format!(
            "{} has {count} layers, and engines with a graph driver (overlay2) take {DEEPEST} at most: it can be \
             imported into the containerd image store alone, or has to be built with fewer layers",
            image.reference.familiar()
        )
    })
}

/// Megabytes with one decimal, as registries count them.
#[must_use]
pub fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}

fn short(digest: &Digest) -> String {
    digest
        .to_string()
        .chars()
        .take("sha256:".len() + 12)
        .collect()
}
