//! Errors of ops files, in go-patch's words.

use thiserror::Error;

use super::pointer::{Pointer, PointerError};
use crate::yaml::{YamlError, plain_text};
use crate::{Map, Value};

/// Why an operation could not be applied.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpError {
    /// The path leads to something that is not a list or a map.
    #[error("Expected to find {wanted} at path '{path}' but found '{found}'")]
    WrongType {
        /// `an array` or `a map`.
        wanted: &'static str,
        /// The path so far.
        path: Pointer,
        /// The type in Go's words.
        found: &'static str,
    },
    /// A map has no such key.
    #[error("Expected to find a map key '{key}' for path '{path}' ({siblings})")]
    MissingKey {
        /// The key.
        key: String,
        /// The path so far.
        path: Pointer,
        /// The keys that are there.
        siblings: String,
    },
    /// A list is shorter than that.
    #[error(
        "Expected to find array index '{index}' but found array of length '{length}' for path '{path}'"
    )]
    MissingIndex {
        /// The index, after `:prev` and `:next`.
        index: i64,
        /// How many items there are.
        length: usize,
        /// The path so far.
        path: Pointer,
    },
    /// No item of a list matches, or more than one.
    #[error("Expected to find exactly one matching array item for path '{path}' but found {count}")]
    NotOneMatch {
        /// The path so far.
        path: Pointer,
        /// How many match.
        count: usize,
    },
    /// `-` in a path where nothing can be appended.
    #[error("Expected to not find token 'patch.AfterLastIndexToken' at path '{0}'")]
    UnexpectedAppend(Pointer),
    /// `-` is not the last part of the path.
    #[error("Expected after last index token to be last in path '{0}'")]
    AppendNotLast(Pointer),
    /// `-` in a path that is looked up.
    #[error(
        "Expected not to find after last index token in path '{0}' (not supported in find operations)"
    )]
    AppendInFind(Pointer),
    /// What a missing optional key should hold is not clear.
    #[error("Expected to find {wanted} at path '{path}'")]
    UnclearMissing {
        /// The kinds of path that say it.
        wanted: &'static str,
        /// The path up to the part that does not say it.
        path: Pointer,
    },
    /// A modifier that does not fit where it is.
    #[error("{0}")]
    Modifier(String),
    /// `remove` of `""`.
    #[error("Cannot remove entire document")]
    RemoveDocument,
    /// `test` found another value.
    #[error("Found value does not match expected value")]
    TestMismatch,
    /// `test` with `absent` found one.
    #[error("Expected to not find '{0}'")]
    TestPresent(Pointer),
    /// An operation of an ops file failed.
    #[error("Error 'operation [{index}] in {file} failed': {error}")]
    InFile {
        /// The operation's place in its file, counted from 0.
        index: usize,
        /// The file, as it was given.
        file: String,
        /// Why.
        error: Box<OpError>,
    },
}

impl OpError {
    pub(super) fn not_a_list(path: Pointer, found: &Value) -> Self {
        Self::WrongType {
            wanted: "an array",
            path,
            found: found.go_type(),
        }
    }

    pub(super) fn not_a_map(path: Pointer, found: &Value) -> Self {
        Self::WrongType {
            wanted: "a map",
            path,
            found: found.go_type(),
        }
    }

    pub(super) fn missing_key(key: &str, path: Pointer, map: &Map) -> Self {
        let mut keys: Vec<String> = map
            .keys()
            .filter(|key| key.as_str().is_some())
            .map(plain_text)
            .collect();
        keys.sort();
        let siblings = if map.is_empty() {
            "found no other map keys".to_owned()
        } else {
            format!("found map keys: '{}'", keys.join("', '"))
        };
        Self::MissingKey {
            key: key.to_owned(),
            path,
            siblings,
        }
    }
}

/// Why an ops file could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpsFileError {
    /// The file is not YAML, or not a list of operations.
    #[error("Deserializing ops file '{file}': {error}")]
    Yaml {
        /// The file, as it was given.
        file: String,
        /// What is wrong.
        error: YamlError,
    },
    /// An operation is of no known type.
    #[error("Building ops: Unknown operation [{index}] with type '{kind}' within\n{definition}")]
    UnknownType {
        /// Its place in the file, counted from 0.
        index: usize,
        /// The type.
        kind: String,
        /// The operation without its value.
        definition: String,
    },
    /// An operation lacks something, or has too much.
    #[error("Building ops: {kind} operation [{index}]: {problem} within\n{definition}")]
    Incomplete {
        /// `Replace`, `Remove` or `Test`.
        kind: &'static str,
        /// Its place in the file, counted from 0.
        index: usize,
        /// What is wrong.
        problem: DefinitionProblem,
        /// The operation without its value.
        definition: String,
    },
}

/// What is wrong with the definition of an operation.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DefinitionProblem {
    /// There is no `path`.
    #[error("Missing path")]
    MissingPath,
    /// There is no `value`.
    #[error("Missing value")]
    MissingValue,
    /// There is neither `value` nor `absent`.
    #[error("Missing value or absent")]
    MissingValueOrAbsent,
    /// `remove` takes no `value`.
    #[error("Cannot specify value")]
    UnexpectedValue,
    /// The path is malformed.
    #[error("Invalid path: {0}")]
    InvalidPath(PointerError),
}
