//! What packages and jobs look like, and which blobs they need: all of it follows from `images.lock`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use image_archive::{Descriptor, Digest, Reference};

use super::images_lock::{ImagesLock, Layout, LockedImage};
use super::{layer_package, layers, names};

/// Layers below this many bytes stay with their image: a package costs a compile task and a copy a stemcell.
const SMALLEST_PACKAGE: u64 = 16_000_000;
/// For the same reason there is a limit on how many layer packages a release has.
const MOST_PACKAGES: usize = 20;

/// Works out the packages of every image. The layers whose packages save the most go first: bytes, times the images
/// that would carry them otherwise.
pub(crate) fn assign_packages(images: &mut [LockedImage]) {
    let mut bytes: BTreeMap<Digest, u64> = BTreeMap::new();
    for image in images.iter().filter(|image| image.layout == Layout::Split) {
        for layer in image.unique_layers() {
            if layer.size >= SMALLEST_PACKAGE {
                let sum = bytes.entry(layer.digest).or_default();
                *sum = sum.saturating_add(layer.size);
            }
        }
    }
    let mut ranked: Vec<(Digest, u64)> = bytes.into_iter().collect();
    ranked.sort_by_key(|(digest, bytes)| (std::cmp::Reverse(*bytes), *digest));
    let chosen: BTreeSet<Digest> = ranked
        .into_iter()
        .take(MOST_PACKAGES)
        .map(|(digest, _)| digest)
        .collect();
    for image in images {
        let mut packages = vec![image.package.clone()];
        if image.layout == Layout::Split {
            let own = image.unique_layers();
            let own = own.iter().filter(|layer| chosen.contains(&layer.digest));
            packages.extend(own.map(|layer| names::of_layer(&layer.digest)));
        }
        image.packages = packages;
    }
}

/// Packages, jobs and what they share, by path in the release.
pub(crate) fn files(lock: &ImagesLock) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for image in lock.images() {
        let package = format!("packages/{}", image.package);
        files.insert(format!("{package}/spec"), package_spec(image));
        files.insert(format!("{package}/packaging"), packaging(image));
        let job = format!("jobs/{}", image.package);
        files.insert(format!("{job}/spec"), job_spec(image));
        // Directors refuse a job without one.
        files.insert(format!("{job}/monit"), String::new());
        files.insert(format!("{job}/templates/images.lst.erb"), list(image));
        for layer in image
            .packages
            .iter()
            .filter_map(|name| names::layer_of(name))
        {
            let package = format!("packages/{}", names::of_layer(&layer));
            files.insert(format!("{package}/spec"), layer_package::spec(&layer));
            files.insert(
                format!("{package}/packaging"),
                layer_package::PACKAGING.to_owned(),
            );
            for (path, text) in layer_package::SHARED {
                files.insert(format!("src/{path}"), text.to_owned());
            }
        }
    }
    files
}

/// The directories that hold nothing but what is written here.
pub(crate) fn directories(lock: &ImagesLock) -> BTreeSet<String> {
    let mut directories = BTreeSet::new();
    for image in lock.images() {
        directories.insert(format!("jobs/{}", image.package));
        directories.insert(documents_directory(image));
        for package in &image.packages {
            directories.insert(format!("packages/{package}"));
            if names::layer_of(package).is_some() {
                directories.insert("src/layer-v1".to_owned());
            }
        }
    }
    directories
}

/// Blobs of layers that some package needs, with their sizes.
pub(crate) fn layer_blobs(lock: &ImagesLock) -> BTreeMap<Digest, u64> {
    lock.images()
        .iter()
        .filter(|image| image.layout != Layout::Archive)
        .flat_map(|image| &image.layers)
        .map(|layer| (layer.digest, layer.size))
        .collect()
}

/// The path below `blobs` of an image's tarball, if it has one.
pub(crate) fn archive_blob(image: &LockedImage) -> Option<String> {
    let name = &image.package;
    (image.layout == Layout::Archive).then(|| format!("{name}/{name}.tar"))
}

/// Where an image's index, manifest and config lie, as files that people can read and review.
pub(crate) fn documents_directory(image: &LockedImage) -> String {
    format!("src/images/{}", image.package)
}

