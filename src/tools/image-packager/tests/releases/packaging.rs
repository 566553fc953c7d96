//! What BOSH makes of the packages: the scripts are run as an agent runs them, and the image importer's library reads
//! the outcome.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use image_archive::{Image, Layouts, Limits, Platform, Source};
use image_fixture::{Packing, TestImage};
use image_packager::release::Layout;

use crate::common::{Place, fetched, large};

/// Stages the files that a package's spec lists, as the CLI does, and runs `packaging` as the agent does.
fn compile(place: &Place, package: &str, packages: &Path) {
    let work = tempfile::tempdir().unwrap();
    let spec: serde_yaml::Value =
        serde_yaml::from_str(&place.read(&format!("packages/{package}/spec"))).unwrap();
    for file in spec["files"].as_sequence().unwrap() {
        let file = file.as_str().unwrap();
        let source = ["src", "blobs"]
            .map(|directory| place.root().join(directory).join(file))
            .into_iter()
            .find(|path| path.is_file())
            .unwrap_or_else(|| panic!("{package} has no {file}"));
        let target = work.path().join(file);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(source, target).unwrap();
    }
    let target = packages.join(package);
    fs::create_dir(&target).unwrap();
    let script = place
        .root()
        .join("packages")
        .join(package)
        .join("packaging");
    let output = Command::new("bash")
        .arg("-x")
        .arg(script)
        .current_dir(work.path())
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("BOSH_INSTALL_TARGET", &target)
        .output()
        .unwrap();
    assert!(output.status.success(), "{package}: {output:?}");
}

/// The images that all jobs' lists name, once every package was compiled.
fn imported(place: &Place, packages: &Path) -> Vec<Image> {
    for entry in fs::read_dir(place.root().join("packages")).unwrap() {
        let name = entry.unwrap().file_name();
        compile(place, name.to_str().unwrap(), packages);
    }
    let mut lines: Vec<PathBuf> = Vec::new();
    for job in fs::read_dir(place.root().join("jobs")).unwrap() {
        let list = job.unwrap().path().join("templates/images.lst.erb");
        let text = fs::read_to_string(list).unwrap();
        lines.extend(text.lines().map(|line| {
            packages.join(Path::new(line).strip_prefix("/var/vcap/packages").unwrap())
        }));
    }
    let layouts = Layouts::new(lines.iter().filter(|line| line.is_dir()).cloned());
    let mut images = Vec::new();
    for line in &lines {
        // The layouts of layers list no image.
        if line.display().to_string().contains("layer-v1-") {
            continue;
        }
        let source = Source::open(line, &layouts, &Platform::host(), Limits::DEFAULT).unwrap();
        images.extend(source.into_images().into_iter().map(Result::unwrap));
    }
    images
}

#[test]
fn compiled_packages_hold_the_images_with_the_registrys_digests() {
    for layout in [Layout::Split, Layout::Single, Layout::Archive] {
        let place = Place::new();
        let base = large(TestImage::empty(), 1, 17);
        let mut expected = BTreeMap::new();
        for (name, packing, nested) in [
            ("redis:7", Packing::Plain, true),
            ("registry.example:5000/team/app:1.2", Packing::Gzip, false),
            ("zipped:1", Packing::Zstd, true),
        ] {
            let image = base.clone().with_layer(&[("own", name.as_bytes())]);
            let fetched = fetched(&image, name, packing, nested);
            let zstd_is_unpacked = layout == Layout::Archive && packing == Packing::Zstd;
            expected.insert(
                fetched.frozen.reference.clone(),
                (!zstd_is_unpacked).then_some(fetched.frozen.digest),
            );
            place.put(&[&fetched], Some(layout));
        }
        let packages = tempfile::tempdir().unwrap();
        let images = imported(&place, packages.path());
        assert_eq!(images.len(), 3);
        for image in images {
            image.verify().unwrap();
            let [reference] = image.references() else {
                panic!("{:?}", image.references());
            };
            if let Some(digest) = expected[reference] {
                assert_eq!(image.target().unwrap(), digest, "{reference}");
            }
        }
    }
}

#[test]
fn the_packages_of_one_layer_are_equal_in_two_releases() {
    let (one, other) = (Place::new(), Place::new());
    let base = large(TestImage::empty(), 1, 17);
    let image = |name: &str| {
        let own = base.clone().with_layer(&[("own", name.as_bytes())]);
        fetched(&own, name, Packing::Plain, false)
    };
    one.put(&[&image("a:1")], None);
    other.put(&[&image("b:1")], None);
    let layers = |place: &Place| {
        let mut tree = place.tree();
        tree.retain(|path, _| path.display().to_string().contains("layer-v1"));
        tree
    };
    assert_eq!(layers(&one).len(), 4);
    assert_eq!(layers(&one), layers(&other));
}

#[test]
fn packaging_that_lacks_a_file_fails() {
    let place = Place::new();
    let image = fetched(&TestImage::small(1), "a:1", Packing::Plain, false);
    place.put(&[&image], None);
    let script = place.root().join("packages/a-1-image/packaging");
    let work = tempfile::tempdir().unwrap();
    let status = Command::new("bash")
        .arg(script)
        .current_dir(work.path())
        .env("BOSH_INSTALL_TARGET", work.path().join("target"))
        .output()
        .unwrap()
        .status;
    assert!(!status.success());
}

/// With the BOSH CLI on the PATH; without it, the golden fingerprint of a layer's package has to do.
#[test]
fn the_bosh_cli_takes_the_release_and_computes_the_same_fingerprints_twice() {
    if Command::new("bosh").arg("--version").output().is_err() {
        println!("there is no bosh on the PATH: nothing was tried");
        return;
    }
    let fingerprints = || {
        let place = Place::new();
        let image = large(TestImage::empty(), 1, 17).with_layer(&[("own", b"x")]);
        place.put(&[&fetched(&image, "redis:7", Packing::Gzip, true)], None);
        place.put(
            &[&fetched(
                &TestImage::small(1),
                "old:1",
                Packing::Plain,
                false,
            )],
            Some(Layout::Archive),
        );
        let output = Command::new("bosh")
            .args(["--non-interactive", "create-release", "--force"])
            .current_dir(place.root())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        // The CLI deletes blobs that config/blobs.yml does not list.
        assert_eq!(place.open().verify().problems, []);
        let text = place.read("dev_releases/images/images-0+dev.1.yml");
        let manifest: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        let of = |kind: &str| -> Vec<(String, String)> {
            let items = manifest[kind].as_sequence().unwrap();
            items
                .iter()
                .map(|item| {
                    ["name", "fingerprint"]
                        .map(|key| item[key].as_str().unwrap().to_owned())
                        .into()
                })
                .collect()
        };
        (of("packages"), of("jobs"))
    };
    let (packages, jobs) = fingerprints();
    assert_eq!((packages.len(), jobs.len()), (3, 2));
    assert_eq!(fingerprints(), (packages, jobs));
}
