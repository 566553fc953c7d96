//! What the runner reads in the text of the recipe itself, before Compose has interpolated it: its names, and the
//! variables that it names.
//!
//! Whether the text is a good recipe is for Compose to say. One that this reader cannot read has no names and no variables
//! here.

use std::collections::{BTreeMap, BTreeSet};

use recipe::Recipe;
use serde::Deserialize as _;
use serde_yaml::Value;

use crate::interpolation::{Reference, references};

/// The sections whose keys are names.
const SECTIONS: [&str; 5] = ["services", "networks", "volumes", "configs", "secrets"];
/// Keys whose values are names that everybody sees who sees the containers.
const NAMES: [&str; 10] = [
    "aliases",
    "container_name",
    "domainname",
    "driver",
    "hostname",
    "image",
    "name",
    "profiles",
    "user",
    "working_dir",
];

/// The text of a recipe.
pub struct RecipeText {
    documents: Vec<Value>,
}

impl RecipeText {
    /// Reads a recipe.
    pub fn read(recipe: &Recipe) -> Self {
        Self::parse(recipe.compose_yaml.reveal())
    }

    fn parse(text: &str) -> Self {
        let documents = serde_yaml::Deserializer::from_str(text).map(Value::deserialize);
        let mut documents: Vec<Value> = documents.collect::<Result<_, _>>().unwrap_or_default();
        for document in &mut documents {
            // One that merges what is no map is for Compose to refuse.
            let _ = document.apply_merge();
        }
        Self { documents }
    }

    /// The project's name in the recipe.
    pub fn project(&self) -> Option<&str> {
        let names = self.documents.iter().filter_map(|one| one.get("name"));
        names.filter_map(Value::as_str).next_back()
    }

    /// The services of the recipe, also those whose profiles are not active.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        let documents = self.documents.iter();
        let services = documents.filter_map(|one| one.get("services")?.as_mapping());
        services
            .flat_map(|services| services.keys())
            .filter_map(Value::as_str)
    }

    /// Variables without a default, and where each is named: `service web`, or a section.
    pub fn variables(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut variables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        self.each_text(&mut |path, text| {
            let place = match path {
                ["services", service, ..] => format!("service {service}"),
                [section, name, ..] => format!("{section} {name}"),
                [section] => (*section).to_owned(),
                [] => return,
            };
            for Reference { name, provides } in references(text) {
                if !provides {
                    variables.entry(name).or_default().insert(place.clone());
                }
            }
        });
        variables
    }

    /// Names of the recipe, whole and part by part, and the values of variables that names are made of.
    pub fn names(&self, variables: &BTreeMap<&str, &str>) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for document in &self.documents {
            for section in SECTIONS {
                let keys = document.get(section).and_then(Value::as_mapping);
                let keys = keys.into_iter().flat_map(|section| section.keys());
                names.extend(keys.filter_map(Value::as_str).map(str::to_owned));
            }
        }
        self.each_text(&mut |path, text| {
            // the name of one thing of a section, not of an environment's variable or a label that is called so
            let is_name = match path {
                ["name"] => true,
                [section, _, key, ..] if SECTIONS.contains(section) => NAMES.contains(key),
                _ => false,
            } || path.last() == Some(&"aliases");
            let is_mount = matches!(path, ["services", _, "volumes" | "devices" | "tmpfs", ..]);
            if !is_name && !is_mount {
                return;
            }
            for reference in references(text) {
                if let Some(value) = variables.get(reference.name.as_str()) {
                    add(&mut names, value);
                }
            }
            if is_name {
                add(&mut names, text);
            }
        });
        names
    }

    /// Hands each string to `found`, with the keys of the maps that lead to it.
    fn each_text<'a>(&'a self, found: &mut impl FnMut(&[&'a str], &'a str)) {
        for document in &self.documents {
            walk(document, &mut Vec::new(), found);
        }
    }
}

/// Adds a name, and its parts: `registry.example`, `registry` and `shop` of `registry.example/shop:1`.
fn add(names: &mut BTreeSet<String>, name: &str) {
    names.insert(name.to_owned());
    for part in name.split(['/', ':', '@']) {
        names.insert(part.to_owned());
        names.extend(part.split('.').map(str::to_owned));
    }
}

fn walk<'a>(
    value: &'a Value,
    path: &mut Vec<&'a str>,
    found: &mut impl FnMut(&[&'a str], &'a str),
) {
    match value {
        Value::String(text) => found(path, text),
        Value::Sequence(list) => list.iter().for_each(|value| walk(value, path, found)),
        Value::Mapping(map) => {
            for (key, value) in map {
                path.push(key.as_str().unwrap_or_default());
                walk(value, path, found);
                path.pop();
            }
        }
        Value::Tagged(tagged) => walk(&tagged.value, path, found),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
name: shop
x-common: &common
  environment: {A: '${FROM_ANCHOR}'} # ${NOT_IN_A_COMMENT}
services:
  web:
    <<: *common
    image: registry.example/team/${APP}:${TAG:-1}
    container_name: front
    volumes: ['${DATA}/x:/x']
    command: [sh, -c, 'echo $$HOME ${MISSING} # ${IN_TEXT}']
    labels: {image: hunter2, name: hunter3}
    networks: {back: {aliases: [shopfront]}}
  db: !reset
    image: postgres:16
    environment: ['PW=${MISSING}']
networks: {back: {name: '${NET}'}}
configs:
  c:
    content: |
      # ${IN_A_BLOCK}
";

    #[test]
    fn finds_variables_without_a_default_where_they_are_named() {
        let variables = RecipeText::parse(TEXT).variables();
        let found: Vec<_> = variables
            .iter()
            .map(|(name, places)| {
                (
                    name.as_str(),
                    places.iter().cloned().collect::<Vec<_>>().join(", "),
                )
            })
            .collect();
        let expected = [
            ("APP", "service web"),
            ("DATA", "service web"),
            ("FROM_ANCHOR", "service web, x-common environment"),
            ("IN_A_BLOCK", "configs c"),
            ("IN_TEXT", "service web"),
            ("MISSING", "service db, service web"),
            ("NET", "networks back"),
        ];
        assert_eq!(
            found,
            expected.map(|(name, places)| (name, places.to_owned()))
        );
    }

    #[test]
    fn finds_names_and_the_values_that_they_are_made_of() {
        let variables = BTreeMap::from([
            ("APP", "backend"),
            ("MISSING", "s3cret"),
            ("NET", "lan"),
            ("DATA", "/srv/data1"),
        ]);
        let names = RecipeText::parse(TEXT).names(&variables);
        for name in [
            "shop",
            "web",
            "db",
            "back",
            "c",
            "registry.example",
            "registry",
            "team",
            "backend",
            "front",
            "shopfront",
            "postgres",
            "lan",
            "/srv/data1",
        ] {
            assert!(names.contains(name), "{name}: {names:?}");
        }
        for other in ["s3cret", "hunter2", "hunter3", "sh", "PW=${MISSING}"] {
            assert!(!names.contains(other), "{other}");
        }
        assert_eq!(RecipeText::parse(TEXT).project(), Some("shop"));
    }

    #[test]
    fn a_text_that_is_no_yaml_has_nothing() {
        for text in ["", "a: [", "services: {a: {image: x}\n", "%", "- $X"] {
            let read = RecipeText::parse(text);
            assert!(read.variables().is_empty() && read.names(&BTreeMap::new()).is_empty());
            assert_eq!(read.project(), None);
        }
    }
}
