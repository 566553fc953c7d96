//! `config/blobs.yml` as the BOSH CLI reads and writes it (bosh-cli `releasedir/fs_blobs_dir.go`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use bosh_manifest::{Map, Value};
use image_archive::Digest;

use super::error::{Result, shown};
use super::files;

/// The file within a release.
pub(crate) const FILE: &str = "config/blobs.yml";
/// Where blobs lie within a release.
pub(crate) const DIRECTORY: &str = "blobs";

/// The blobs of a release, ours and others', by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blobs {
    entries: BTreeMap<String, Blob>,
}

/// What is known of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Bytes. The CLI writes it always, but does not need it.
    pub size: Option<i64>,
    /// Its name in the blobstore, once it was uploaded.
    pub object_id: Option<String>,
    /// `sha256:` and digits, or the bare digits of a SHA-1.
    pub sha: String,
}

impl Blob {
    pub(crate) fn new(digest: &Digest, size: u64) -> Self {
        Self {
            size: i64::try_from(size).ok(),
            object_id: None,
            sha: digest.to_string(),
        }
    }
}

impl Blobs {
    pub(crate) fn read(root: &Path) -> Result<Self> {
        files::read_parsed(&root.join(FILE), Self::parse)
    }

    /// Reads the file's text.
    ///
    /// # Errors
    /// The blob and property that is wrong, and what is wrong with it.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let value = bosh_manifest::parse(text.as_bytes()).map_err(|error| error.to_string())?;
        let entries = match &value {
            Value::Null => return Ok(Self::default()),
            Value::Map(map) => map
                .iter()
                .map(|(path, blob)| {
                    let path = path
                        .as_str()
                        .ok_or_else(|| format!("`{path:?}` is not the path of a blob"))?;
                    check_path(path)?;
                    let blob = parse_blob(blob).map_err(|why| format!("`{path}`: {why}"))?;
                    Ok((path.to_owned(), blob))
                })
                .collect::<std::result::Result<_, String>>()?,
            _ => return Err("it is not a map from paths to blobs".into()),
        };
        Ok(Self { entries })
    }

    /// The entries by path.
    #[must_use]
    pub fn entries(&self) -> &BTreeMap<String, Blob> {
        &self.entries
    }

    /// The blob at this path below `blobs`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Blob> {
        self.entries.get(path)
    }

    /// Registers a blob. One with the same content keeps its name in the blobstore.
    pub(crate) fn insert(&mut self, path: String, blob: Blob) {
        match self.entries.get_mut(&path) {
            Some(known) if known.sha == blob.sha => known.size = known.size.or(blob.size),
            _ => {
                self.entries.insert(path, blob);
            }
        }
    }

    pub(crate) fn remove(&mut self, path: &str) -> Option<Blob> {
        self.entries.remove(path)
    }

    /// The file's text as the CLI writes it: paths in go-yaml's order, and what it knows of a blob in its own.
    #[must_use]
    pub fn to_text(&self) -> String {
        if self.entries.is_empty() {
            return "--- {}\n".into();
        }
        let mut text = String::new();
        for path in in_order(self.entries.keys()) {
            let Some(blob) = self.entries.get(&path) else {
                continue;
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}:", scalar(&path));
            if let Some(size) = blob.size {
                let _ = writeln!(text, "  size: {size}");
            }
            if let Some(id) = &blob.object_id {
                let _ = writeln!(text, "  object_id: {}", scalar(id));
            }
            let _ = writeln!(text, "  sha: {}", scalar(&blob.sha));
        }
        text
    }
}

fn check_path(path: &str) -> std::result::Result<(), String> {
    let good = !path.is_empty()
        && !path.chars().any(char::is_control)
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if good {
        Ok(())
    } else {
        Err(format!("`{}` is not a path below blobs", shown(path)))
    }
}

fn parse_blob(value: &Value) -> std::result::Result<Blob, String> {
    let map = value
        .as_map()
        .ok_or("it is not a map with size, sha and object_id")?;
    let mut size = None;
    let mut object_id = None;
    let mut sha = None;
    for (key, value) in map {
        let text = || value.as_str().map(str::to_owned);
        match key.as_str() {
            Some("size") => {
                let number = value.as_i64().filter(|size| *size >= 0);
                size = Some(number.ok_or("size: it is not a number of bytes")?);
            }
            Some("object_id") => object_id = Some(text().ok_or("object_id: it is not a text")?),
            Some("sha") => sha = Some(text().ok_or("sha: it is not a text")?),
            _ => return Err(format!("{key:?}: BOSH does not know this property")),
        }
    }
    Ok(Blob {
        size,
        object_id: object_id.filter(|id| !id.is_empty()),
        sha: sha.ok_or("sha: it is missing")?,
    })
}

