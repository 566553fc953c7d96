//! Tarballs of `docker save`.

use image_fixture::{Files, Packing, TestImage};

use crate::common::{Place, image, tool};

fn write(place: &Place, name: &str, bytes: &[u8]) -> String {
    std::fs::write(place.beside(name), bytes).unwrap();
    format!("docker-archive:{}", place.beside(name).display())
}

#[test]
fn freezes_what_old_and_new_dockers_save() {
    let image = image(&[(1, 300_000), (2, 1000)]);
    let old = Files::old_archive(&[(&image, &["team/app:1"])]).tarball();
    let new = Files::new_archive(&image, &["team/app:1"]).tarball();
    let packed = Packing::Gzip.pack(&old);
    for (name, bytes) in [("old.tar", &old), ("new.tar", &new), ("old.tgz", &packed)] {
        let place = Place::new();
        let source = write(&place, name, bytes);
        let ran = place.run(&["freeze", &source]).good();
        assert!(
            ran.stdout().contains("added team/app:1"),
            "{}",
            ran.stdout()
        );
        assert!(
            place
                .lock()
                .contains(&format!("source: docker-archive:{name}")),
            "{}",
            place.lock()
        );
        place.assert_whole();
    }
}

#[test]
fn freezes_what_skopeo_saves() {
    let place = Place::new();
    let image = image(&[(1, 100_000)]);
    Files::layout(&image, &["team/app:1"], Packing::Gzip, false).write(&place.beside("layout"));
    let layout = format!("oci:{}:team/app:1", place.beside("layout").display());
    let archive = format!("docker-archive:{}", place.beside("saved.tar").display());
    tool(
        "skopeo",
        &["copy", "-q", &layout, &format!("{archive}:team/app:1")],
    );
    place.run(&["freeze", &archive]).good();
    place.assert_whole();
}

#[test]
fn one_of_several_images_is_chosen_by_name() {
    let place = Place::new();
    let (one, two) = (TestImage::small(1), TestImage::small(2));
    let bytes = Files::old_archive(&[(&one, &["one:1", "uno:1"]), (&two, &["two:2"])]).tarball();
    let source = write(&place, "saved.tar", &bytes);
    place
        .run(&["freeze", &source])
        .bad(1, &["several images", "one:1, uno:1, two:2"]);
    place
        .run(&["freeze", &format!("{source}:three")])
        .bad(1, &["holds no image called `three:latest`"]);
    place
        .run(&[
            "freeze",
            &format!("{source}:uno:1"),
            &format!("{source}:two:2"),
        ])
        .good();
    assert!(place.lock().contains("reference: two:2") && place.lock().contains("reference: uno:1"));
    place
        .run(&["freeze", &format!("{source}:one:1"), "--as", "other/name:3"])
        .good();
    assert!(place.lock().contains("reference: other/name:3"));
    place.assert_whole();
}

#[test]
fn a_dry_run_writes_nothing() {
    let place = Place::new();
    let before = place.tree();
    let bytes = Files::new_archive(&TestImage::small(1), &["a:1"]).tarball();
    let source = write(&place, "saved.tar", &bytes);
    let ran = place.run(&["freeze", &source, "--dry-run"]).good();
    assert!(
        ran.stdout().contains("nothing was changed"),
        "{}",
        ran.stdout()
    );
    assert!(
        ran.stdout().contains("to be fetched: 1 layers"),
        "{}",
        ran.stdout()
    );
    assert_eq!(place.tree(), before);
    assert!(place.blobs().is_empty());
}

#[test]
fn refuses_damaged_and_hostile_tarballs_and_leaves_the_release_as_it_was() {
    let image = image(&[(1, 5000)]);
    let old = Files::old_archive(&[(&image, &["a/b:1"])]);
    let listed = |layer: &str| {
        let mut files = old.clone();
        let config = format!("{}.json", image_fixture::hex(&image.config()));
        let list =
            serde_json::json!([{"Config": config, "RepoTags": ["a/b:1"], "Layers": [layer]}]);
        *files.get_mut("manifest.json") = list.to_string().into_bytes();
        files.tarball()
    };
    let mut flipped = old.clone();
    let layer = flipped
        .files
        .iter()
        .position(|(name, _)| name.ends_with("layer.tar"))
        .unwrap();
    flipped.files[layer].1[700] ^= 1;
    let whole = old.tarball();
    let cases: [(&str, Vec<u8>, i32, &str); 7] = [
        ("outside", listed("../../etc/passwd"), 4, "leads out of it"),
        ("absolute", listed("/etc/passwd"), 4, "is missing"),
        ("missing", listed("none/layer.tar"), 4, "is missing"),
        ("flipped", flipped.tarball(), 4, "has diff ID"),
        ("cut", whole[..3000].to_vec(), 4, "is damaged at byte"),
        (
            "no tarball",
            b"hello".repeat(1000),
            4,
            "it is not a tarball",
        ),
        (
            "xz",
            [b"\xfd7zXZ\0".to_vec(), whole].concat(),
            4,
            "xz-compressed data",
        ),
    ];
    for (what, bytes, code, says) in cases {
        let place = Place::new();
        let before = place.tree();
        let source = write(&place, "saved.tar", &bytes);
        place.run(&["freeze", &source]).bad(code, &[says]);
        assert_eq!(place.tree(), before, "{what}");
        assert!(
            place.blobs().is_empty(),
            "{what}: nothing lies under a final name"
        );
    }
}
