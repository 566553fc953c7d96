//! The options of a variable that is to be made (config-server's `types`).

use crate::report::Report;
use crate::{Map, Value};

/// A variable's options, only known ones among them.
#[derive(Debug)]
pub(super) struct Options<'v> {
    map: Option<&'v Map>,
}

impl<'v> Options<'v> {
    /// Null is no options; anything else but a map, and an unknown option, are refused.
    pub(super) fn new(options: &'v Value, known: &[&str]) -> Result<Self, Report> {
        let map = match options {
            Value::Null => None,
            Value::Map(map) => Some(map),
            other => return Err(misfit("options", other, "a map")),
        };
        for key in map.into_iter().flat_map(Map::keys) {
            if !key.as_str().is_some_and(|key| known.contains(&key)) {
                let key = crate::yaml::plain_text(key);
                return Err(Report::Message(format!("Unsupported parameter '{key}'")));
            }
        }
        Ok(Self { map })
    }

    fn get(&self, key: &str) -> Option<&'v Value> {
        self.map?
            .get(&Value::from(key))
            .filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<String>, Report> {
        match self.get(key) {
            None => Ok(None),
            Some(value @ (Value::Map(_) | Value::Seq(_))) => Err(misfit(key, value, "a string")),
            Some(value) => Ok(Some(crate::yaml::plain_text(value))),
        }
    }

    pub(super) fn number(&self, key: &str) -> Result<i64, Report> {
        match self.get(key) {
            None => Ok(0),
            Some(Value::Int(number)) => Ok(*number),
            Some(other) => Err(misfit(key, other, "an integer")),
        }
    }

    pub(super) fn flag(&self, key: &str) -> Result<bool, Report> {
        match self.get(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(misfit(key, other, "a boolean")),
        }
    }

    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, Report> {
        let items = match self.get(key) {
            None => return Ok(Vec::new()),
            Some(Value::Seq(items)) => items,
            Some(other) => return Err(misfit(key, other, "a list of strings")),
        };
        let text = |item: &Value| match item {
            Value::Map(_) | Value::Seq(_) => Err(misfit(key, item, "a list of strings")),
            item => Ok(crate::yaml::plain_text(item)),
        };
        items.iter().map(text).collect()
    }
}

fn misfit(key: &str, found: &Value, wanted: &str) -> Report {
    Report::Message(format!(
        "Expected '{key}' to be {wanted} but found '{}'",
        found.go_type()
    ))
}
