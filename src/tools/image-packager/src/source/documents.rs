//! A recipe of several YAML documents: each is laid over those before it, as Compose does (compose-go, `override/merge.go`
//! and `loader/reset.go`). Variables are substituted later: what is replaced needs none.

use bosh_manifest::{Map, StreamDocument, Tagged, Value};

/// Lays the documents over each other.
///
/// # Errors
/// What Compose refuses, a message for each document.
pub fn merged(documents: Vec<StreamDocument>) -> Result<Value, Vec<String>> {
    let mut whole = Value::Map(Map::new());
    let mut problems = Vec::new();
    let several = documents.len() > 1;
    for (number, StreamDocument { mut value, tags }) in documents.into_iter().enumerate() {
        if value.as_map().is_none() {
            if !several {
                return Ok(value);
            }
            problems.push(format!(
                "its YAML document {} is {}, and Compose takes only maps; delete it with its `---`",
                number + 1,
                if value.is_null() { "empty" } else { "no map" }
            ));
            continue;
        }
        for Tagged { path, tag } in tags {
            match tag.as_str() {
                "!reset" => {
                    remove(&mut value, &path);
                    remove(&mut whole, &path);
                }
                "!override" => remove(&mut whole, &path),
                _ => {}
            }
        }
        let mut path = Vec::new();
        lay_over(&mut whole, value, &mut path);
    }
    if problems.is_empty() {
        Ok(whole)
    } else {
        Err(problems)
    }
}

fn remove(value: &mut Value, path: &[String]) {
    let (Value::Map(map), Some((name, rest))) = (value, path.split_first()) else {
        return;
    };
    let name = Value::from(name.as_str());
    if rest.is_empty() {
        map.shift_remove(&name);
    } else if let Some(inner) = map.get_mut(&name) {
        remove(inner, rest);
    }
}

fn lay_over(below: &mut Value, above: Value, path: &mut Vec<Value>) {
    let above = as_map_if_either(path, above);
    if let Value::Map(_) = above {
        let taken = std::mem::take(below);
        *below = as_map_if_either(path, taken);
    }
    match (below, above) {
        (_, Value::Null) => {}
        (Value::Map(below), Value::Map(above)) => {
            for (name, value) in above {
                match below.get_mut(&name) {
                    Some(inner) => {
                        path.push(name);
                        lay_over(inner, value, path);
                        path.pop();
                    }
                    None => {
                        below.insert(name, value);
                    }
                }
            }
        }
        (Value::Seq(below), Value::Seq(above)) => below.extend(above),
        (below, above) => *below = above,
    }
}

/// `build: DIR` is short for a map, and so are `additional_contexts` as a list.
fn as_map_if_either(path: &[Value], value: Value) -> Value {
    let names: Vec<&str> = path
        .iter()
        .map(|name| name.as_str().unwrap_or("?"))
        .collect();
    match (names.as_slice(), value) {
        (["services", _, "build"], Value::String(context)) => {
            Value::Map(Map::from_iter([("context".into(), context.into())]))
        }
        (["services", _, "build", "additional_contexts"], Value::Seq(contexts)) => Value::Map(
            (contexts.iter())
                .filter_map(|context| context.as_str()?.split_once('='))
                .map(|(name, context)| (name.into(), context.into()))
                .collect(),
        ),
        (_, value) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Value, Vec<String>> {
        merged(bosh_manifest::parse_stream(text.as_bytes()).unwrap())
    }

    #[test]
    fn lays_each_document_over_those_before_it() {
        let whole = read(
            "services:\n  a: {image: one, volumes: [x], build: ., command: a}\n  gone: {image: no}\n  kept: {image: k}\n\
             ---\nservices:\n  a: {image: two, volumes: [y], build: {args: [b]}, command: !override [c]}\n  \
             b: {image: three}\n  gone: !reset null\n  kept:\n\
             ---\nservices:\n  a: {build: !reset null}\n  b: !override {hostname: h}\n",
        );
        let expected = "services:\n  a: {image: two, volumes: [x, y], command: [c]}\n  kept: {image: k}\n  b: {hostname: h}\n";
        assert_eq!(
            whole.unwrap(),
            bosh_manifest::parse(expected.as_bytes()).unwrap()
        );
    }

    #[test]
    fn short_forms_are_those_of_maps() {
        let whole = read(
            "services: {a: {build: dir}, b: {build: {additional_contexts: [x=1, z=2]}}}\n---\n\
             services: {a: {build: {target: t}}, b: {build: {additional_contexts: {z: 3}}}}\n",
        );
        let expected = "services: {a: {build: {context: dir, target: t}}, b: {build: {additional_contexts: {x: '1', z: 3}}}}";
        assert_eq!(
            whole.unwrap(),
            bosh_manifest::parse(expected.as_bytes()).unwrap()
        );
    }

    #[test]
    fn what_compose_refuses_is_named_with_its_number() {
        for (text, expected) in [
            ("a: 1\n---\n", "its YAML document 2 is empty"),
            ("---\n---\na: 1\n", "its YAML document 1 is empty"),
            ("a: 1\n---\n- b\n", "its YAML document 2 is no map"),
        ] {
            let problems = read(text).unwrap_err();
            assert!(problems[0].starts_with(expected), "{problems:?}");
        }
    }
}
