//! The `variables:` section of a manifest.

use crate::Value;
use crate::yaml::{Document, Fields, YamlError, to_yaml};

/// One variable that the manifest declares.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Definition {
    pub(crate) name: String,
    /// `password`, `certificate`, …; empty when it has none.
    pub(crate) kind: String,
    pub(crate) options: Value,
}

impl Definition {
    /// A variable that no section declares.
    pub(crate) fn undeclared(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }
}

/// The variables that a manifest declares, in order.
///
/// Like the CLI, this reads the manifest's YAML again, so that lines in errors are those of `interpolate`'s output.
pub(super) fn declared(manifest: &Value) -> Result<Vec<Definition>, YamlError> {
    if manifest.as_map().is_none() {
        return Ok(Vec::new());
    }
    let document = Document::parse(to_yaml(manifest).as_bytes())?;
    let Some(root) = document.root() else {
        return Ok(Vec::new());
    };
    let mut fields = Fields::new(&document);
    let mut definitions = Vec::new();
    for (key, section) in fields.entries(root, "template.varDefinitions")? {
        if key != "variables" {
            continue;
        }
        definitions.clear();
        for item in fields.items(section, "[]template.VariableDefinition")? {
            let mut definition = Definition::default();
            for (key, node) in fields.entries(item, "template.VariableDefinition")? {
                match key.as_str() {
                    "name" => definition.name = fields.text(node)?.unwrap_or_default(),
                    "type" => definition.kind = fields.text(node)?.unwrap_or_default(),
                    "options" => definition.options = fields.value(node)?,
                    _ => {}
                }
            }
            definitions.push(definition);
        }
    }
    fields.into_errors().finish(definitions)
}