/// Asks go-yaml's own order by writing a map and reading it again.
fn in_order<'a>(paths: impl Iterator<Item = &'a String>) -> Vec<String> {
    let map: Map = paths
        .map(|path| (Value::from(path.as_str()), Value::Null))
        .collect();
    let sorted = bosh_manifest::parse(bosh_manifest::to_yaml(&Value::Map(map.clone())).as_bytes());
    let sorted = match sorted {
        Ok(Value::Map(sorted)) if sorted.len() == map.len() => sorted,
        _ => map,
    };
    sorted
        .keys()
        .filter_map(|path| path.as_str().map(str::to_owned))
        .collect()
}

/// A text as it is written on one line.
fn scalar(text: &str) -> String {
    let plain = bosh_manifest::to_yaml(&Value::from(text));
    match plain.trim_end() {
        folded if folded.contains('\n') => serde_json::Value::from(text).to_string(),
        plain => plain.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by `bosh add-blob` and `bosh upload-blobs`.
    const WRITTEN_BY_BOSH: &str = "\
a b:
  size: 100
  sha: sha256:7287ceca04dea9b1c8bf818c9e1c19c4d94b103d2d9966ed154b8eeaf30be0ec
b.tgz:
  size: 100
  object_id: 8d7b3c2a-0f5e-4d2a-9a53-4b3f2f0c7a11
  sha: da39a3ee5e6b4b0d3255bfef95601890afd80709
layers/sha256/9ab:
  size: 100
  sha: sha256:7287ceca04dea9b1c8bf818c9e1c19c4d94b103d2d9966ed154b8eeaf30be0ec
layers/sha256/10ab:
  size: 100
  sha: sha256:7287ceca04dea9b1c8bf818c9e1c19c4d94b103d2d9966ed154b8eeaf30be0ec
";

    #[test]
    fn writes_byte_for_byte_what_the_cli_writes() {
        assert_eq!(
            Blobs::parse(WRITTEN_BY_BOSH).unwrap().to_text(),
            WRITTEN_BY_BOSH
        );
        for empty in ["", "---\n", "--- {}\n"] {
            assert_eq!(Blobs::parse(empty).unwrap().to_text(), "--- {}\n");
        }
    }

    #[test]
    fn keeps_entries_of_others_and_their_names_in_the_blobstore() {
        let mut blobs = Blobs::parse(WRITTEN_BY_BOSH).unwrap();
        let digest = Digest::of(b"x");
        blobs.insert("layers/x".into(), Blob::new(&digest, 1));
        blobs.insert(
            "b.tgz".into(),
            Blob {
                sha: "da39a3ee5e6b4b0d3255bfef95601890afd80709".into(),
                ..Blob::new(&digest, 1)
            },
        );
        assert!(blobs.get("b.tgz").unwrap().object_id.is_some());
        assert!(blobs.remove("layers/x").is_some());
        assert_eq!(blobs.to_text(), WRITTEN_BY_BOSH);
    }

    #[test]
    fn new_content_forgets_the_name_of_the_old_one() {
        let mut blobs = Blobs::parse(WRITTEN_BY_BOSH).unwrap();
        blobs.insert("b.tgz".into(), Blob::new(&Digest::of(b"new"), 3));
        assert_eq!(blobs.get("b.tgz").unwrap().object_id, None);
    }

    #[test]
    fn long_and_odd_paths_survive() {
        let long = format!("{}/with space/{}", "a".repeat(90), "b".repeat(90));
        let mut blobs = Blobs::default();
        for path in [long.as_str(), "yes", "12", "a: b", "#x", "'", "ä"] {
            blobs.insert(path.into(), Blob::new(&Digest::of(b"x"), 1));
        }
        assert_eq!(Blobs::parse(&blobs.to_text()).unwrap(), blobs);
    }

    #[test]
    fn names_the_blob_and_the_property_that_is_wrong() {
        for (text, named) in [
            ("[]", "not a map"),
            ("a: 1", "`a`: it is not a map"),
            ("a: {size: x, sha: z}", "`a`: size"),
            ("a: {size: -1, sha: z}", "`a`: size"),
            ("a: {size: 1}", "`a`: sha"),
            ("a: {size: 1, sha: z, owner: me}", "owner"),
            ("../x: {size: 1, sha: z}", "../x"),
            ("/x: {size: 1, sha: z}", "/x"),
            ("a: {", "line"),
        ] {
            let why = Blobs::parse(text).unwrap_err();
            assert!(why.contains(named), "{text}: {why}");
        }
    }
}
