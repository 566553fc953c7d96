//! Images whose digests are all true and whose content is hostile, brought into a real dockerd: nothing outside of the engine's
//! data changes, and the program's memory is bounded. What is refused before it reaches the engine is tested in `image-archive`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Vm, on_each_store};
use image_fixture::{Files, Packing, TestImage};
use tar::EntryType;

/// An entry with any name at all: `tar` itself writes none that leads out.
fn entry(tarball: &mut Vec<u8>, kind: EntryType, name: &str, link: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o6755);
    header.set_size(bytes.len() as u64);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.name[..name.len()].copy_from_slice(name.as_bytes());
    gnu.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    tarball.extend_from_slice(header.as_bytes());
    tarball.extend_from_slice(bytes);
    tarball.resize(tarball.len().next_multiple_of(512), 0);
}

/// A file, link or device of a layer: what it is, its name, and its content or target.
type Member = (EntryType, String, String);

/// Layers that try to write to the directory `outside`, each in another way.
fn climbers(outside: &str) -> Vec<(&'static str, Vec<u8>)> {
    let up = "../".repeat(16);
    let relative = outside.trim_start_matches('/');
    let ways: [(&str, &[Member]); 6] = [
        (
            "a name with ..",
            &[(
                EntryType::Regular,
                format!("{up}{relative}/new"),
                String::new(),
            )],
        ),
        (
            "an absolute name",
            &[(EntryType::Regular, format!("{outside}/new"), String::new())],
        ),
        (
            "a symbolic link to a directory",
            &[
                (EntryType::Symlink, "l".into(), outside.to_owned()),
                (EntryType::Regular, "l/new".into(), String::new()),
            ],
        ),
        (
            "a symbolic link upwards",
            &[
                (EntryType::Symlink, "l".into(), format!("{up}{relative}")),
                (EntryType::Regular, "l/kept".into(), String::new()),
            ],
        ),
        (
            "a hard link",
            &[
                (EntryType::Link, "l".into(), format!("{up}{relative}/kept")),
                (EntryType::Regular, "l".into(), String::new()),
            ],
        ),
        (
            "a whiteout",
            &[(
                EntryType::Regular,
                format!("{up}{relative}/.wh.kept"),
                String::new(),
            )],
        ),
    ];
    ways.into_iter()
        .map(|(way, entries)| {
            let mut tarball = Vec::new();
            for (kind, name, link) in entries {
                let bytes: &[u8] = if *kind == EntryType::Regular {
                    b"evil"
                } else {
                    b""
                };
                entry(&mut tarball, *kind, name, link, bytes);
            }
            tarball.resize(tarball.len() + 1024, 0);
            (way, tarball)
        })
        .collect()
}

fn assert_untouched(outside: &Path, way: &str) {
    let names: Vec<_> = fs::read_dir(outside)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["kept"], "{way}");
    assert_eq!(fs::read(outside.join("kept")).unwrap(), b"mine", "{way}");
}

#[test]
fn no_layer_writes_outside_of_the_engine() {
    on_each_store(|_, vm| {
        let outside = vm.path("o");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "mine").unwrap();
        for (number, (way, layer)) in climbers(outside.to_str().unwrap()).into_iter().enumerate() {
            let mut image = TestImage::empty();
            image.layers.push(layer);
            let name = format!("climber:{number}");
            vm.layout(
                &name,
                &Files::layout(&image, &[&name], Packing::Gzip, false),
            );
            vm.list(&[&name]);
            let ended = vm.import();
            // the engine may take it, within its own root, or refuse it
            assert!(matches!(ended.code, Some(0 | 1)), "{way}: {}", ended.stderr);
            assert_untouched(&outside, way);
        }
    });
}

#[test]
fn a_bomb_within_a_bomb_costs_disk_that_the_engine_reports_and_no_memory() {
    const UNPACKED: usize = 300 << 20;
    let mut image = TestImage::empty();
    let mut layer = Vec::with_capacity(UNPACKED + 2048);
    entry(
        &mut layer,
        EntryType::Regular,
        "zeros",
        "",
        &vec![0; UNPACKED],
    );
    layer.resize(layer.len() + 1024, 0);
    image.layers.push(layer);
    let layout = Files::layout(&image, &["bomb:1"], Packing::Gzip, false);
    let bomb = Packing::Gzip.pack(&layout.tarball());
    assert!(bomb.len() < 4 << 20, "{} bytes", bomb.len());
    drop(image);
    on_each_store(|_, vm| {
        vm.file("bomb.tgz", &bomb);
        vm.list(&["bomb.tgz"]);
        let (code, peak) = import_and_watch(vm);
        assert!(matches!(code, Some(0 | 1)), "exit code {code:?}");
        assert!(peak < 100 << 10, "the import took {peak} KiB");
    });
}

/// Runs the program; its exit code, and the most memory that it had, in KiB.
fn import_and_watch(vm: &Vm) -> (Option<i32>, u64) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_image-importer"))
        .arg("--root")
        .arg(vm.path(""))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        // empty once it has ended
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(now.unwrap_or(0));
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(peak > 0, "it was never seen running");
            return (ended.code(), peak);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
