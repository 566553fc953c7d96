//! Files that were edited by hand, or made to do harm: a named error, and nothing changed.

use std::fs;
use std::os::unix::fs::symlink;

use image_archive::Digest;
use image_fixture::{Packing, TestImage};
use image_packager::image::Frozen;
use image_packager::release::{Error, PutOptions};

use crate::common::{Fetched, Place, fetched, keep_layers, stderr};

fn image() -> Fetched {
    fetched(&TestImage::small(1), "redis:7", Packing::Gzip, true)
}

fn filled() -> Place {
    let place = Place::new();
    place.put(&[&image()], None);
    place
}

#[test]
fn a_lock_that_is_wrong_names_the_property_and_stops_every_change() {
    let place = filled();
    let good = place.read("images.lock");
    for (from, to, named) in [
        ("version: 1", "version: 2", "version"),
        ("  layout: split", "  layout: spread", "layout"),
        ("  platform: linux/", "  platform: linux", "platform"),
        ("- reference: redis:7", "- reference: Redis:7", "reference"),
        (
            "- reference: redis:7",
            "- reference: redis:7\n  owner: me",
            "owner",
        ),
        (
            "  package: redis-7-image",
            "  package: ../../etc",
            "package",
        ),
        ("  package: redis-7-image", "  package: redis", "packages"),
        (
            "  - redis-7-image",
            "  - redis-7-image\n  - docker",
            "packages",
        ),
        ("  digest: sha256:", "  digest: md5:", "digest"),
        ("size: ", "size: -", "size"),
        ("images:", "images: [", "line"),
        ("images:", "pictures:", "pictures"),
    ] {
        assert!(good.contains(from), "{from}\n{good}");
        place.write("images.lock", good.replacen(from, to, 1));
        let before = place.tree();
        let output = place.run(&["remove", "redis:7"]);
        assert_eq!(output.status.code(), Some(2), "{to}");
        let said = stderr(&output);
        assert!(
            said.contains("images.lock is not valid") && said.contains(named),
            "{to}: {said}"
        );
        assert!(said.contains("hint: "));
        assert_eq!(place.tree(), before);
        assert_eq!(place.run(&["verify"]).status.code(), Some(4));
    }
}

#[test]
fn other_files_that_are_wrong_are_named_too() {
    for (file, text) in [
        ("config/blobs.yml", "a: {size: big, sha: x}\n"),
        ("config/blobs.yml", "../../etc/passwd: {size: 1, sha: x}\n"),
        ("config/blobs.yml", "- a\n"),
        ("config/final.yml", "blobstore: {}\n"),
        ("config/final.yml", "name: [\n"),
        ("images.lock", "a: &a [*a]\n"),
        ("images.lock", "\u{0}\u{1}\u{1b}[31m: x"),
    ] {
        let place = filled();
        place.write(file, text);
        let before = place.tree();
        let output = place.run(&["remove", "redis:7"]);
        assert_eq!(output.status.code(), Some(2), "{file} {text}");
        assert!(
            stderr(&output).contains(&format!("{file} is not valid")),
            "{}",
            stderr(&output)
        );
        assert!(!stderr(&output).contains('\u{1b}'));
        assert_eq!(place.tree(), before);
    }
}

#[test]
fn a_bomb_of_aliases_and_an_endless_file_are_refused_in_time() {
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (name, inner) in ["b", "c", "d", "e", "f", "g", "h", "i"]
        .iter()
        .zip(["a", "b", "c", "d", "e", "f", "g", "h"])
    {
        let list = vec![format!("*{inner}"); 10].join(",");
        bomb = format!("{bomb}{name}: &{name} [{list}]\n");
    }
    for file in ["config/blobs.yml", "images.lock"] {
        for text in [bomb.clone(), "a".repeat(17 << 20), "[".repeat(100_000)] {
            let place = filled();
            place.write(file, text);
            let began = std::time::Instant::now();
            let output = place.run(&["list"]);
            assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
            assert!(stderr(&output).len() < 2000);
            assert!(began.elapsed().as_secs() < 20);
        }
    }
}

#[test]
fn nothing_is_written_through_links() {
    for linked in ["packages", "src/images", "jobs", "config"] {
        let place = Place::new();
        let outside = place.beside("outside");
        let path = place.root().join(linked);
        if path.exists() {
            fs::rename(&path, &outside).unwrap();
        } else {
            fs::create_dir(&outside).unwrap();
        }
        symlink(&outside, &path).unwrap();
        let before = fs::read_dir(&outside).unwrap().count();
        let mut release = place.open();
        let image = image();
        keep_layers(&release, &image);
        let error = release
            .put(&[image.frozen], &PutOptions::default())
            .unwrap_err();
        assert!(matches!(error, Error::Link { .. }), "{linked}: {error}");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), before);
        assert!(release.lock().images().is_empty());
    }
}

/// Makes something of an image that of another.
type Spoil = fn(&mut Frozen, &Frozen);

#[test]
fn an_image_that_contradicts_itself_is_refused() {
    let good = image().frozen;
    let other = fetched(&TestImage::small(2), "redis:7", Packing::Gzip, true).frozen;
    let changes: [(&str, Spoil); 9] = [
        ("documents", |image, _| image.documents.clear()),
        ("first document", |image, other| image.digest = other.digest),
        ("has digest", |image, _| image.documents[0].1.push(b' ')),
        ("has digest", |image, _| image.config.0.size += 1),
        ("does not list", |image, other| {
            image.documents[1] = other.documents[1].clone();
        }),
        ("another config", |image, other| {
            image.config = other.config.clone();
        }),
        ("other layers", |image, other| {
            image.layers.clone_from(&other.layers);
        }),
        ("other layers", |image, _| image.layers.clear()),
        ("is for linux", |image, _| {
            image.platform.architecture = "vax".into();
        }),
    ];
    for (named, change) in changes {
        let place = Place::new();
        let mut release = place.open();
        keep_layers(&release, &image());
        let before = place.tree();
        let mut image = good.clone();
        change(&mut image, &other);
        let error = release.put(&[image], &PutOptions::default()).unwrap_err();
        assert!(error.to_string().contains(named), "{named}: {error}");
        assert!(error.is_verification());
        assert_eq!(place.tree(), before);
    }
}

#[test]
fn layers_that_are_absent_or_damaged_are_refused() {
    let place = Place::new();
    let image = image();
    let mut release = place.open();
    let before = place.tree();
    let error = release
        .put(std::slice::from_ref(&image.frozen), &PutOptions::default())
        .unwrap_err();
    assert!(matches!(error, Error::MissingLayer { .. }), "{error}");
    assert_eq!(place.tree(), before);

    let layer = &image.frozen.layers[0];
    let part = release.part_path(&layer.digest).unwrap();
    fs::write(&part, vec![0; usize::try_from(layer.size).unwrap()]).unwrap();
    let error = release.keep_layer(&part, layer).unwrap_err();
    assert!(matches!(error, Error::WrongDigest { .. }), "{error}");
    fs::write(&part, b"short").unwrap();
    for error in [
        release.keep_layer(&part, layer),
        release.keep_checked_layer(&part, layer),
    ] {
        assert!(matches!(error, Err(Error::WrongSize { .. })));
    }
    assert!(!release.layer_path(&layer.digest).exists());
    assert!(part.exists(), "what was fetched is left to be resumed");
    assert!(!release.has_layer(&Digest::of(b"never seen"), 1));
}
