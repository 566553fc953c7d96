//! skopeo as another tool: it writes the tarballs and layouts, and pulls.

use std::path::Path;
use std::process::Command;

use image_fixture::{Files, Packing, TestImage};

use crate::vm::{Vm, pull, wait_for};

fn skopeo(arguments: &[&str]) -> String {
    let output = Command::new("skopeo")
        .args(["--insecure-policy"])
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn skopeo_pulls_what_it_wrote_in_every_form() {
    let vm = Vm::new();
    let image = TestImage::small(1).with_layer(&[("big", &vec![7; 100_000])]);
    let source = vm.path("source");
    Files::layout(&image, &["docker.io/library/app:1"], Packing::Gzip, false).write(&source);
    let source = format!("oci:{}:docker.io/library/app:1", source.display());
    let path = |package: &str, file: &str| vm.package(package, "1").join(file);
    let (layout, archive, docker) = (
        path("layout", "image"),
        path("archive", "image.tar"),
        path("docker", "image.tar"),
    );
    let to = |form: &str, path: &Path, name: &str| {
        let target = format!("{form}:{}:{name}", path.display());
        skopeo(&["copy", &source, &target]);
    };
    to("oci", &layout, "quay.io/a/layout:1");
    to("oci-archive", &archive, "quay.io/a/archive:1");
    to("docker-archive", &docker, "quay.io/a/docker:1");
    vm.list(
        "images",
        "/var/vcap/packages/layout/image\n/var/vcap/packages/archive/image.tar\n/var/vcap/packages/docker/image.tar\n",
    );
    let registry = vm.registry();
    wait_for(&registry, "a frozen tarball is converted");
    for name in ["layout", "archive", "docker"] {
        let repository = format!("quay.io/a/{name}");
        let (digest, blobs) = pull(&registry, &repository, "1", "");
        assert_eq!(blobs, 3);
        let url = format!("docker://{}/{repository}:1", registry.address);
        let pulled = vm.path(&format!("pulled-{name}"));
        let target = format!("oci:{}:x", pulled.display());
        let login = ["--src-tls-verify=false", "--src-creds", "ci:hunter2"];
        skopeo(
            &[
                &["copy", "--preserve-digests"],
                &login[..],
                &[&url, &target],
            ]
            .concat(),
        );
        let blob = pulled.join(format!("blobs/sha256/{}", &digest["sha256:".len()..]));
        assert!(blob.exists(), "{name}");
        // and it is the image that it was
        let config = image.config_digest();
        let config = pulled.join(format!("blobs/sha256/{}", &config["sha256:".len()..]));
        assert_eq!(std::fs::read(config).unwrap(), image.config(), "{name}");
    }
}