/// The image's layout without its layers: `oci-layout`, `index.json` and the documents, by path in the release.
pub(crate) fn documents(
    image: &LockedImage,
    first: &Descriptor,
    documents: &[(Digest, &[u8])],
) -> BTreeMap<String, Vec<u8>> {
    let directory = documents_directory(image);
    let mut files = BTreeMap::from([
        (
            format!("{directory}/oci-layout"),
            layer_package::SHARED[0].1.as_bytes().to_vec(),
        ),
        (
            format!("{directory}/index.json"),
            index(&image.reference, first).into_bytes(),
        ),
    ]);
    for (digest, bytes) in documents {
        files.insert(
            format!("{directory}/{}", digest.blob_path()),
            bytes.to_vec(),
        );
    }
    files
}

/// The paths of what [`documents`] makes.
pub(crate) fn document_paths(image: &LockedImage) -> BTreeSet<String> {
    let directory = documents_directory(image);
    let digests = image.documents().into_iter();
    digests
        .map(|digest| digest.blob_path())
        .chain(["oci-layout", "index.json"].map(str::to_owned))
        .map(|path| format!("{directory}/{path}"))
        .collect()
}

/// `index.json` with one entry, annotated with the full reference. It names a platform where that is not what a machine
/// would choose.
pub(crate) fn index(reference: &Reference, first: &Descriptor) -> String {
    let mut index = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": first.media_type,
            "digest": first.digest,
            "size": first.size,
            "annotations": {"org.opencontainers.image.ref.name": reference.to_string()},
        }],
    });
    if let Some(platform) = &first.platform {
        index["manifests"][0]["platform"] = serde_json::json!(platform);
    }
    format!("{index}\n")
}

/// The layers that lie in the image's own package.
fn own_layers(image: &LockedImage) -> Vec<Digest> {
    image
        .unique_layers()
        .iter()
        .map(|layer| layer.digest)
        .filter(|digest| !image.packages.contains(&names::of_layer(digest)))
        .collect()
}

fn package_spec(image: &LockedImage) -> String {
    let name = &image.package;
    let mut spec = format!("---\nname: {name}\n\ndependencies: []\n\nfiles:\n");
    // Writing to a string cannot fail.
    if let Some(blob) = archive_blob(image) {
        let _ = writeln!(spec, "- {blob}");
        return spec;
    }
    for file in ["oci-layout", "index.json"] {
        let _ = writeln!(spec, "- images/{name}/{file}");
    }
    for digest in image.documents() {
        let _ = writeln!(spec, "- images/{name}/{}", digest.blob_path());
    }
    for digest in own_layers(image) {
        let _ = writeln!(spec, "- {}", layers::blob_path(&digest));
    }
    spec
}

/// BOSH runs it with `bash -x`, without `-e` (bosh-agent `agent/compiler`).
fn packaging(image: &LockedImage) -> String {
    let name = &image.package;
    let mut script = "set -eu\nmkdir -p \"$BOSH_INSTALL_TARGET\"\n".to_owned();
    if let Some(blob) = archive_blob(image) {
        let _ = writeln!(script, "mv {blob} \"$BOSH_INSTALL_TARGET/\"");
        return script;
    }
    let _ = writeln!(script, "mv images/{name}/* \"$BOSH_INSTALL_TARGET/\"");
    if !own_layers(image).is_empty() {
        script.push_str("mv layers/sha256/* \"$BOSH_INSTALL_TARGET/blobs/sha256/\"\n");
    }
    script
}

fn job_spec(image: &LockedImage) -> String {
    let name = &image.package;
    let mut spec = format!(
        "---\nname: {name}\n\ndescription: \"Brings the image {} to the job docker of the release containers\"\n\n\
         templates:\n  images.lst.erb: docker-bosh-release-import/{name}.lst\n\npackages:\n",
        image.reference.familiar()
    );
    for package in &image.packages {
        let _ = writeln!(spec, "- {package}");
    }
    spec.push_str("\nproperties: {}\n");
    spec
}

/// What is imported: a tarball, or a layout and the layouts that hold its layers.
fn list(image: &LockedImage) -> String {
    if image.layout == Layout::Archive {
        let name = &image.package;
        return format!("/var/vcap/packages/{name}/{name}.tar\n");
    }
    let mut list = String::new();
    for package in &image.packages {
        let _ = writeln!(list, "/var/vcap/packages/{package}");
    }
    list
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
