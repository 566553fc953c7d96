//! What changes in a release when images come and go, and what does not.

use std::fs;

use image_fixture::{Packing, TestImage};
use image_packager::release::{Access, Change, Error, Layout, PutOptions, Release};

use crate::common::{Fetched, Place, fetched, keep_layers, large, reference};

/// Two images that share a layer of 17 MB, each with a small one of its own.
fn pair() -> (Fetched, Fetched) {
    let base = large(TestImage::empty(), 1, 17);
    let image = |name: &str| {
        let own = base.clone().with_layer(&[("own", name.as_bytes())]);
        fetched(&own, name, Packing::Plain, true)
    };
    (image("redis:7"), image("team/app:1.2"))
}

#[test]
fn images_share_the_packages_and_blobs_of_their_layers() {
    let place = Place::new();
    let (redis, app) = pair();
    let changes = place.put(&[&redis, &app], None);
    assert_eq!(changes.packages_added.len(), 3, "{changes:?}");
    assert_eq!(changes.blobs_added.len(), 3);
    let release = place.open();
    let images = release.lock().images();
    assert_eq!(images[0].packages[1], images[1].packages[1]);
    assert_eq!(images[0].packages[0], "redis-7-image");
    assert_eq!(release.blobs().entries().len(), 3);
    assert_eq!(release.verify().problems, []);
}

#[test]
fn the_same_again_changes_nothing() {
    let place = Place::new();
    let (redis, _) = pair();
    place.put(&[&redis], None);
    let before = place.tree();
    let changes = place.put(&[&redis], None);
    assert!(changes.is_empty(), "{changes:?}");
    assert_eq!(changes.images[0].change, Change::Unchanged);
    assert_eq!(place.tree(), before);
}

#[test]
fn the_same_images_give_the_same_files_in_any_order_and_layout() {
    let (redis, app) = pair();
    for layout in [Layout::Split, Layout::Single, Layout::Archive] {
        let (one, other) = (Place::new(), Place::new());
        one.put(&[&redis, &app], Some(layout));
        other.put(&[&app], Some(layout));
        other.put(&[&redis], Some(layout));
        assert_eq!(one.tree(), other.tree());
    }
}

#[test]
fn a_new_version_replaces_packages_and_keeps_the_shared_ones() {
    let place = Place::new();
    let (redis, app) = pair();
    place.put(&[&redis, &app], None);
    let image = large(TestImage::empty(), 1, 17).with_layer(&[("own", b"newer")]);
    let newer = fetched(&image, "redis:7", Packing::Plain, true);
    let changes = place.put(&[&newer], None);
    assert_eq!(changes.images[0].change, Change::Changed);
    assert_eq!(
        (changes.packages_added.len(), changes.packages_removed.len()),
        (0, 0)
    );
    assert_eq!(
        (changes.blobs_added.len(), changes.blobs_removed.len()),
        (1, 1)
    );
    let release = place.open();
    assert_eq!(release.verify().problems, []);
    let old = redis.frozen.layers[1].digest;
    assert!(!release.layer_path(&old).exists());
}

#[test]
fn removing_an_image_leaves_what_others_need_and_what_is_not_ours() {
    let place = Place::new();
    place.write(
        "config/blobs.yml",
        "theirs.tgz:\n  size: 3\n  object_id: abc\n  sha: sha256:00\n",
    );
    place.write("packages/theirs/spec", "---\nname: theirs\n");
    let before = place.tree();
    let (redis, app) = pair();
    place.put(&[&redis], None);
    let with_redis = place.tree();
    place.put(&[&app], None);
    let mut release = place.open();
    let changes = release.remove(&[reference("team/app:1.2")], false).unwrap();
    assert_eq!(changes.packages_removed, ["team-app-1.2-image"]);
    assert_eq!(changes.blobs_removed.len(), 1);
    drop(release);
    assert_eq!(place.tree(), with_redis);
    place.open().remove(&[reference("redis:7")], false).unwrap();
    let mut empty = place.tree();
    assert_eq!(
        empty.remove(std::path::Path::new("images.lock")),
        before.get(std::path::Path::new("images.lock")).cloned()
    );
    for (path, bytes) in empty {
        assert_eq!(before.get(&path), Some(&bytes), "{}", path.display());
    }
}

#[test]
fn the_name_in_the_blobstore_is_kept_and_reported_when_its_blob_goes() {
    let place = Place::new();
    let (redis, _) = pair();
    place.put(&[&redis], None);
    let uploaded =
        place
            .read("config/blobs.yml")
            .replacen("  sha:", "  object_id: an-id\n  sha:", 1);
    place.write("config/blobs.yml", &uploaded);
    let (_, app) = pair();
    place.put(&[&app], None);
    assert!(place.read("config/blobs.yml").contains("object_id: an-id"));
    let all = [reference("redis:7"), reference("team/app:1.2")];
    let changes = place.open().remove(&all, false).unwrap();
    let ids: Vec<_> = changes
        .blobs_removed
        .iter()
        .filter_map(|blob| blob.object_id.clone())
        .collect();
    assert_eq!(ids, ["an-id"]);
    assert_eq!(place.read("config/blobs.yml"), "--- {}\n");
}

