//! A disk that takes nothing: what is only noted is not worth a refused pull.

use std::fs;

use crate::client::Registry;
use crate::pushed::push_image;

#[test]
fn reads_go_on_where_nothing_can_be_noted() {
    let registry = Registry::start();
    let (image, layer) = push_image(&registry, "app", Some("1"), "layer");
    // even root can write to no directory as to a file, and make no file below one
    fs::write(registry.store("repositories/app/_pulled"), b"").unwrap();
    let hex = layer.replace("sha256:", "");
    let link = registry.store(&format!("repositories/app/_blobs/sha256/{hex}"));
    fs::remove_file(&link).unwrap();
    fs::create_dir(&link).unwrap();
    for reference in ["1", &image] {
        let path = format!("/v2/app/manifests/{reference}");
        registry.get(&path).assert(200);
    }
    let path = format!("/v2/app/blobs/{layer}");
    registry.ask("HEAD", &path, &[], b"").assert(200);
    registry.get(&path).assert(200);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    for what in [
        "not noted that this was pulled",
        "not noted that this was asked for",
    ] {
        while !registry.log().contains(what) {
            assert!(
                std::time::Instant::now() < deadline,
                "{what}\n{}",
                registry.log()
            );
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
