//! An image made of this program: it needs no registry, and no other program on the VM.
//!
//! It holds the program, the shared libraries that it runs with just now, and the loader, which is called by name since
//! the place where the program looks for it is the VM's.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const PROGRAM: &str = "docker-ctl";

/// An image as an archive that an engine loads.
pub struct SelfImage {
    /// The docker-archive.
    pub archive: Vec<u8>,
    /// The digest of its one layer.
    pub diff_id: String,
}

/// Makes the image; `label` marks it as the smoke test's.
pub fn make(reference: &str, label: &str) -> anyhow::Result<SelfImage> {
    let own = Path::new("/proc/self/exe");
    let maps = std::fs::read_to_string("/proc/self/maps").context("reading /proc/self/maps")?;
    let libraries = libraries(&maps, &std::fs::read_link(own)?);
    let mut layer = tar::Builder::new(Vec::new());
    append(&mut layer, PROGRAM, &read(own)?)?;
    let mut entrypoint = vec![format!("/{PROGRAM}")];
    for library in &libraries {
        let name = file_name(library);
        append(&mut layer, &format!("lib/{name}"), &read(library)?)?;
        if is_loader(&name) {
            let loader = [&format!("/lib/{name}"), "--library-path", "/lib"];
            entrypoint.splice(0..0, loader.map(str::to_owned));
        }
    }
    entrypoint.push("probe".to_owned());
    let layer = layer.into_inner().context("putting the layer together")?;
    let diff_id = format!("sha256:{}", hex::encode(Sha256::digest(&layer)));
    let config = config(&entrypoint, &diff_id, label).to_string();
    let config_name = format!("{}.json", hex::encode(Sha256::digest(&config)));
    let manifest =
        json!([{"Config": config_name, "RepoTags": [reference], "Layers": ["layer.tar"]}]);
    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, &config_name, config.as_bytes())?;
    append(&mut archive, "layer.tar", &layer)?;
    append(
        &mut archive,
        "manifest.json",
        manifest.to_string().as_bytes(),
    )?;
    let archive = archive
        .into_inner()
        .context("putting the archive together")?;
    Ok(SelfImage { archive, diff_id })
}

fn config(entrypoint: &[String], diff_id: &str, label: &str) -> Value {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    json!({
        "architecture": architecture,
        "os": "linux",
        "created": jiff::Timestamp::now().to_string(),
        "config": {"Entrypoint": entrypoint, "Labels": {label: "1"}},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created_by": "docker-ctl smoke-test"}],
    })
}

/// The files whose code this process has mapped, but for the program itself.
fn libraries(maps: &str, program: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = maps
        .lines()
        .filter(|line| {
            line.split(' ')
                .nth(1)
                .is_some_and(|mode| mode.contains('x'))
        })
        .filter_map(|line| line.find('/').map(|start| PathBuf::from(&line[start..])))
        .filter(|path| path != program)
        .collect();
    found.sort();
    found.dedup();
    found
}

/// `ld-linux-x86-64.so.2`, `ld-2.31.so`, `ld-musl-x86_64.so.1`.
fn is_loader(name: &str) -> bool {
    name.starts_with("ld-") || name.starts_with("ld.so") || name.starts_with("ld64.so")
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("reading {}", path.display()))
}

fn append(tarball: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(bytes.len() as u64);
    tarball
        .append_data(&mut header, name, bytes)
        .with_context(|| format!("putting {name} into a tarball"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_libraries_and_the_loader_in_the_map() {
        let maps = "\
5590c0000000-5590c0100000 r--p 00000000 08:01 10 /var/vcap/packages/containers/bin/docker-ctl
5590c0100000-5590c0500000 r-xp 00100000 08:01 10 /var/vcap/packages/containers/bin/docker-ctl
7f0000000000-7f0000100000 r-xp 00000000 08:01 11 /usr/lib/x86_64-linux-gnu/libc.so.6
7f0000100000-7f0000110000 r--p 00100000 08:01 11 /usr/lib/x86_64-linux-gnu/libc.so.6
7f0000200000-7f0000210000 r-xp 00000000 08:01 12 /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f0000300000-7f0000310000 r--p 00000000 08:01 13 /usr/lib/locale/locale-archive
7ffc00000000-7ffc00001000 r-xp 00000000 00:00 0                          [vdso]
";
        let program = Path::new("/var/vcap/packages/containers/bin/docker-ctl");
        let names: Vec<String> = libraries(maps, program)
            .iter()
            .map(|path| file_name(path))
            .collect();
        assert_eq!(names, ["ld-linux-x86-64.so.2", "libc.so.6"]);
        assert!(is_loader(&names[0]) && !is_loader(&names[1]));
    }
}
