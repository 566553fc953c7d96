//! What `export` writes, as other tools read it.

use std::fs;
use std::process::Command;

use image_archive::{Layouts, Limits, Platform, Source};
use image_packager::release::Layout;

use crate::commands::small;
use crate::common::{Place, stderr};

#[test]
fn an_exported_archive_and_layout_hold_the_image_and_its_digest() {
    for layout in [Layout::Split, Layout::Archive] {
        let place = Place::new();
        let image = small("quay.io/a/redis:7");
        place.put(&[&image], Some(layout));
        for (format, name) in [("docker-archive", "x.tar"), ("oci", "x")] {
            let path = place.beside(name);
            let to = path.to_str().unwrap();
            let arguments = [
                "export",
                "quay.io/a/redis:7",
                "--format",
                format,
                "--output",
                to,
            ];
            let output = place.run(&arguments);
            assert!(output.status.success(), "{}", stderr(&output));
            let source = Source::open(
                &path,
                &Layouts::default(),
                &Platform::host(),
                Limits::DEFAULT,
            );
            let found = source.unwrap().into_images().remove(0).unwrap();
            found.verify().unwrap();
            assert_eq!(found.name(), "quay.io/a/redis:7");
            assert_eq!(
                found.target().unwrap(),
                image.frozen.digest,
                "{layout} {format}"
            );
            let again = place.run(&arguments);
            assert_eq!(again.status.code(), Some(1));
            assert!(stderr(&again).contains("exists already"));
        }
        assert_eq!(
            fs::read_dir(place.root().join("..")).unwrap().count(),
            3,
            "nothing is left over"
        );
    }
}

#[test]
fn an_archive_goes_to_standard_output_and_damage_never_does() {
    let place = Place::new();
    let image = small("redis:7");
    place.put(&[&image], None);
    let output = place.run(&["export", "redis:7", "--output", "-"]);
    assert!(output.status.success());
    assert_eq!(&output.stdout[257..262], b"ustar");
    let refused = place.run(&["export", "redis:7", "--output", "-", "--format", "oci"]);
    assert_eq!(refused.status.code(), Some(2));

    let path = place.open().layer_path(&image.frozen.layers[0].digest);
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 20;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    let damaged = place.run(&["export", "redis:7", "--output", "-"]);
    assert_eq!(damaged.status.code(), Some(4), "{}", stderr(&damaged));
    assert!(damaged.stdout.is_empty());
}

/// Debian's skopeo, an independent reader; `ci/setup` installs it.
#[test]
fn skopeo_reads_what_is_exported() {
    let place = Place::new();
    let image = small("redis:7");
    place.put(&[&image], None);
    for (format, transport, name) in [
        ("docker-archive", "docker-archive", "x.tar"),
        ("oci", "oci", "x"),
    ] {
        let path = place.beside(name);
        let to = path.to_str().unwrap();
        assert!(
            place
                .run(&["export", "redis:7", "--format", format, "--output", to])
                .status
                .success()
        );
        let copy = place.beside(&format!("copy-of-{name}"));
        let output = Command::new("skopeo")
            .args(["copy", "--insecure-policy"])
            .arg(format!("{transport}:{to}"))
            .arg(format!("dir:{}", copy.display()))
            .output()
            .expect("skopeo is needed: apt-get install skopeo");
        assert!(output.status.success(), "{}", stderr(&output));
        let layer = image.frozen.layers[0].digest.hex();
        if format == "oci" {
            assert!(copy.join(layer).is_file());
        }
    }
}