#[test]
fn a_layout_and_a_name_stay_until_others_are_asked_for() {
    let place = Place::new();
    let (redis, _) = pair();
    let mut release = place.open();
    keep_layers(&release, &redis);
    let options = PutOptions {
        layout: Some(Layout::Archive),
        name: Some("cache".into()),
        ..PutOptions::default()
    };
    release
        .put(std::slice::from_ref(&redis.frozen), &options)
        .unwrap();
    // What went into the tarball is not there twice.
    assert!(!release.layer_path(&redis.frozen.layers[0].digest).exists());
    assert_eq!(
        release.blobs().entries().keys().collect::<Vec<_>>(),
        ["cache/cache.tar"]
    );
    let changes = release
        .put(std::slice::from_ref(&redis.frozen), &PutOptions::default())
        .unwrap();
    assert!(changes.is_empty(), "{changes:?}");
    assert_eq!(release.verify().problems, []);

    keep_layers(&release, &redis);
    let options = PutOptions {
        layout: Some(Layout::Split),
        name: Some("store".into()),
        ..PutOptions::default()
    };
    let changes = release
        .put(std::slice::from_ref(&redis.frozen), &options)
        .unwrap();
    assert_eq!(changes.packages_removed, ["cache"]);
    drop(release);
    assert_eq!(place.open().verify().problems, []);
    assert!(
        place
            .tree()
            .keys()
            .all(|path| !path.display().to_string().contains("cache"))
    );
}

#[test]
fn a_dry_run_tells_what_would_be_done_and_does_nothing() {
    let (place, other) = (Place::new(), Place::new());
    let (redis, app) = pair();
    place.put(&[&app], None);
    other.put(&[&app], None);
    let before = place.tree();
    let options = PutOptions {
        dry_run: true,
        ..PutOptions::default()
    };
    let mut release = Release::open(&place.root(), Access::Read).unwrap();
    let told = release
        .put(std::slice::from_ref(&redis.frozen), &options)
        .unwrap();
    assert_eq!(place.tree(), before);
    let mut done = other.put(&[&redis], None);
    done.dry_run = true;
    assert_eq!(told, done);
}

#[test]
fn names_that_collide_are_refused_and_nothing_is_changed() {
    let place = Place::new();
    place.write("packages/redis-7-image/spec", "---\nname: redis-7-image\n");
    let (redis, _) = pair();
    let before = place.tree();
    let mut release = place.open();
    keep_layers(&release, &redis);
    let error = release
        .put(std::slice::from_ref(&redis.frozen), &PutOptions::default())
        .unwrap_err();
    assert!(matches!(error, Error::NameTaken { .. }), "{error}");
    assert!(error.hint().unwrap().contains("--name"));
    let mut after = place.tree();
    after.retain(|path, _| !path.starts_with("blobs"));
    assert_eq!(after, before);

    let dashed = fetched(&TestImage::small(1), "redis-7:x", Packing::Plain, false);
    let colon = fetched(&TestImage::small(1), "redis:7-x", Packing::Plain, false);
    keep_layers(&release, &dashed);
    let error = release
        .put(&[dashed.frozen, colon.frozen], &PutOptions::default())
        .unwrap_err();
    assert!(error.to_string().contains("redis-7-x-image"), "{error}");
}

#[test]
fn a_large_image_is_warned_of_with_the_layers_that_make_it_large() {
    let place = Place::new();
    let (redis, _) = pair();
    let release = &mut place.open();
    keep_layers(release, &redis);
    let options = PutOptions {
        warn_size: 10_000_000,
        ..PutOptions::default()
    };
    let changes = release
        .put(std::slice::from_ref(&redis.frozen), &options)
        .unwrap();
    let layer = redis.frozen.layers[0].digest.to_string();
    assert_eq!(changes.warnings.len(), 1);
    assert!(
        changes.warnings[0].contains(&layer[..19]),
        "{}",
        changes.warnings[0]
    );
    let said = "redis:7 has 17.8 MB of layers, more than 10.0 MB; the largest are 17.8 MB ";
    assert!(
        changes.warnings[0].starts_with(said),
        "{}",
        changes.warnings[0]
    );
}

#[test]
fn git_hiding_documents_is_warned_of() {
    let place = Place::new();
    place.write(".gitignore", "blobs\n");
    let changes = place.put(
        &[&fetched(&TestImage::small(1), "a:1", Packing::Plain, false)],
        None,
    );
    assert!(
        changes
            .warnings
            .iter()
            .any(|warning| warning.contains("/blobs")),
        "{changes:?}"
    );
    // What `new` makes has no such trouble.
    let place = Place::new();
    let changes = place.put(
        &[&fetched(&TestImage::small(1), "a:1", Packing::Plain, false)],
        None,
    );
    assert_eq!(changes.warnings, [""; 0]);
}

#[test]
fn a_checked_layer_is_hashed_again_once_it_was_touched() {
    let place = Place::new();
    let image = fetched(&TestImage::small(1), "a:1", Packing::Plain, false);
    place.put(&[&image], None);
    let layer = &image.frozen.layers[0];
    let release = place.open();
    assert!(release.has_layer(&layer.digest, layer.size));
    let path = release.layer_path(&layer.digest);
    let mut bytes = fs::read(&path).unwrap();
    bytes[700] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(!release.has_layer(&layer.digest, layer.size));
    assert!(!place.open_again().has_layer(&layer.digest, layer.size));
}

impl Place {
    fn open_again(&self) -> Release {
        Release::open(&self.root(), Access::Read).unwrap()
    }
}

#[test]
fn more_layers_than_a_graph_driver_takes_are_warned_of() {
    let layered = |count: u8| {
        (0..count).fold(TestImage::empty(), |image, number| {
            image.with_layer(&[("number", &[number])])
        })
    };
    let place = Place::new();
    let image = fetched(&layered(125), "deep:125", Packing::Plain, false);
    assert_eq!(place.put(&[&image], None).warnings, [""; 0]);
    let image = fetched(&layered(126), "deep:126", Packing::Plain, false);
    let changes = place.put(&[&image], None);
    assert_eq!(changes.warnings.len(), 1);
    assert!(
        changes.warnings[0].starts_with("deep:126 has 126 layers, and engines with a graph driver"),
        "{}",
        changes.warnings[0]
    );
}
