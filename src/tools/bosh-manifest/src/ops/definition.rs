//! Ops files as they are written: go-patch's `op_definition.go`.

use super::error::{DefinitionProblem, OpError, OpsFileError};
use super::find::{test_absent, test_value};
use super::pointer::Pointer;
use super::remove::remove;
use super::replace::replace;
use crate::Value;
use crate::yaml::{Document, Fields, NodeId, YamlError, resolved_float};

/// The operations of one file.
#[derive(Clone, Debug, PartialEq)]
pub struct OpsFile {
    name: String,
    ops: Vec<Op>,
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// Puts a value where the path leads to.
    Replace {
        /// Where.
        path: Pointer,
        /// What.
        value: Value,
    },
    /// Takes away what the path leads to.
    Remove {
        /// Where.
        path: Pointer,
    },
    /// Fails unless the path leads to the value; `None` is for nothing at all.
    Test {
        /// Where.
        path: Pointer,
        /// What is expected there.
        value: Option<Value>,
    },
}

impl Op {
    /// Changes the document, or fails and leaves it half changed.
    pub fn apply(&self, document: &mut Value) -> Result<(), OpError> {
        match self {
            Self::Replace { path, value } => replace(document, path, as_written(value)),
            Self::Remove { path } => remove(document, path),
            Self::Test {
                path,
                value: Some(value),
            } => test_value(document, path, value),
            Self::Test { path, value: None } => test_absent(document, path),
        }
    }
}

/// go-patch copies a value by writing and reading it as YAML, which makes `1.0` an integer.
fn as_written(value: &Value) -> Value {
    match value {
        Value::Float(number) => resolved_float(*number),
        Value::Seq(items) => Value::Seq(items.iter().map(as_written).collect()),
        Value::Map(map) => Value::Map(
            map.iter()
                .map(|(key, value)| (as_written(key), as_written(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

impl OpsFile {
    /// Applies the operations in order.
    pub fn apply(&self, document: &mut Value) -> Result<(), OpError> {
        for (index, op) in self.ops.iter().enumerate() {
            op.apply(document).map_err(|error| OpError::InFile {
                index,
                file: self.name.clone(),
                error: Box::new(error),
            })?;
        }
        Ok(())
    }
}

/// Reads the text of an ops file; `name` is the file's in messages.
pub fn read_ops(name: &str, text: &[u8]) -> Result<OpsFile, OpsFileError> {
    let definitions = read_definitions(text).map_err(|error| OpsFileError::Yaml {
        file: name.to_owned(),
        error,
    })?;
    let ops = definitions.into_iter().enumerate();
    let ops = ops
        .map(|(index, definition)| definition.build(index, name))
        .collect::<Result<_, _>>()?;
    Ok(OpsFile {
        name: name.to_owned(),
        ops,
    })
}

/// An operation as it is written, nothing checked.
#[derive(Debug, Default)]
struct Definition {
    kind: String,
    path: Option<String>,
    value: Option<Value>,
    absent: Option<bool>,
}

fn read_definitions(text: &[u8]) -> Result<Vec<Definition>, YamlError> {
    let document = Document::parse(text)?;
    let Some(root) = document.root() else {
        return Ok(Vec::new());
    };
    let mut fields = Fields::new(&document);
    let mut definitions = Vec::new();
    for item in fields.items(root, "[]patch.OpDefinition")? {
        definitions.push(read_definition(&mut fields, item)?);
    }
    fields.into_errors().finish(definitions)
}

fn read_definition(fields: &mut Fields<'_>, item: NodeId) -> Result<Definition, YamlError> {
    let mut definition = Definition::default();
    for (key, node) in fields.entries(item, "patch.OpDefinition")? {
        let unset = fields.is_unset(node)?;
        match key.as_str() {
            "type" => definition.kind = fields.text(node)?.unwrap_or_default(),
            "path" if unset => definition.path = None,
            "path" => definition.path = Some(fields.text(node)?.unwrap_or_default()),
            "value" if unset => definition.value = None,
            "value" => definition.value = Some(fields.value(node)?),
            "absent" if unset => definition.absent = None,
            "absent" => definition.absent = Some(fields.flag(node)?.unwrap_or_default()),
            _ => {}
        }
    }
    Ok(definition)
}

impl Definition {
    fn build(self, index: usize, file: &str) -> Result<Op, OpsFileError> {
        let definition = self.redacted(index, file);
        let (kind, op) = match self.kind.as_str() {
            "replace" => ("Replace", self.replace()),
            "remove" => ("Remove", self.remove()),
            "test" => ("Test", self.test()),
            _ => {
                return Err(OpsFileError::UnknownType {
                    index,
                    kind: self.kind,
                    definition,
                });
            }
        };
        op.map_err(|problem| OpsFileError::Incomplete {
            kind,
            index,
            problem,
            definition,
        })
    }

    fn path(&self) -> Result<&str, DefinitionProblem> {
        self.path.as_deref().ok_or(DefinitionProblem::MissingPath)
    }

    fn replace(self) -> Result<Op, DefinitionProblem> {
        let path = self.path.as_deref().ok_or(DefinitionProblem::MissingPath)?;
        let value = self.value.ok_or(DefinitionProblem::MissingValue)?;
        Ok(Op::Replace {
            path: parse_path(path)?,
            value,
        })
    }

    fn remove(self) -> Result<Op, DefinitionProblem> {
        let path = self.path()?;
        if self.value.is_some() {
            return Err(DefinitionProblem::UnexpectedValue);
        }
        Ok(Op::Remove {
            path: parse_path(path)?,
        })
    }

    fn test(self) -> Result<Op, DefinitionProblem> {
        let path = self.path()?;
        if self.value.is_none() && self.absent.is_none() {
            return Err(DefinitionProblem::MissingValueOrAbsent);
        }
        let path = parse_path(path)?;
        let value = if self.absent == Some(true) {
            None
        } else {
            Some(self.value.unwrap_or_default())
        };
        Ok(Op::Test { path, value })
    }

    /// The operation as JSON, its value left out: it may be a secret.
    fn redacted(&self, index: usize, file: &str) -> String {
        let mut fields = Vec::new();
        if !self.kind.is_empty() {
            fields.push(("Type", json_text(&self.kind)));
        }
        if let Some(path) = &self.path {
            fields.push(("Path", json_text(path)));
        }
        if self.value.is_some() {
            fields.push(("Value", json_text("<redacted>")));
        }
        if let Some(absent) = self.absent {
            fields.push(("Absent", absent.to_string()));
        }
        fields.push((
            "Error",
            json_text(&format!("operation [{index}] in {file} failed")),
        ));
        let lines: Vec<String> = fields
            .into_iter()
            .map(|(name, value)| format!("  \"{name}\": {value}"))
            .collect();
        format!("{{\n{}\n}}", lines.join(",\n"))
    }
}

fn parse_path(path: &str) -> Result<Pointer, DefinitionProblem> {
    path.parse().map_err(DefinitionProblem::InvalidPath)
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text)
        .to_string()
        .replace('&', "\\u0026")
}
