//! Where values come from: `--vars-env`, `-l`, `--var-file` and `-v`, the later ones winning; then the vars store.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use thiserror::Error;

use super::Definition;
use crate::report::Report;
use crate::store::VarsStore;
use crate::yaml::{Document, Fields, YamlError, parse};
use crate::{Map, Value};

/// An argument that is not what its flag takes, in the words of the CLI.
#[derive(Debug, Error)]
#[error("invalid argument for flag `{flag}' (expected {expected}): {problem}")]
pub struct ArgumentError {
    /// The flag in its short and long form.
    pub flag: &'static str,
    /// The type that the CLI names.
    pub expected: &'static str,
    /// What is wrong.
    pub problem: String,
}

/// What the flags give.
pub(crate) struct Arguments<'a> {
    pub(crate) vars_env: &'a [String],
    pub(crate) vars_files: &'a [std::path::PathBuf],
    pub(crate) var_files: &'a [String],
    pub(crate) vars: &'a [String],
}

/// All variables that have a value, or can be given one.
#[derive(Debug, Default)]
pub(crate) struct Variables {
    given: BTreeMap<String, Value>,
    store: Option<VarsStore>,
}

impl Variables {
    pub(crate) fn read(
        arguments: &Arguments<'_>,
        store: Option<VarsStore>,
    ) -> Result<Self, ArgumentError> {
        let mut given = BTreeMap::new();
        for prefix in arguments.vars_env {
            given.extend(from_environment(prefix)?);
        }
        for file in arguments.vars_files {
            given.extend(from_vars_file(file)?);
        }
        for argument in arguments.var_files {
            given.extend([from_var_file(argument)?]);
        }
        for argument in arguments.vars {
            given.extend([from_argument(argument)?]);
        }
        let given = with_subkeys(given).map_err(|problem| ArgumentError {
            flag: "-v, --var",
            expected: "[]template.VarKV",
            problem,
        })?;
        Ok(Self { given, store })
    }

    /// The value of a variable; the store makes it when it has a type.
    pub(crate) fn get(&mut self, definition: &Definition) -> Result<Option<Value>, Report> {
        if let Some(value) = self.given.get(&definition.name) {
            return Ok(Some(value.clone()));
        }
        let Some(store) = &mut self.store else {
            return Ok(None);
        };
        store.get(definition, &self.given)
    }

    /// The names of all that have a value.
    pub(crate) fn names(&mut self) -> Result<Vec<String>, Report> {
        let mut names: Vec<String> = self.given.keys().cloned().collect();
        if let Some(store) = &mut self.store {
            names.extend(store.names()?);
        }
        Ok(names)
    }
}

/// `-v NAME=VALUE`: the value is YAML, but a string is taken as it stands.
fn from_argument(argument: &str) -> Result<(String, Value), ArgumentError> {
    let error = |problem| ArgumentError {
        flag: "-v, --var",
        expected: "[]template.VarKV",
        problem,
    };
    let Some((name, text)) = argument.split_once('=') else {
        return Err(error(format!(
            "Expected var '{argument}' to be in format 'name=value'"
        )));
    };
    if name.is_empty() {
        return Err(error(
            "Expected var '=<redacted>' to specify non-empty name".to_owned(),
        ));
    }
    if text.is_empty() {
        return Err(error(format!(
            "Expected var '{argument}' to specify non-empty value"
        )));
    }
    let value = parse(text.as_bytes()).map_err(|reason| {
        error(format!(
            "Deserializing variables '{name}=<redacted>': {reason}"
        ))
    })?;
    let value = match value {
        Value::String(_) => Value::from(without_quotes(text)),
        value => value,
    };
    Ok((name.to_owned(), value))
}

