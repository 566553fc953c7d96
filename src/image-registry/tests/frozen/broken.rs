//! Lists and images that are broken: a line of the log says so, and the others are served.

use image_fixture::{Files, Packing, TestImage};

use crate::vm::{Vm, pull, wait_for};

fn layout(seed: u8, name: &str) -> Files {
    Files::layout(&TestImage::small(seed), &[name], Packing::Gzip, false)
}

/// The lines of a log that warn.
fn warnings(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.contains(" WARN ")).collect()
}

#[test]
fn what_is_broken_is_a_line_of_the_log_each_and_the_others_are_served() {
    let vm = Vm::new();
    let good = layout(1, "good:1");
    vm.layout("good", &good);
    vm.list("list-a", "/var/vcap/packages/nowhere/x.tar\nrelative.tar\n");
    vm.list("list-b", "\u{0}\u{1}\n");
    let mut lacking = layout(2, "lacking:1");
    let layer = Packing::Gzip.pack(&TestImage::small(2).layers[0]);
    lacking.remove(&format!("blobs/sha256/{}", image_fixture::hex(&layer)));
    vm.layout("lacking", &lacking);
    let mut short = layout(3, "short:1");
    let layer = Packing::Gzip.pack(&TestImage::small(3).layers[0]);
    short
        .get_mut(&format!("blobs/sha256/{}", image_fixture::hex(&layer)))
        .pop();
    vm.layout("short", &short);
    let mut other = layout(4, "other:1");
    let manifest = format!("blobs/sha256/{}", &other.target()["sha256:".len()..]);
    other.get_mut(&manifest)[30] ^= 1;
    vm.layout("other", &other);
    vm.layout("tag-alone", &layout(5, "1"));
    vm.layout("no-json", &{
        let mut files = layout(6, "no-json:1");
        files.get_mut("index.json").truncate(10);
        files
    });
    vm.tarball("no-tar", "x.tar", b"no tarball");
    vm.tarball("empty", "x.tar", b"");
    let mut half = Files::old_archive(&[(&TestImage::small(7), &["half:1"])]).tarball();
    half.truncate(half.len() / 2);
    vm.tarball("half", "x.tar", &half);

    let registry = vm.registry();
    assert_eq!(pull(&registry, "library/good", "1", "").0, good.target());
    wait_for(&registry, "packages/half/x.tar");
    let catalog = registry.get("/v2/_catalog").json();
    assert_eq!(
        catalog["repositories"],
        serde_json::json!(["docker.io/library/good"])
    );
    let log = registry.log();
    let warnings = warnings(&log);
    for (path, why) in [
        ("list-a", "nowhere"),
        ("list-a", "relative.tar"),
        ("list-b", "line 1"),
        ("packages/lacking", "is not there"),
        ("packages/short", "bytes instead of"),
        ("packages/other", "have the digest"),
        ("packages/tag-alone", "tag alone"),
        ("packages/no-json", "index.json"),
        ("packages/no-tar", "tarball"),
        ("packages/empty", "tarball"),
        ("packages/half", "x.tar"),
    ] {
        let told = warnings
            .iter()
            .filter(|line| line.contains(path) && line.contains(why));
        assert_eq!(told.count(), 1, "{path} {why}: {log}");
    }
    assert_eq!(warnings.len(), 11, "{log}");
    let (code, said) = registry.verify();
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("frozen: ") && said.contains("packages/short"));
}

#[test]
fn verify_finds_a_byte_that_changed_in_a_package() {
    let vm = Vm::new();
    let files = layout(1, "app:1");
    vm.layout("app", &files);
    let registry = vm.registry();
    assert_eq!(registry.verify().0, 0);
    let layer = Packing::Gzip.pack(&TestImage::small(1).layers[0]);
    let digest = image_fixture::digest(&layer);
    let blob = vm.path(&format!(
        "packages/app/blobs/sha256/{}",
        image_fixture::hex(&layer)
    ));
    let mut bytes = std::fs::read(&blob).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&blob, bytes).unwrap();
    let (code, said) = registry.verify();
    assert_eq!(code, 4);
    assert!(
        said.contains(&format!("blob {digest}: damaged")) && said.contains("1 faults"),
        "{said}"
    );
}

#[test]
fn a_vm_without_lists_serves_what_is_pushed() {
    let vm = Vm::new();
    let registry = vm.registry();
    registry.push_blob("app", b"x");
    assert_eq!(registry.verify().0, 0);
}
