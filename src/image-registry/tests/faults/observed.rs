//! What can be seen of a registry from outside: the memory that it has, and the files of its store.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::client::{Registry, sha256};

/// The bytes that the registry had resident at most.
pub fn most_resident(registry: &mut Registry) -> u64 {
    let status = format!("/proc/{}/status", registry.process().id());
    let status = fs::read_to_string(status).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() * 1024
}

/// Every file and directory of images and uploads in the store, with the digest of what is in it.
pub fn store(registry: &Registry) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut ahead = ["blobs", "repositories", "uploads"]
        .map(|it| registry.store(it))
        .to_vec();
    while let Some(directory) = ahead.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let content = if path.is_dir() {
                ahead.push(path.clone());
                "a directory".to_owned()
            } else {
                sha256(&fs::read(&path).unwrap())
            };
            found.insert(path.display().to_string(), content);
        }
    }
    found
}

/// The names in a directory of the store.
pub fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    entries
        .map(|entry| name(entry).into_string().unwrap())
        .collect()
}

/// Fails if anything of what was half written is there after a start.
pub fn assert_cleared(registry: &Registry, half_written: &[String]) {
    let there = names(&registry.store("tmp"));
    assert!(
        !half_written.iter().any(|name| there.contains(name)),
        "{half_written:?}, {there:?}"
    );
}

/// A manifest of these blobs.
pub fn manifest(config: &str, layers: &[&str]) -> Value {
    let describe = |digest: &&str| json!({"mediaType": "x/y", "digest": digest, "size": 1});
    json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": describe(&config), "layers": layers.iter().map(describe).collect::<Vec<_>>(),
    })
}

/// Fails unless `verify` finds nothing.
pub fn assert_whole(registry: &Registry) {
    let (code, said) = registry.verify();
    assert_eq!(code, 0, "{said}");
}