fn without_quotes(text: &str) -> &str {
    let inner = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

/// `--var-file NAME=PATH`: the file's content as a string.
fn from_var_file(argument: &str) -> Result<(String, Value), ArgumentError> {
    let error = |problem| ArgumentError {
        flag: "--var-file",
        expected: "[]template.VarFileArg",
        problem,
    };
    let Some((name, path)) = argument.split_once('=') else {
        return Err(error(format!(
            "Expected var '{argument}' to be in format 'name=path'"
        )));
    };
    if name.is_empty() {
        return Err(error(format!(
            "Expected var '{argument}' to specify non-empty name"
        )));
    }
    if path.is_empty() {
        return Err(error(format!(
            "Expected var '{argument}' to specify non-empty path"
        )));
    }
    let bytes = fs::read(path).map_err(|reason| {
        error(format!(
            "Reading variable from file '{path}': Opening file {path}: {reason}"
        ))
    })?;
    let text = String::from_utf8(bytes).map_err(|_| {
        error(format!(
            "Reading variable from file '{path}': it is not text in UTF-8"
        ))
    })?;
    Ok((name.to_owned(), Value::from(text)))
}

/// `-l FILE`: a map of variables.
fn from_vars_file(file: &Path) -> Result<BTreeMap<String, Value>, ArgumentError> {
    let name = file.display();
    let error = |problem| ArgumentError {
        flag: "-l, --vars-file",
        expected: "[]template.VarsFileArg",
        problem,
    };
    if file.as_os_str().is_empty() {
        return Err(error("Expected file path to be non-empty".to_owned()));
    }
    let text = fs::read(file).map_err(|reason| {
        error(format!(
            "Reading variables file '{name}': Opening file {name}: {reason}"
        ))
    })?;
    read_map(&text)
        .map_err(|reason| error(format!("Deserializing variables file '{name}': {reason}")))
}

/// `--vars-env PREFIX`: `PREFIX_name=value`, each value YAML.
fn from_environment(prefix: &str) -> Result<BTreeMap<String, Value>, ArgumentError> {
    let error = |problem| ArgumentError {
        flag: "--vars-env",
        expected: "[]template.VarsEnvArg",
        problem,
    };
    if prefix.is_empty() {
        return Err(error(
            "Expected environment variable prefix to be non-empty".to_owned(),
        ));
    }
    let mut found = BTreeMap::new();
    for (name, text) in std::env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        let Some(variable) = name
            .strip_prefix(prefix)
            .and_then(|rest| rest.strip_prefix('_'))
        else {
            continue;
        };
        let value = parse(text.as_encoded_bytes()).map_err(|reason| {
            error(format!(
                "Deserializing YAML from environment variable '{name}': {reason}"
            ))
        })?;
        found.insert(variable.to_owned(), value);
    }
    Ok(found)
}

/// A YAML map with strings for keys; an empty text is an empty one.
pub(crate) fn read_map(text: &[u8]) -> Result<BTreeMap<String, Value>, YamlError> {
    let document = Document::parse(text)?;
    let Some(root) = document.root() else {
        return Ok(BTreeMap::new());
    };
    let mut fields = Fields::new(&document);
    let mut found = BTreeMap::new();
    for (key, node) in fields.entries(root, "template.StaticVariables")? {
        found.insert(key, fields.value(node)?);
    }
    fields.into_errors().finish(found)
}

/// Makes a map of names with dots: `-v cert.ca=x` gives `cert` a `ca`.
fn with_subkeys(given: BTreeMap<String, Value>) -> Result<BTreeMap<String, Value>, String> {
    let (dotted, mut found): (BTreeMap<_, _>, BTreeMap<_, _>) =
        given.into_iter().partition(|(name, _)| name.contains('.'));
    for (name, value) in dotted {
        let mut keys = name.split('.');
        let first = keys.next().unwrap_or_default();
        let mut place = found
            .entry(first.to_owned())
            .or_insert_with(|| Value::Map(Map::new()));
        for key in keys {
            if place.is_null() {
                *place = Value::Map(Map::new());
            }
            let Value::Map(map) = place else {
                return Err(format!(
                    "Expected var '{name}' to name a key of a map, but there is another value"
                ));
            };
            place = map.entry(Value::from(key)).or_default();
        }
        *place = value;
    }
    Ok(found)
}
