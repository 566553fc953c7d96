//! What an image's config says, as far as people look at it. It is anybody's document: what is not of the expected form is left out.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a config says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// When the image was made, as it says.
    pub created: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// What runs, each argument for itself.
    pub entrypoint: Vec<String>,
    /// Its arguments, or what runs if there is no entrypoint.
    pub command: Vec<String>,
    /// Who runs it.
    pub user: Option<String>,
    /// Where it runs.
    pub directory: Option<String>,
    /// What ends it.
    pub stop_signal: Option<String>,
    /// Ports that it listens on.
    pub ports: Vec<String>,
    /// Directories of its own volumes.
    pub volumes: Vec<String>,
    /// `NAME=VALUE`.
    pub environment: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// What made each layer, in their order; empty if the config does not say it of each of them.
    pub steps: Vec<String>,
}

impl Config {
    /// Reads it; `layers` is how many layers the manifest has.
    pub fn parse(bytes: &[u8], layers: usize) -> Option<Self> {
        let document: Value = serde_json::from_slice(bytes).ok()?;
        let inner = &document["config"];
        Some(Self {
            created: text(&document["created"]),
            author: text(&document["author"]),
            entrypoint: texts(&inner["Entrypoint"]),
            command: texts(&inner["Cmd"]),
            user: text(&inner["User"]),
            directory: text(&inner["WorkingDir"]),
            stop_signal: text(&inner["StopSignal"]),
            ports: keys(&inner["ExposedPorts"]),
            volumes: keys(&inner["Volumes"]),
            environment: texts(&inner["Env"]),
            labels: pairs(&inner["Labels"]),
            steps: steps(&document["history"], layers),
        })
    }
}

fn steps(history: &Value, layers: usize) -> Vec<String> {
    let entries = history.as_array().into_iter().flatten();
    let steps = entries.filter(|entry| entry["empty_layer"] != Value::Bool(true));
    let steps: Vec<String> = steps
        .map(|entry| {
            let step = text(&entry["created_by"]).unwrap_or_default();
            // what docker's builders write before each command
            let step = step
                .strip_prefix("/bin/sh -c #(nop)")
                .unwrap_or(&step)
                .trim();
            step.strip_suffix("# buildkit")
                .unwrap_or(step)
                .trim()
                .to_owned()
        })
        .collect();
    if steps.len() == layers {
        steps
    } else {
        Vec::new()
    }
}

/// A text that is not empty.
pub fn text(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    let entries = value.as_array().into_iter().flatten();
    entries
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn keys(value: &Value) -> Vec<String> {
    let entries = value.as_object().into_iter().flatten();
    entries.map(|(key, _)| key.clone()).collect()
}

/// Names with texts.
pub fn pairs(value: &Value) -> BTreeMap<String, String> {
    let entries = value.as_object().into_iter().flatten();
    let texts = entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_of_any_form_is_read_as_far_as_it_goes() {
        let config = br#"{"created":"2026-01-02T03:04:05Z","config":{"Entrypoint":["a","b c"],"Cmd":null,"User":"",
            "ExposedPorts":{"80/tcp":{}},"Labels":{"x":"1","y":2},"Env":["A=1",3]},
            "history":[{"created_by":"/bin/sh -c #(nop) ADD x"},{"empty_layer":true},{"created_by":"RUN y # buildkit"}]}"#;
        let parsed = Config::parse(config, 2).unwrap();
        assert_eq!(parsed.entrypoint, ["a", "b c"]);
        assert_eq!(
            (parsed.user, parsed.ports),
            (None, vec!["80/tcp".to_owned()])
        );
        assert_eq!(parsed.labels.len(), 1);
        assert_eq!(parsed.environment, ["A=1"]);
        assert_eq!(parsed.steps, ["ADD x", "RUN y"]);
        assert!(Config::parse(config, 3).unwrap().steps.is_empty());
        for odd in [
            "[]",
            "3",
            "\"x\"",
            "{\"config\":[]}",
            "{\"history\":{},\"config\":{\"Labels\":[1],\"Env\":\"x\"}}",
        ] {
            assert_eq!(
                Config::parse(odd.as_bytes(), 0),
                Some(Config::default()),
                "{odd}"
            );
        }
        assert_eq!(Config::parse(b"{", 0), None);
    }
}
