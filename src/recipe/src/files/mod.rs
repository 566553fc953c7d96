//! Property `files`: what lies beside the recipe, for bind mounts, configs and secrets.

use std::collections::BTreeMap;

use bosh_job::{Problem, Problems, Secret};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{kind, yaml};

mod mode;
mod owner;
mod path;

pub use owner::{FileOwner, GroupName, UserName};
pub use path::FilePath;

/// Mode of a file that does not ask for another: containers run as any user, and the recipe's directory is closed.
const DEFAULT_MODE: u32 = 0o644;

/// A file beside the recipe. `Debug` does not show its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipeFile {
    /// Where it lies in the recipe's directory.
    pub path: FilePath,
    /// What is in it, byte for byte.
    pub content: Secret,
    /// Whose it is.
    pub owner: FileOwner,
    /// Permission bits.
    pub mode: u32,
}

impl RecipeFile {
    /// SHA-256 in hexadecimal over path, owner, mode and content: changes when a container that mounts the file should see
    /// something else.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let attributes = format!("{:o} {}", self.mode, self.owner);
        for part in [self.path.as_str(), &attributes, self.content.reveal()] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        hex::encode(hash.finalize())
    }
}

/// Whether array sets may define a file twice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnDuplicate {
    RaiseError,
    Override,
}

pub(crate) fn parse(files: &Value, on_duplicate: &Value) -> Result<Vec<RecipeFile>, Problems> {
    let mut problems = Problems::default();
    let on_duplicate = problems
        .note(parse_on_duplicate(on_duplicate))
        .unwrap_or(OnDuplicate::Override);
    let values = problems
        .note_all(merged(files, on_duplicate))
        .unwrap_or_default();
    let mut parsed: Vec<RecipeFile> = Vec::new();
    for (name, value) in values {
        let property = format!("files[{name:?}]");
        let path = problems.note(FilePath::parse(&property, name));
        let file = problems.note_all(file(&property, value));
        if let (Some(path), Some((content, owner, mode))) = (path, file) {
            parsed.push(RecipeFile {
                path,
                content,
                owner,
                mode,
            });
        }
    }
    parsed.sort_by(|one, other| one.path.cmp(&other.path));
    for file in &parsed {
        for directory in file.path.directories() {
            if parsed.iter().any(|other| other.path.as_str() == directory) {
                let what = format!("lies in {directory:?}, which `files` has as a file");
                problems.push(Problem::new(
                    format!("files[{:?}]", file.path.as_str()),
                    what,
                ));
            }
        }
    }
    problems.into_result(Some(parsed))
}

fn parse_on_duplicate(value: &Value) -> Result<OnDuplicate, Problem> {
    match value.as_str() {
        Some("raise-error") => Ok(OnDuplicate::RaiseError),
        Some("override") => Ok(OnDuplicate::Override),
        Some(other) => Err(Problem::new(
            "on_duplicate_files",
            format!("must be raise-error or override, and is {other:?}"),
        )),
        None => Err(Problem::new(
            "on_duplicate_files",
            format!("must be raise-error or override, and is {}", kind(value)),
        )),
    }
}

/// The files of a map, or of an array of maps, which suits ops files.
fn merged(files: &Value, on_duplicate: OnDuplicate) -> Result<BTreeMap<&str, &Value>, Problems> {
    let sets: Vec<&Value> = match files {
        Value::Null => Vec::new(),
        Value::Object(_) => vec![files],
        Value::Array(sets) => sets.iter().collect(),
        other => {
            let what = format!(
                "must be a map of paths and contents, or a list of such maps, and is {}",
                kind(other)
            );
            return Err(Problem::new("files", what).into());
        }
    };
    let mut problems = Problems::default();
    let mut merged: BTreeMap<&str, (usize, &Value)> = BTreeMap::new();
    for (position, set) in sets.into_iter().enumerate() {
        let number = position + 1;
        let Value::Object(set) = set else {
            problems.push(Problem::new(
                "files",
                format!(
                    "array set #{number} must be a map of paths and contents, and is {}",
                    kind(set)
                ),
            ));
            continue;
        };
        for (name, value) in set {
            let earlier = merged.insert(name, (number, value));
            if let (Some((first, _)), OnDuplicate::RaiseError) = (earlier, on_duplicate) {
                let what =
                    format!("is defined in array set #{first}, and again in array set #{number}");
                let hint =
                    "remove one, or set `on_duplicate_files: override` to have the later one win";
                problems.push(Problem::new(format!("files[{name:?}]"), what).hint(hint));
            }
        }
    }
    problems.into_result(Some(
        merged
            .into_iter()
            .map(|(name, (_, value))| (name, value))
            .collect(),
    ))
}

fn file(property: &str, value: &Value) -> Result<(Secret, FileOwner, u32), Problems> {
    match value {
        Value::String(text) => Ok((Secret::new(text.as_str()), FileOwner::ROOT, DEFAULT_MODE)),
        Value::Object(map) if has_attributes(map) => with_attributes(property, map),
        Value::Object(_) | Value::Array(_) => Ok((
            Secret::new(yaml::document(value)),
            FileOwner::ROOT,
            DEFAULT_MODE,
        )),
        other => Err(no_content(property, other).into()),
    }
}

