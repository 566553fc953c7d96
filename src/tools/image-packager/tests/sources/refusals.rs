//! What registries serve that cannot be frozen.

use image_fixture::{Files, Packing};
use registry_fixture::Registry;
use serde_json::{Value, json};

use crate::common::{INDEX, MANIFEST, Place, image};

/// Pushes an image whose manifest was changed.
fn pushed(registry: &Registry, media_type: &str, change: impl Fn(&mut Value)) -> String {
    let files = Files::layout(&image(&[(1, 1000)]), &["x:1"], Packing::Gzip, false);
    for (path, bytes) in &files.files {
        if path.starts_with("blobs/") {
            registry.push_blob("team/app", bytes);
        }
    }
    let bytes = files.get(&format!("blobs/{}", files.target().replace(':', "/")));
    let mut manifest: Value = serde_json::from_slice(bytes).unwrap();
    change(&mut manifest);
    registry
        .push_manifest("team/app", "1", media_type, manifest.to_string().as_bytes())
        .reference
}

#[test]
fn each_is_named_and_the_release_stays_as_it_was() {
    type Change = fn(&mut Value);
    let cases: [(&str, Change, i32, &str); 5] = [
        (
            "foreign layer",
            |manifest| {
                manifest["layers"][0]["mediaType"] =
                    json!("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
            },
            1,
            "may not be distributed",
        ),
        (
            "unknown layer",
            |manifest| manifest["layers"][0]["mediaType"] = json!("application/x-lzip"),
            1,
            "an artifact of type `application/x-lzip`",
        ),
        (
            "artifact",
            |manifest| {
                manifest["config"]["mediaType"] = json!("application/vnd.cncf.helm.config.v1+json");
            },
            1,
            "it is no image but an artifact",
        ),
        (
            "missing layer",
            |manifest| {
                let layer = manifest["layers"][0].clone();
                manifest["layers"] = json!([layer, layer]);
            },
            4,
            "it names 1 layers, and the manifest 2",
        ),
        (
            "compressed layer that is called plain",
            |manifest| {
                manifest["layers"][0]["mediaType"] =
                    json!("application/vnd.oci.image.layer.v1.tar");
            },
            4,
            "it is compressed, but its media type is",
        ),
    ];
    for (what, change, code, says) in cases {
        let registry = Registry::start();
        let reference = pushed(&registry, MANIFEST, change);
        let place = Place::new();
        let before = place.tree();
        place.run(&["freeze", &reference]).bad(code, &[says]);
        assert_eq!(place.tree(), before, "{what}");
        assert!(
            place.blobs().is_empty(),
            "{what}: nothing lies under a final name"
        );
    }
}

#[test]
fn a_blob_that_the_registry_damaged_is_never_kept() {
    let registry = Registry::start();
    let reference = pushed(&registry, MANIFEST, |_| {});
    let packed = Packing::Gzip.pack(&image(&[(1, 1000)]).layers[0]);
    let hex = image_fixture::hex(&packed);
    let stored = registry.storage().join(format!(
        "docker/registry/v2/blobs/sha256/{}/{hex}/data",
        &hex[..2]
    ));
    let mut bytes = std::fs::read(&stored).unwrap();
    bytes[500] ^= 1;
    std::fs::write(&stored, &bytes).unwrap();
    let place = Place::new();
    place.run(&["freeze", &reference]).bad(4, &["has digest"]);
    assert!(place.blobs().is_empty());

    std::fs::write(&stored, packed).unwrap();
    place.run(&["freeze", &reference]).good();
    place.assert_whole();
}

#[test]
fn an_index_without_the_manifest_that_it_names_is_an_error_of_the_registry() {
    let registry = Registry::start();
    pushed(&registry, MANIFEST, |_| {});
    let place = Place::new();
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []});
    let reference = registry
        .push_manifest("team/app", "2", INDEX, index.to_string().as_bytes())
        .reference;
    place.run(&["freeze", &reference]).bad(
        1,
        &["is for no platform that is named, not for linux/amd64"],
    );
}
