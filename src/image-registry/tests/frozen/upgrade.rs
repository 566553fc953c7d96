//! A release is upgraded: its packages are replaced, while clients read and before the next start.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use image_fixture::{Files, Packing, TestImage};

use crate::client::{CI, sha256};
use crate::vm::{Vm, pull, wait_for};

#[test]
fn a_pull_goes_on_while_its_package_is_replaced() {
    let vm = Vm::new();
    // more than sockets hold
    let content: Vec<u8> = (0..24_000_000_u32).map(|at| at.to_le_bytes()[1]).collect();
    let image = TestImage::empty().with_layer(&[("big", &content)]);
    let old = Files::layout(&image, &["app:1"], Packing::Plain, false);
    vm.layout("app", &old);
    let mut registry = vm.registry();
    let digest = sha256(&image.layers[0]);
    let mut stream = TcpStream::connect(registry.address).unwrap();
    let head = format!(
        "GET /v2/library/app/blobs/{digest} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {CI}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0);
    }
    let new = Files::layout(&TestImage::small(2), &["app:2"], Packing::Gzip, false);
    new.write(&vm.package("app", "2"));
    std::fs::remove_dir_all(vm.path("data/packages/app/1")).unwrap();
    let mut body = Vec::new();
    reader.read_to_end(&mut body).unwrap();
    assert_eq!(sha256(&body), digest);
    // who comes now finds that it is gone, and not another's bytes
    registry.get("/v2/library/app/manifests/1").assert(500);
    registry.die_and_start();
    assert_eq!(pull(&registry, "library/app", "2", "").0, new.target());
    registry.get("/v2/library/app/manifests/1").assert(404);
    registry
        .get(&format!("/v2/library/app/blobs/{digest}"))
        .assert(404);
}

#[test]
fn the_conversion_of_a_package_that_is_gone_is_removed() {
    let vm = Vm::new();
    let archive =
        |seed, name: &str| Files::old_archive(&[(&TestImage::small(seed), &[name])]).tarball();
    vm.tarball("app", "app.tar", &archive(1, "app:1"));
    vm.tarball("other", "other.tar", &archive(2, "other:1"));
    let mut registry = vm.registry();
    let count = |registry: &crate::client::Registry| {
        std::fs::read_dir(registry.store("frozen")).unwrap().count()
    };
    wait_for(&registry, "other.tar elapsed_ms");
    wait_for(&registry, "app.tar elapsed_ms");
    assert_eq!(count(&registry), 2);
    let kept = pull(&registry, "library/other", "1", "");
    // a list that cannot be read says nothing of what is needed
    vm.list("broken", "relative\n");
    std::fs::write(vm.package("app", "2").join("app.tar"), archive(3, "app:2")).unwrap();
    registry.die_and_start();
    wait_for(&registry, "app.tar elapsed_ms");
    assert_eq!(count(&registry), 3);
    vm.list("broken", "");
    registry.die_and_start();
    wait_for(
        &registry,
        "conversions of frozen tarballs that no job lists any more are removed",
    );
    assert_eq!(count(&registry), 2);
    pull(&registry, "library/app", "2", "");
    assert_eq!(pull(&registry, "library/other", "1", ""), kept);
    registry.get("/v2/library/app/manifests/1").assert(404);
}
