//! Properties: what the manifest sets, held against what a job's spec declares (director:
//! `deployment_plan/job.rb`, `template/property_helper.rb`).

use crate::release::Job;
use anyhow::{Result, bail};
use serde_json::{Map, Value};

/// Properties as the templates see them: declared ones only, nested, defaults filled in, nil where
/// there is none. The second part names what the manifest sets and the spec does not declare.
pub fn bind(job: &Job, provided: &Map<String, Value>) -> Result<(Value, Vec<String>)> {
    let mut bound = Map::new();
    for (name, definition) in &job.properties {
        let value = match look_up(provided, name)? {
            None | Some(Value::Null) => definition.default.clone(),
            Some(value) => value.clone(),
        };
        let value = sorted(value);
        set(&mut bound, name, value)?;
    }
    let mut undeclared = Vec::new();
    let declared: Vec<&str> = job.properties.keys().map(String::as_str).collect();
    find_undeclared(provided, "", &declared, &mut undeclared);
    undeclared.sort();
    Ok((Value::Object(bound), undeclared))
}

/// The director's `sort_property`: maps in maps are sorted, what lies in lists is not.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect();
            entries.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(entries.into_iter().collect())
        }
        other => other,
    }
}

fn look_up<'a>(properties: &'a Map<String, Value>, name: &str) -> Result<Option<&'a Value>> {
    let mut found: Option<&Value> = None;
    for key in name.split('.') {
        let map = match found {
            None => properties,
            Some(Value::Object(map)) => map,
            Some(other) => bail!(
                "property `{name}` expects a map, but its parent is {}",
                kind_of(other)
            ),
        };
        found = match map.get(key) {
            None | Some(Value::Null) => return Ok(None),
            value => value,
        };
    }
    Ok(found)
}

/// Puts `value` at the dotted `name`, making the maps on the way.
pub fn set(properties: &mut Map<String, Value>, name: &str, value: Value) -> Result<()> {
    let Some((first, rest)) = name.split_once('.') else {
        properties.insert(name.to_owned(), value);
        return Ok(());
    };
    let child = properties.entry(first.to_owned()).or_insert(Value::Null);
    if child.is_null() {
        *child = Value::Object(Map::new());
    }
    match child {
        Value::Object(map) => set(map, rest, value),
        other => bail!(
            "property `{first}` is {}, and `{name}` is declared below it",
            kind_of(other)
        ),
    }
}

fn find_undeclared(
    map: &Map<String, Value>,
    prefix: &str,
    declared: &[&str],
    found: &mut Vec<String>,
) {
    for (key, value) in map {
        let name = format!("{prefix}{key}");
        if declared.contains(&name.as_str()) {
            continue;
        }
        let below = format!("{name}.");
        match value {
            Value::Object(children) if declared.iter().any(|other| other.starts_with(&below)) => {
                find_undeclared(children, &below, declared, found);
            }
            _ => found.push(name),
        }
    }
}

/// The director's `recursive_merge`: maps merge, anything else of `over` wins.
pub fn merge(under: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (key, value) in over {
        match (under.get_mut(key), value) {
            (Some(Value::Object(mine)), Value::Object(theirs)) => merge(mine, theirs),
            _ => {
                under.insert(key.clone(), value.clone());
            }
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Progress;
    use serde_json::json;
    use std::fs;

    fn bound(spec: &str, provided: Value) -> Result<(Value, Vec<String>)> {
        let release = tempfile::tempdir().unwrap();
        let directory = release.path().join("jobs/j");
        fs::create_dir_all(&directory).unwrap();
        fs::write(
            directory.join("spec"),
            format!("name: j\nproperties:\n{spec}"),
        )
        .unwrap();
        fs::write(directory.join("monit"), "").unwrap();
        let job = Job::read(release.path(), "toy", "j", &Progress::silent()).unwrap();
        let Value::Object(provided) = provided else {
            panic!("properties are a map")
        };
        bind(&job, &provided)
    }

    #[test]
    fn declared_properties_nest_and_take_their_defaults() {
        let (properties, undeclared) = bound(
            "  a.b: {default: 1}\n  a.c: {}\n  d: {default: [x]}\n  e:\n",
            json!({"a": {"c": {"k": "v"}}}),
        )
        .unwrap();
        assert_eq!(
            properties,
            json!({"a": {"b": 1, "c": {"k": "v"}}, "d": ["x"], "e": null})
        );
        assert!(undeclared.is_empty());
    }

    #[test]
    fn null_takes_the_default_and_false_does_not() {
        let (properties, _) = bound(
            "  a: {default: 1}\n  b: {default: true}\n",
            json!({"a": null, "b": false}),
        )
        .unwrap();
        assert_eq!(properties, json!({"a": 1, "b": false}));
    }

    #[test]
    fn undeclared_properties_vanish_and_are_named() {
        let (properties, undeclared) = bound(
            "  a.b: {}\n  a.c.d: {}\n",
            json!({"a": {"b": 1, "x": 2, "c": {"y": 3}}, "z": 4}),
        )
        .unwrap();
        assert_eq!(properties, json!({"a": {"b": 1, "c": {"d": null}}}));
        assert_eq!(undeclared, ["a.c.y", "a.x", "z"]);
    }

    #[test]
    fn maps_are_sorted_as_the_director_sorts_them() {
        let (properties, _) =
            bound("  a: {}\n", json!({"a": {"z": 1, "b": {"y": 1, "B": 2}}})).unwrap();
        assert_eq!(properties.to_string(), r#"{"a":{"b":{"B":2,"y":1},"z":1}}"#);
    }

    #[test]
    fn refuses_a_scalar_where_a_map_is_declared() {
        let error = bound("  a.b: {}\n", json!({"a": "text"})).unwrap_err();
        assert!(error.to_string().contains("`a.b` expects a map"), "{error}");
    }

    #[test]
    fn merging_goes_into_maps_only() {
        let mut under = json!({"a": {"x": 1, "y": [1]}, "b": 1})
            .as_object()
            .unwrap()
            .clone();
        merge(
            &mut under,
            json!({"a": {"y": [2]}, "c": 3}).as_object().unwrap(),
        );
        assert_eq!(
            Value::Object(under),
            json!({"a": {"x": 1, "y": [2]}, "b": 1, "c": 3})
        );
    }
}
