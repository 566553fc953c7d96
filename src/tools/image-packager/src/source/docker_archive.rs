//! Images in tarballs of `docker save`, of any version, compressed or not.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use image_archive::{
    Descriptor, Image, Layouts, Limits, Platform, Reference, Source, VerifiedImage,
};

use super::chain::{self, Documents};
use super::copy::copy;
use super::{Error, Fetch, Found, Origin, Progress, Result};

/// A tarball with one image chosen.
#[derive(Clone, Debug)]
pub struct Archive {
    image: VerifiedImage,
    /// A tarball that is there for this program alone.
    own: Option<Arc<OwnFile>>,
}

/// A file that goes when nobody needs it any more.
#[derive(Debug)]
pub struct OwnFile(pub PathBuf);

impl Drop for OwnFile {
    fn drop(&mut self) {
        // It may not have been made; and the next run writes over it.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Finds the image that `name` names, or the only one, and verifies all of it.
pub fn find(
    path: &Path,
    name: Option<&str>,
    named: Option<&Reference>,
    platform: &Platform,
) -> Result<Found> {
    let note = format!("docker-archive:{}", super::file_name(path));
    open(path, name, named, platform, note)
}

/// The same for a tarball of one's own, which goes with the image.
pub fn find_own(
    own: OwnFile,
    name: &str,
    reference: &Reference,
    platform: &Platform,
) -> Result<Found> {
    let find = |name| {
        open(
            &own.0,
            name,
            Some(reference),
            platform,
            "docker-daemon".to_owned(),
        )
    };
    // Asked for by digest, the daemon gives an image without a name.
    let mut found = match find(Some(name)) {
        Err(Error::Selection { .. }) => find(None)?,
        found => found?,
    };
    if let Origin::Archive(archive) = &mut found.origin {
        archive.own = Some(Arc::new(own));
    }
    Ok(found)
}

fn open(
    path: &Path,
    name: Option<&str>,
    named: Option<&Reference>,
    platform: &Platform,
    note: String,
) -> Result<Found> {
    let source = Source::open(path, &Layouts::default(), platform, Limits::DEFAULT)?;
    let (image, own_name) = select(path, source.into_images(), name)?;
    let reference = match (named, own_name) {
        (Some(named), _) => named.clone(),
        (None, Some(own_name)) => own_name,
        (None, None) => {
            return Err(Error::Selection {
                path: path.to_owned(),
                why: "does not say what the image is called".to_owned(),
                hint: "say with `--as NAME:TAG` what recipes call it".to_owned(),
            });
        }
    };
    let archive = Archive {
        image: image.verify()?,
        own: None,
    };
    let first = (archive.image.documents().next())
        .map(|(descriptor, bytes)| (descriptor.clone(), bytes.to_vec()))
        .ok_or_else(|| Error::Selection {
            path: path.to_owned(),
            why: "has no manifest".to_owned(),
            hint: "write it again with `docker save`".to_owned(),
        })?;
    let described = chain::describe(&archive, &first, platform, &reference.familiar())?;
    Ok(Found {
        reference,
        described,
        note: Some(note),
        origin: Origin::Archive(archive),
    })
}

/// The image that is asked for, and its name in the tarball.
fn select(
    path: &Path,
    images: Vec<image_archive::Result<Image>>,
    name: Option<&str>,
) -> Result<(Image, Option<Reference>)> {
    let wanted: Option<Reference> = name.map(str::parse).transpose()?;
    let mut good = Vec::new();
    let mut bad = None;
    for image in images {
        match image {
            Ok(image) => good.push(image),
            Err(error) => bad = Some(error),
        }
    }
    let all: Vec<String> = (good.iter())
        .flat_map(|image| image.references().iter().map(Reference::familiar))
        .collect();
    let selection = |why: String| Error::Selection {
        path: path.to_owned(),
        why,
        hint: format!(
            "write docker-archive:{}:NAME:TAG with one of {}",
            path.display(),
            if all.is_empty() {
                "the names that it has".to_owned()
            } else {
                all.join(", ")
            }
        ),
    };
    if let Some(wanted) = wanted {
        let found = good
            .into_iter()
            .find(|image| image.references().contains(&wanted));
        return match (found, bad) {
            (Some(image), _) => Ok((image, Some(wanted))),
            (None, Some(error)) => Err(error.into()),
            (None, None) => Err(selection(format!(
                "holds no image called `{}`",
                wanted.familiar()
            ))),
        };
    }
    // With a bad one among them nobody knows how many there are.
    if let Some(error) = bad {
        return Err(error.into());
    }
    match good.as_slice() {
        [image] if image.references().len() <= 1 => {
            Ok((image.clone(), image.references().first().cloned()))
        }
        _ => Err(selection(
            "holds an image of several names, or several images".to_owned(),
        )),
    }
}

impl Documents for Archive {
    fn has(&self, descriptor: &Descriptor) -> bool {
        let mut documents = self.image.documents();
        documents.any(|(known, _)| known.digest == descriptor.digest)
            || self.image.image().config_digest() == descriptor.digest
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let config = self.image.config();
        let known = self
            .image
            .documents()
            .find(|(known, _)| known.digest == descriptor.digest);
        Ok(known.map_or(config, |(_, bytes)| bytes).to_vec())
    }
}

impl Archive {
    /// Copies layers, all in one reading.
    pub fn fetch(
        &self,
        layers: &[Fetch<'_>],
        progress: &Progress<'_>,
        stop: &AtomicBool,
    ) -> Result<()> {
        let find = |digest| {
            layers
                .iter()
                .find(|fetch| fetch.layer.descriptor.digest == digest)
        };
        let own = self.own.as_ref().map(|own| own.0.as_path());
        let path = own.unwrap_or_else(|| self.image.image().path());
        self.image
            .read_layers::<Error>(|layer| find(layer.digest).is_some(), &mut |layer, data| {
                match find(layer.digest) {
                    Some(fetch) => copy(
                        data,
                        path,
                        *fetch,
                        &|bytes| progress(fetch.layer, bytes),
                        stop,
                    ),
                    None => Ok(()),
                }
            })
    }
}
