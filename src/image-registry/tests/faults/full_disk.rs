//! A disk that is full at each step of a push: a reason, nothing left behind, and everything that was there is served.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::client::{Answer, Registry};
use crate::observed::{assert_whole, manifest, names};

/// A file system of its own in place of the store, gone when dropped.
struct SmallDisk(PathBuf);

#[derive(Clone, Copy, Debug)]
enum Scarce {
    Bytes,
    Files,
}

const PAGE: u64 = 4096;

impl SmallDisk {
    fn mount(registry: &mut Registry) -> Self {
        let disk = Self(registry.store(""));
        let options = ["-t", "tmpfs", "-o", "mode=0700", "image-registry-test"];
        run(Command::new("mount").args(options).arg(&disk.0));
        disk.has_room();
        registry.die_and_start();
        disk
    }

    /// Leaves so many pages or files of room.
    fn leave(&self, scarce: Scarce, spare: u64) {
        let used = rustix::fs::statvfs(&self.0).unwrap();
        let pages = used.f_blocks - used.f_bfree + spare;
        let files = used.f_files - used.f_ffree + spare;
        match scarce {
            Scarce::Bytes => self.resize(&format!("size={}", pages * PAGE)),
            Scarce::Files => self.resize(&format!("nr_inodes={files}")),
        }
    }

    fn has_room(&self) {
        self.resize("size=64m,nr_inodes=100000");
    }

    fn resize(&self, options: &str) {
        let options = format!("remount,{options}");
        run(Command::new("mount").args(["-o", &options]).arg(&self.0));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// Pushes an image that was never there; the step that failed and its answer, if one did.
fn push(registry: &Registry, number: u64) -> Option<(&'static str, Answer)> {
    let repository = format!("team{number}/app");
    let step =
        |name, answer: Answer, expected| (answer.status != expected).then_some((name, answer));
    let layer = format!("layer {number}").repeat(2000).into_bytes();
    let config = format!("{{\"number\": {number}}}").into_bytes();
    let digest = crate::client::sha256;

    let uploads = format!("/v2/{repository}/blobs/uploads/");
    let begun = registry.ask("POST", &uploads, &[], b"");
    let upload = begun.header("location").to_owned();
    if let Some(failed) = step("begin", begun, 202) {
        return Some(failed);
    }
    let sent = registry.ask("PATCH", &upload, &[], &layer);
    if let Some(failed) = step("send", sent, 202) {
        return Some(failed);
    }
    let end = format!("{upload}?digest={}", digest(&layer));
    if let Some(failed) = step("end", registry.ask("PUT", &end, &[], b""), 201) {
        return Some(failed);
    }
    let whole = format!("{uploads}?digest={}", digest(&config));
    if let Some(failed) = step("at once", registry.ask("POST", &whole, &[], &config), 201) {
        return Some(failed);
    }
    let mut image = manifest(&digest(&config), &[&digest(&layer)]);
    image["subject"] = json!({"mediaType": "x/y", "digest": digest(b"subject"), "size": 7});
    let headers = [("Content-Type", image["mediaType"].as_str().unwrap())];
    let path = format!("/v2/{repository}/manifests/1");
    let put = registry.ask("PUT", &path, &headers, image.to_string().as_bytes());
    step("manifest", put, 201)
}

#[test]
fn pushes_onto_a_full_disk_get_507_at_every_step_and_succeed_once_there_is_room() {
    let mut registry = Registry::start();
    let disk = SmallDisk::mount(&mut registry);
    let kept = registry.push_blob("kept", &[7; 9000]);
    let image = manifest(&kept, &[]);
    registry.push_manifest("kept", "1", &image);
    let is_served = |registry: &Registry| {
        registry.get("/v2/kept/manifests/1").assert(200);
        let blob = registry.get(&format!("/v2/kept/blobs/{kept}"));
        assert_eq!(blob.assert(200).body, [7; 9000]);
    };
    let mut number = 0;
    for (scarce, expected) in [
        (Scarce::Files, &["begin", "end", "at once", "manifest"][..]),
        (Scarce::Bytes, &["begin", "send"][..]),
    ] {
        let mut failed = Vec::new();
        for spare in 0_u64.. {
            number += 1;
            disk.leave(scarce, spare);
            let push = push(&registry, number);
            is_served(&registry);
            assert_eq!(
                names(&registry.store("uploads")),
                [""; 0],
                "{scarce:?}, {spare} left"
            );
            let Some((step, answer)) = push else {
                break;
            };
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert_eq!(
                answer.status, 507,
                "{scarce:?}, {spare} left, {step}: {text}"
            );
            assert!(text.contains("disk is full"), "{text}");
            failed.push(step);
            assert!(spare < 100, "it never has enough: {failed:?}");
        }
        for step in expected {
            assert!(
                failed.contains(step),
                "{scarce:?}: {step} never failed: {failed:?}"
            );
        }
        disk.has_room();
        number += 1;
        assert!(push(&registry, number).is_none());
        assert_whole(&registry);
    }

    disk.leave(Scarce::Files, 0);
    disk.leave(Scarce::Bytes, 0);
    registry.die_and_start();
    is_served(&registry);
    assert_whole(&registry);
    let tag = registry.ask("DELETE", "/v2/kept/manifests/1", &[], b"");
    tag.assert(202);
    let (code, said) = registry.command(&["collect-garbage", "--grace", "0"]);
    assert_eq!(code, 0, "{said}");
    disk.has_room();
    number += 1;
    assert!(push(&registry, number).is_none());
    assert_whole(&registry);
}
