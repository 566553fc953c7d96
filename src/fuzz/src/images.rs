//! What holds of every image that is taken, and of every error in its place.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use image_archive::{
    Digest, DockerArchive, Error, Image, Layouts, Limits, Plan, Platform, Reference, Source,
    VerifiedImage, ZstdLayers,
};

use crate::{check_error, place};

/// Bytes of a written archive beside the layers.
const DOCUMENTS: u64 = 1 << 20;

/// Small, so that breaking them is found.
pub const LIMITS: Limits = Limits {
    document: 64 << 10,
    documents: 256 << 10,
    entries: 1000,
    names: 64 << 10,
    unpacked: 1 << 20,
    ratio: 50,
};

/// Opens what lies at `path`, and verifies it. `known` are the digests of all bytes that lie there; of others, an image has none.
/// Gives the config digests and names of what was found, or an error.
pub fn open(path: &Path, known: Option<&BTreeSet<Digest>>) -> Result<Vec<String>, Error> {
    // all CI machines have this one
    let platform = Platform {
        os: "linux".into(),
        architecture: "amd64".into(),
        variant: None,
        os_features: None,
    };
    let named = path.display().to_string();
    let source = Source::open(path, &Layouts::default(), &platform, LIMITS)
        .inspect_err(|error| check_error(error, &named))?;
    let mut found = Vec::new();
    for image in source.into_images() {
        let image = match image {
            Ok(image) => image,
            Err(error) => {
                // of an image: it names that, and the path in its cause
                check_error(&error, "");
                found.push("an error".to_owned());
                continue;
            }
        };
        let references: Vec<String> = image
            .references()
            .iter()
            .map(Reference::to_string)
            .collect();
        for reference in image.references() {
            assert_eq!(
                reference.to_string().parse::<Reference>().as_ref().ok(),
                Some(reference)
            );
        }
        found.push(format!("{} {references:?}", image.config_digest()));
        match image.verify() {
            Ok(verified) => check_verified(&image, &verified, known),
            Err(error) => check_error(&error, &named),
        }
    }
    Ok(found)
}

fn check_verified(image: &Image, verified: &VerifiedImage, known: Option<&BTreeSet<Digest>>) {
    let mut digests = vec![image.config_digest()];
    for layer in verified.layers() {
        digests.extend([layer.digest, layer.diff_id]);
    }
    if let Some(known) = known {
        for digest in digests {
            assert!(known.contains(&digest), "{digest} lies elsewhere");
        }
    }
    let diff_ids = image
        .diff_ids()
        .expect("a verified image has a good config");
    let verified_ids: Vec<Digest> = verified
        .layers()
        .iter()
        .map(|layer| layer.diff_id)
        .collect();
    assert_eq!(diff_ids, verified_ids);
    let target = image.target().expect("a verified image has a target");
    for zstd in [ZstdLayers::Keep, ZstdLayers::Unpack] {
        check_archive(image, verified, target, zstd);
    }
}

/// What is written for an engine is the same image.
fn check_archive(image: &Image, verified: &VerifiedImage, target: Digest, zstd: ZstdLayers) {
    let plan = Plan {
        zstd,
        ..Plan::default()
    };
    let archive = DockerArchive::new(verified.clone(), plan);
    let length = archive.length().expect("a length");
    let mut bytes = Vec::new();
    archive.write(&mut bytes).expect("writing to memory");
    assert_eq!(bytes.len() as u64, length, "the length that was announced");
    let unpacked: u64 = verified
        .layers()
        .iter()
        .map(|layer| layer.size.max(layer.unpacked_size.unwrap_or_default()) + 2048)
        .sum();
    assert!(length <= unpacked + DOCUMENTS);
    let path = place().join("written.tar");
    fs::write(&path, &bytes).expect("writing to memory");
    let platform = Platform {
        os: "linux".into(),
        architecture: "amd64".into(),
        variant: None,
        os_features: None,
    };
    let source = Source::open(&path, &Layouts::default(), &platform, Limits::DEFAULT);
    let images = source
        .expect("what was written is an archive")
        .into_images();
    assert_eq!(images.len(), 1, "{images:?}");
    let again = images
        .into_iter()
        .next()
        .expect("an image")
        .expect("a good image");
    assert_eq!(again.config_digest(), image.config_digest());
    let tags = |image: &Image| -> BTreeSet<Reference> {
        image
            .references()
            .iter()
            .filter_map(Reference::tagged)
            .collect()
    };
    assert_eq!(tags(&again), tags(image));
    let verified_again = again.verify().expect("what was written is whole");
    assert_eq!(again.diff_ids().ok(), image.diff_ids().ok());
    assert_eq!(verified_again.layers().len(), verified.layers().len());
    if zstd == ZstdLayers::Keep {
        assert_eq!(
            again.target().ok(),
            Some(target),
            "its digest in the containerd store"
        );
    }
}
