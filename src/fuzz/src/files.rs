//! Files out of a text that a fuzzer can change: digests and sizes in it are computed, so that what depends on them is reached.
//!
//! A line `=== NAME` begins a file. `=== *x` begins the blob of an OCI image layout, whose digits `<x>`, `<#x>` and `<%x>` stand
//! for in the files after it: those of its digest, its size, and those of the digest of what it unpacks to.
//! `=== *x gzip` and `=== *x zstd` compress it. `=== NAME -> TARGET` is a symbolic link, `=== NAME => TARGET` a hard link.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Component, Path};

use flate2::{Compression, write::GzEncoder};
use image_archive::Digest;

/// What a file is.
pub enum Content {
    /// Bytes as they are stored.
    Bytes(Vec<u8>),
    /// A symbolic link.
    Symlink(String),
    /// A hard link.
    Hardlink(String),
}

/// Files by name, in order, and the digests of all bytes in them.
#[derive(Default)]
pub struct Files {
    /// Name and content.
    pub files: Vec<(String, Content)>,
    /// Of what is stored, and of what it unpacks to.
    pub digests: BTreeSet<Digest>,
}

#[derive(Clone)]
struct Blob {
    stored: Digest,
    size: usize,
    unpacked: Digest,
}

impl Files {
    /// Reads the text.
    pub fn parse(text: &[u8]) -> Self {
        let mut files = Self::default();
        let mut blobs: HashMap<u8, Blob> = HashMap::new();
        for section in sections(text) {
            let end = section.iter().position(|byte| *byte == b'\n');
            let (name, content) = section.split_at(end.unwrap_or(section.len()));
            let content = content.get(1..).unwrap_or_default();
            let name = String::from_utf8_lossy(name).into_owned();
            if let Some((name, target)) = name.split_once(" -> ") {
                let link = Content::Symlink(replaced(target.as_bytes(), &blobs));
                files.files.push((replaced(name.as_bytes(), &blobs), link));
                continue;
            }
            if let Some((name, target)) = name.split_once(" => ") {
                let link = Content::Hardlink(replaced(target.as_bytes(), &blobs));
                files.files.push((replaced(name.as_bytes(), &blobs), link));
                continue;
            }
            let unpacked = replaced_bytes(content, &blobs);
            let name = if let Some(label) = name.strip_prefix('*') {
                let (label, packing) = label.split_once(' ').unwrap_or((label, ""));
                let stored = packed(&unpacked, packing);
                let blob = Blob {
                    stored: Digest::of(&stored),
                    size: stored.len(),
                    unpacked: Digest::of(&unpacked),
                };
                let name = blob.stored.blob_path();
                files.digests.extend([blob.stored, blob.unpacked]);
                files.files.push((name, Content::Bytes(stored)));
                blobs.extend(label.bytes().next().map(|label| (label, blob)));
                continue;
            } else {
                replaced(name.as_bytes(), &blobs)
            };
            files.digests.insert(Digest::of(&unpacked));
            files.files.push((name, Content::Bytes(unpacked)));
        }
        files
    }

    /// The files as a tarball. What has no place in one is left out.
    pub fn tarball(&self) -> Vec<u8> {
        let mut tarball = tar::Builder::new(Vec::new());
        for (name, content) in &self.files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            let (kind, bytes, target): (_, &[u8], _) = match content {
                Content::Bytes(bytes) => (tar::EntryType::Regular, bytes, ""),
                Content::Symlink(target) => (tar::EntryType::Symlink, &[], target.as_str()),
                Content::Hardlink(target) => (tar::EntryType::Link, &[], target.as_str()),
            };
            // as it is, with whatever leads out
            let field = &mut header.as_old_mut().name;
            let length = name.len().min(field.len());
            field[..length].copy_from_slice(&name.as_bytes()[..length]);
            let field = &mut header.as_old_mut().linkname;
            let length = target.len().min(field.len());
            field[..length].copy_from_slice(&target.as_bytes()[..length]);
            header.set_entry_type(kind);
            header.set_size(bytes.len() as u64);
            header.set_cksum();
            tarball.append(&header, bytes).expect("writing to memory");
        }
        tarball.into_inner().expect("writing to memory")
    }

    /// Puts the files into a new directory. Links come last, so that nothing is written through one.
    pub fn write(&self, directory: &Path) {
        let _ = fs::remove_dir_all(directory);
        fs::create_dir_all(directory).expect("a directory");
        for (name, content) in &self.files {
            let path = Path::new(name);
            let is_inside = path
                .components()
                .all(|part| matches!(part, Component::Normal(_)));
            if let (true, Content::Bytes(bytes)) = (is_inside, content) {
                let path = directory.join(path);
                let _ = path.parent().map(fs::create_dir_all);
                let _ = fs::write(path, bytes);
            }
        }
        for (name, content) in &self.files {
            let path = Path::new(name);
            let is_inside = path
                .components()
                .all(|part| matches!(part, Component::Normal(_)));
            let parent = path.parent().map(|parent| directory.join(parent));
            let in_directory =
                parent.is_some_and(|parent| parent.canonicalize().is_ok_and(|real| real == parent));
            if let (true, true, Content::Symlink(target)) = (is_inside, in_directory, content) {
                let _ = symlink(target, directory.join(path));
            }
        }
    }
}

fn sections(text: &[u8]) -> Vec<&[u8]> {
    const BEGIN: &[u8] = b"=== ";
    let mut begins: Vec<usize> = Vec::new();
    for at in 0..text.len() {
        if text[at..].starts_with(BEGIN) && (at == 0 || text[at - 1] == b'\n') {
            begins.push(at);
        }
    }
    let ends = begins.iter().skip(1).map(|next| next - 1);
    let ends: Vec<usize> = ends.chain([text.len()]).collect();
    let pairs = begins.iter().zip(ends);
    pairs
        .map(|(begin, end)| &text[begin + BEGIN.len()..end.max(begin + BEGIN.len())])
        .collect()
}

fn packed(bytes: &[u8], packing: &str) -> Vec<u8> {
    match packing {
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
            written.expect("writing to memory")
        }
        "zstd" => zstd::encode_all(bytes, 1).expect("writing to memory"),
        _ => bytes.to_vec(),
    }
}

fn replaced(text: &[u8], blobs: &HashMap<u8, Blob>) -> String {
    String::from_utf8_lossy(&replaced_bytes(text, blobs)).into_owned()
}

fn replaced_bytes(mut text: &[u8], blobs: &HashMap<u8, Blob>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    while let Some((first, rest)) = text.split_first() {
        let (what, rest) = match text {
            [b'<', label, b'>', rest @ ..] => {
                (blobs.get(label).map(|blob| blob.stored.hex()), rest)
            }
            [b'<', b'#', label, b'>', rest @ ..] => {
                (blobs.get(label).map(|blob| blob.size.to_string()), rest)
            }
            [b'<', b'%', label, b'>', rest @ ..] => {
                (blobs.get(label).map(|blob| blob.unpacked.hex()), rest)
            }
            _ => (None, rest),
        };
        if let Some(what) = what {
            bytes.extend(what.bytes());
            text = rest;
        } else {
            bytes.push(*first);
            text = &text[1..];
        }
    }
    bytes
}
