//! The engine's volumes as the recipe declares them.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;

/// A volume of the recipe's section `volumes`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecipeVolume {
    /// The engine's name for it.
    pub name: String,
    /// Whether somebody else makes it.
    pub external: bool,
    /// Its driver; `local` if it names none.
    pub driver: String,
    /// The driver's options.
    pub options: BTreeMap<String, String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl RecipeVolume {
    /// The volumes of what `docker-compose config` writes, by the names that the recipe uses.
    pub fn parse_all(project: &serde_json::Map<String, Value>) -> BTreeMap<String, Self> {
        let prefix = project
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let entries = project.get("volumes").and_then(Value::as_object);
        let entries = entries.into_iter().flatten();
        entries
            .map(|(key, volume)| (key.clone(), Self::parse(prefix, key, volume)))
            .collect()
    }

    fn parse(project: &str, key: &str, volume: &Value) -> Self {
        let name = volume["name"].as_str().map(str::to_owned);
        // `external: {name: x}` is an old spelling
        let (external, named) = match &volume["external"] {
            Value::Object(external) => (
                true,
                external
                    .get("name")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            ),
            other => (other.as_bool().unwrap_or(false), None),
        };
        let name = name.or(named);
        Self {
            name: name.unwrap_or_else(|| {
                if external {
                    key.to_owned()
                } else {
                    format!("{project}_{key}")
                }
            }),
            external,
            driver: driver(volume["driver"].as_str().unwrap_or_default()),
            options: texts(&volume["driver_opts"]),
            labels: texts(&volume["labels"]),
        }
    }

    /// The directory of the host that it stands for, if it does.
    pub fn bound_to(&self) -> Option<PathBuf> {
        let options = self.options.get("o")?;
        let is_bind = options
            .split(',')
            .any(|option| matches!(option.trim(), "bind" | "rbind"));
        let device = PathBuf::from(self.options.get("device")?);
        (self.driver == "local" && is_bind && device.is_absolute()).then_some(device)
    }

    /// Whether its own options keep containers from writing.
    pub fn is_read_only(&self) -> bool {
        let options = self.options.get("o");
        options.is_some_and(|options| options.split(',').any(|option| option.trim() == "ro"))
    }
}

/// A driver's name as the engine and the recipe may spell it.
pub fn driver(name: &str) -> String {
    let name = name.trim();
    let name = name.strip_suffix(":latest").unwrap_or(name);
    if name.is_empty() { "local" } else { name }.to_owned()
}

/// A map's values as text; a list of `key=value` is one, too.
fn texts(map: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.replace("$$", "$"),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let list = map
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let list = list.map(|entry| {
        let (key, value) = entry.split_once('=').unwrap_or((entry, ""));
        (key.to_owned(), value.replace("$$", "$"))
    });
    let entries = map.as_object().into_iter().flatten();
    entries
        .map(|(key, value)| (key.clone(), text(value)))
        .chain(list)
        .collect()
}