/// A map says `{content, owner, mode}` when it has a content and nothing else beside those; any other map is itself the
/// content, as it always was.
fn has_attributes(map: &Map<String, Value>) -> bool {
    map.contains_key("content")
        && map
            .keys()
            .all(|key| ["content", "owner", "mode"].contains(&key.as_str()))
}

fn with_attributes(
    property: &str,
    map: &Map<String, Value>,
) -> Result<(Secret, FileOwner, u32), Problems> {
    let mut problems = Problems::default();
    let content = match map.get("content") {
        Some(Value::String(text)) => Some(Secret::new(text.as_str())),
        Some(value @ (Value::Object(_) | Value::Array(_))) => {
            Some(Secret::new(yaml::document(value)))
        }
        other => problems.note(Err(no_content(
            &format!("{property}.content"),
            other.unwrap_or(&Value::Null),
        ))),
    };
    let owner = map.get("owner").map_or(Some(FileOwner::ROOT), |owner| {
        problems.note(FileOwner::parse(&format!("{property}.owner"), owner))
    });
    let mode = map.get("mode").map_or(Some(DEFAULT_MODE), |mode| {
        problems.note(mode::parse(&format!("{property}.mode"), mode))
    });
    let file = (|| Some((content?, owner?, mode?)))();
    problems.into_result(file)
}

fn no_content(property: &str, value: &Value) -> Problem {
    Problem::new(property, format!("must be a string, or a map or list to be written as YAML, and is {}", kind(value)))
        .hint("put it in quotes: YAML 1.1 has turned the text into another value, which may not be what you wrote")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(files: &Value) -> Result<Vec<RecipeFile>, Problems> {
        parse(files, &json!("raise-error"))
    }

    fn named(problems: &Problems) -> Vec<&str> {
        problems
            .iter()
            .map(|problem| problem.property.as_str())
            .collect()
    }

    #[test]
    fn strings_are_kept_and_maps_and_lists_become_yaml() {
        let files = parsed(&json!({"a": "x\n\n", "b/c": {"kk": "v"}, "d": ["e"], "f": {"content": "g", "other": 1}})).unwrap();
        let all: Vec<_> = files
            .iter()
            .map(|file| (file.path.as_str(), file.content.reveal(), file.mode))
            .collect();
        assert_eq!(
            all,
            [
                ("a", "x\n\n", 0o644),
                ("b/c", "kk: \"v\"\n", 0o644),
                ("d", "- \"e\"\n", 0o644),
                ("f", "content: \"g\"\nother: 1\n", 0o644)
            ]
        );
    }

    #[test]
    fn a_content_comes_with_owner_and_mode() {
        let files = parsed(&json!({"k": {"content": "x", "owner": "999:0", "mode": "0600"}, "y": {"content": {"aa": 1}}})).unwrap();
        assert_eq!(files[0].mode, 0o600);
        assert_eq!(files[0].owner.to_string(), "999:0");
        assert_eq!(files[1].content.reveal(), "aa: 1\n");
    }

    #[test]
    fn names_each_wrong_attribute() {
        let problems =
            parsed(&json!({"k": {"content": 1, "owner": "", "mode": "rw"}, "n": null, "t": true}))
                .unwrap_err();
        assert_eq!(
            named(&problems),
            [
                "files[\"k\"].content",
                "files[\"k\"].owner",
                "files[\"k\"].mode",
                "files[\"n\"]",
                "files[\"t\"]"
            ]
        );
    }

    #[test]
    fn a_file_that_two_sets_define_is_refused_or_overridden() {
        let files = json!([{"a": "1"}, {"b": "2"}, {"a": "3"}]);
        let problems = parsed(&files).unwrap_err();
        let text = problems.to_string();
        assert!(text.contains("#1") && text.contains("#3"), "{text}");
        let files = parse(&files, &json!("override")).unwrap();
        assert_eq!(files[0].content.reveal(), "3");
        assert!(
            parsed(&json!([{"a": "1"}, "b"]))
                .unwrap_err()
                .to_string()
                .contains("#2")
        );
    }

    #[test]
    fn a_file_cannot_be_the_directory_of_another() {
        let problems = parsed(&json!({"a": "1", "a/b/c": "2", "a-b": "3"})).unwrap_err();
        assert_eq!(named(&problems), ["files[\"a/b/c\"]"]);
    }

    #[test]
    fn the_digest_follows_content_mode_owner_and_path() {
        let one = parsed(&json!({"a": "1"})).unwrap().remove(0);
        for other in [
            json!({"b": "1"}),
            json!({"a": "2"}),
            json!({"a": {"content": "1", "mode": "0600"}}),
            json!({"a": {"content": "1", "owner": "1"}}),
        ] {
            assert_ne!(parsed(&other).unwrap()[0].digest(), one.digest());
        }
        assert_eq!(
            parsed(&json!([{"a": {"content": "1", "mode": 420}}])).unwrap()[0].digest(),
            one.digest()
        );
    }
}
