//! `image-registry collect-garbage`: what is deleted frees the disk while pushes go on, and nothing that is needed goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::client::Registry;

fn manifest(blobs: &[&str]) -> Value {
    let describe = |digest: &&str| json!({"mediaType": "x/y", "digest": digest, "size": 1});
    json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": describe(&blobs[0]), "layers": blobs[1..].iter().map(describe).collect::<Vec<_>>(),
    })
}

fn collected(registry: &Registry, more: &[&str]) -> String {
    let arguments: Vec<&str> = ["collect-garbage"].iter().chain(more).copied().collect();
    let (code, said) = registry.command(&arguments);
    assert_eq!(code, 0, "{said}");
    said
}

#[test]
fn what_was_deleted_leaves_the_disk_and_what_others_have_stays() {
    let registry = Registry::start();
    let shared = registry.push_blob("a", b"shared");
    registry.push_blob("b", b"shared");
    let own = registry.push_blob("a", &[7; 5000]);
    let first = registry.push_manifest("a", "1", &manifest(&[&shared, &own]));
    registry.push_manifest("b", "1", &manifest(&[&shared]));
    let nothing =
        "freed 0 bytes: 0 blobs that no repository has, after 0 links that no manifest needs\n";
    assert_eq!(collected(&registry, &["--grace", "0"]), nothing);
    registry
        .ask("DELETE", &format!("/v2/a/manifests/{first}"), &[], b"")
        .assert(202);
    assert_eq!(collected(&registry, &[]), nothing, "it was pushed just now");
    let dry = collected(&registry, &["--grace", "0", "--dry-run"]);
    assert!(
        dry.starts_with("would free 5") && dry.contains("after 2 links"),
        "{dry}"
    );
    registry.get(&format!("/v2/a/blobs/{own}")).assert(200);
    let done = collected(&registry, &["--grace", "0"]);
    assert!(
        done.contains("2 blobs") && done.contains("2 links"),
        "{done}"
    );
    assert_eq!(dry.replace("would free", "freed"), done);
    registry.get(&format!("/v2/a/blobs/{own}")).assert(404);
    registry.get(&format!("/v2/a/blobs/{shared}")).assert(404);
    registry.get(&format!("/v2/b/blobs/{shared}")).assert(200);
    let (code, said) = registry.verify();
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_repository_with_a_broken_manifest_keeps_its_blobs_and_others_are_collected() {
    let registry = Registry::start();
    let blob = registry.push_blob("a", b"of a broken manifest");
    let broken = registry.push_manifest("a", "1", &manifest(&[&blob]));
    let idle = registry.push_blob("b", b"idle");
    let hex = broken.replace("sha256:", "");
    std::fs::write(
        registry.store(&format!("blobs/sha256/{}/{hex}", &hex[..2])),
        "{",
    )
    .unwrap();
    assert!(collected(&registry, &["--grace", "0"]).contains("1 blobs"));
    registry.get(&format!("/v2/a/blobs/{blob}")).assert(200);
    registry.get(&format!("/v2/b/blobs/{idle}")).assert(404);
}

#[test]
fn pushes_that_go_on_meanwhile_lose_nothing() {
    let registry = Arc::new(Registry::start());
    let ends = Arc::new(AtomicBool::new(false));
    let pushers: Vec<_> = (0..3)
        .map(|pusher| {
            let (registry, ends) = (registry.clone(), ends.clone());
            std::thread::spawn(move || {
                let repository = format!("r{pusher}");
                let mut rounds = 0;
                while !ends.load(Ordering::SeqCst) {
                    let config = registry.push_blob(&repository, b"{}");
                    let layer =
                        registry.push_blob(&repository, format!("layer {}", rounds % 5).as_bytes());
                    let image = manifest(&[&config, &layer]);
                    let digest = registry.push_manifest(&repository, "1", &image);
                    for blob in [&config, &layer] {
                        registry
                            .get(&format!("/v2/{repository}/blobs/{blob}"))
                            .assert(200);
                    }
                    registry
                        .ask(
                            "DELETE",
                            &format!("/v2/{repository}/manifests/{digest}"),
                            &[],
                            b"",
                        )
                        .assert(202);
                    rounds += 1;
                }
                rounds
            })
        })
        .collect();
    for _ in 0..40 {
        // long enough for a push, short enough for what was pushed before
        collected(&registry, &["--grace", "1"]);
    }
    ends.store(true, Ordering::SeqCst);
    let rounds: i32 = pushers
        .into_iter()
        .map(|pusher| pusher.join().unwrap())
        .sum();
    assert!(rounds > 10, "{rounds}");
    let (code, said) = registry.verify();
    assert_eq!(code, 0, "{said}");
}

#[test]
fn the_socket_is_for_its_owner_alone_and_one_that_nobody_listens_on_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let registry = Registry::start();
    let socket = registry.store("../admin.sock");
    assert_eq!(
        socket.metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
    std::fs::remove_file(&socket).unwrap();
    assert_eq!(registry.command(&["collect-garbage"]).0, 1);
}
