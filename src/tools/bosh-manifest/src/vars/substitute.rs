//! Fills in `((name))`, as the CLI's `director/template/template.go` does.

use std::collections::BTreeSet;

use super::definition::{Definition, declared};
use super::placeholder;
use super::sources::Variables;
use crate::ops::{Pointer, Token, find, remove};
use crate::report::Report;
use crate::yaml::{plain_text, redacted_text};
use crate::{Map, Value};

const SECTION: &str = "Getting all variables from variable definitions sections";

/// What must hold after all is filled in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Expectations {
    /// Every variable that is used has a value.
    pub(crate) all_found: bool,
    /// Every variable that has a value is used.
    pub(crate) all_used: bool,
}

/// Fills in all variables that have a value; those of the `variables:` section that have one leave it.
pub(crate) fn substitute(
    manifest: Value,
    variables: &mut Variables,
    expectations: Expectations,
) -> Result<Value, Report> {
    let definitions = declared(&manifest).map_err(Report::message)?;
    let mut substitution = Substitution {
        variables,
        definitions,
    };
    let mut scope = Scope::default();
    // In the order of the section: a certificate's CA stands before it.
    let declared = substitution.definitions.clone();
    for definition in declared
        .iter()
        .filter(|definition| !definition.kind.is_empty())
    {
        substitution
            .value_of(&definition.name, &mut scope)
            .map_err(|reason| reason.within(SECTION))?;
    }
    let mut manifest = substitution.fill_in(manifest, &mut scope)?;
    let mut found = Vec::new();
    for definition in declared {
        let value = substitution
            .value_of(&definition.name, &mut scope)
            .map_err(|reason| reason.within(SECTION))?;
        if value.is_some() {
            found.push(definition.name);
        }
    }
    for name in found {
        let section = Token::Key {
            key: "variables".to_owned(),
            optional: false,
        };
        let entry = Token::Match {
            key: "name".to_owned(),
            value: name,
            optional: false,
            modifiers: Vec::new(),
        };
        remove(&mut manifest, &Pointer(vec![section, entry])).map_err(Report::message)?;
    }
    check(&scope, substitution.variables, expectations)?;
    Ok(manifest)
}

/// What one run has seen; the options of a variable's definition have one of their own.
#[derive(Debug, Default)]
struct Scope {
    /// The variables whose options are being filled in.
    within: Vec<String>,
    missing: BTreeSet<String>,
    used: BTreeSet<String>,
}

struct Substitution<'v> {
    variables: &'v mut Variables,
    definitions: Vec<Definition>,
}

impl Substitution<'_> {
    fn fill_in(&mut self, value: Value, scope: &mut Scope) -> Result<Value, Report> {
        match value {
            Value::Map(map) => {
                let mut filled = Map::with_capacity(map.len());
                for (key, value) in map {
                    let value = self.fill_in(value, scope)?;
                    let key = self.fill_in(key, scope)?;
                    if matches!(key, Value::Map(_) | Value::Seq(_)) {
                        let found = key.go_type();
                        return Err(Report::Message(format!(
                            "Invalid type '{found}' for a variable that is a map key"
                        )));
                    }
                    filled.insert(key, value);
                }
                Ok(Value::Map(filled))
            }
            Value::Seq(items) => items
                .into_iter()
                .map(|item| self.fill_in(item, scope))
                .collect::<Result<_, _>>()
                .map(Value::Seq),
            Value::String(text) => self.fill_in_text(&text, scope),
            other => Ok(other),
        }
    }

    fn fill_in_text(&mut self, text: &str, scope: &mut Scope) -> Result<Value, Report> {
        let mut filled = text.to_owned();
        for name in placeholder::names(text) {
            let looked_up = self.look_up(name, scope);
            let value =
                looked_up.map_err(|reason| reason.within(format!("Finding variable '{name}'")))?;
            let Some(value) = value else { continue };
            // A string that is nothing but the variable takes its value, of whatever type.
            if placeholder::is_whole(&filled) {
                return Ok(value);
            }
            let inserted = match &value {
                Value::String(_) | Value::Int(_) | Value::UInt(_) => plain_text(&value),
                other => return Err(wrong_type_within_string(name, other)),
            };
            filled = filled
                .replace(&format!("(({name}))"), &inserted)
                .replace(&format!("((!{name}))"), &inserted);
        }
        Ok(Value::String(filled))
    }

    /// The value of a name, which may go into a map or list: `cert.ca`.
    fn look_up(&mut self, name: &str, scope: &mut Scope) -> Result<Option<Value>, Report> {
        let (variable, subkeys) = match name.split_once('.') {
            Some((variable, subkeys)) => (variable, Some(subkeys)),
            None => (name, None),
        };
        let Some(value) = self.value_of(variable, scope)? else {
            return Ok(None);
        };
        let Some(subkeys) = subkeys else {
            return Ok(Some(value));
        };
        let path: Pointer = format!("/{}", subkeys.replace('.', "/"))
            .parse()
            .map_err(Report::message)?;
        find(&value, &path)
            .or_else(|_| find(&value, &with_indexes_as_keys(path)))
            .map(Some)
            .map_err(Report::message)
    }

    fn value_of(&mut self, name: &str, scope: &mut Scope) -> Result<Option<Value>, Report> {
        scope.used.insert(name.to_owned());
        if scope.within.iter().any(|outer| outer == name) {
            return Err(Report::message("Detected recursion"));
        }
        let definition = self
            .definitions
            .iter()
            .find(|definition| definition.name == name)
            .cloned();
        let mut definition = definition.unwrap_or_else(|| Definition::undeclared(name));
        let mut inner = Scope {
            within: scope.within.clone(),
            ..Scope::default()
        };
        inner.within.push(name.to_owned());
        let options = self.fill_in(definition.options, &mut inner);
        definition.options = options.map_err(|reason| {
            reason.within(format!(
                "Interpolating variable '{name}' definition options"
            ))
        })?;
        if !inner.missing.is_empty() {
            return Ok(None);
        }
        let value = self.variables.get(&definition)?;
        if value.is_none() {
            scope.missing.insert(name.to_owned());
        }
        Ok(value)
    }
}

fn with_indexes_as_keys(path: Pointer) -> Pointer {
    let as_key = |token| match token {
        Token::Index { index, .. } => Token::Key {
            key: index.to_string(),
            optional: false,
        },
        other => other,
    };
    Pointer(path.0.into_iter().map(as_key).collect())
}

/// Like the CLI's message, but the strings inside of a map or list, which may be secrets, stay out of it.
fn wrong_type_within_string(name: &str, value: &Value) -> Report {
    Report::Message(format!(
        "Invalid type '{}' for value '{}' and variable '{name}'. Supported types for interpolation within a string are integers and strings.",
        value.go_type(),
        redacted_text(value),
    ))
}

fn check(
    scope: &Scope,
    variables: &mut Variables,
    expectations: Expectations,
) -> Result<(), Report> {
    let mut problems = Vec::new();
    if expectations.all_found && !scope.missing.is_empty() {
        problems.push(list("Expected to find variables", scope.missing.iter()));
    }
    if expectations.all_used {
        let unused: BTreeSet<String> = variables
            .names()?
            .into_iter()
            .filter(|name| !scope.used.contains(name))
            .collect();
        if !unused.is_empty() {
            problems.push(list("Expected to use variables", unused.iter()));
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Report::Several(problems))
    }
}

fn list<'n>(problem: &str, names: impl Iterator<Item = &'n String>) -> Report {
    Report::Several(names.map(Report::message).collect()).within(problem)
}
