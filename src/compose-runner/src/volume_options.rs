//! Options of volumes that are there already.
//!
//! The engine cannot change a volume. Compose passes over the difference or asks whether it may remove the volume, and the
//! service runs on the old one either way. So a difference fails the deploy before anything is touched.

use std::collections::BTreeSet;

use bosh_job::ErrorReport;
use docker_engine::VolumeSummary;

use crate::{
    failure::error,
    model::Model,
    recipe_volumes::{RecipeVolume, driver},
};

/// What Compose and the engine write themselves.
const OWN_LABELS: [&str; 2] = ["com.docker.compose.", "com.docker.volume."];
/// What a name of an option or label has in it whose value may be a secret.
const SECRET_WORDS: [&str; 7] = [
    "pass",
    "secret",
    "token",
    "key",
    "credential",
    "auth",
    "private",
];

/// The volumes of the recipe whose options are not those of the engine's volume of that name.
pub fn check(model: &Model, existing: &[VolumeSummary]) -> Vec<ErrorReport> {
    let mut errors = Vec::new();
    for (key, volume) in &model.volumes {
        let services: Vec<&str> = model
            .services
            .iter()
            .filter(|(_, service)| service.replicas > 0 && service.named_volumes.contains_key(key))
            .map(|(name, _)| name.as_str())
            .collect();
        let found = existing
            .iter()
            .find(|existing| existing.name == volume.name);
        if volume.external || services.is_empty() {
            continue;
        }
        if let Some(existing) = found {
            errors.extend(compare(key, volume, existing, &services));
        }
    }
    errors
}

fn compare(
    key: &str,
    wanted: &RecipeVolume,
    existing: &VolumeSummary,
    services: &[&str],
) -> Option<ErrorReport> {
    let mut causes = Vec::new();
    let is_driver = driver(&existing.driver);
    if is_driver != wanted.driver {
        causes.push(format!(
            "`driver`: the volume has {is_driver}, the recipe says {}",
            wanted.driver
        ));
    }
    let names = existing.options.keys().chain(wanted.options.keys());
    for name in names.collect::<BTreeSet<_>>() {
        let (old, new) = (existing.options.get(name), wanted.options.get(name));
        if !is_same(old, new) {
            causes.push(difference("driver_opts", name, old, new));
        }
    }
    // What the recipe does not say of labels any more is in nobody's way.
    for (name, new) in &wanted.labels {
        let old = existing.labels.get(name);
        let is_own = OWN_LABELS.iter().any(|own| name.starts_with(own));
        if !is_own && old != Some(new) {
            causes.push(difference("labels", name, old, Some(new)));
        }
    }
    if causes.is_empty() {
        return None;
    }
    let word = if services.len() == 1 {
        "service"
    } else {
        "services"
    };
    let mut found = error(format!(
        "volume {key} ({}) of {word} {} is there with other options than the recipe has; the engine cannot change them, and its data would stay under the old ones",
        wanted.name,
        services.join(", ")
    ));
    found.causes = causes;
    found.service = services
        .first()
        .map(|&service| service.to_owned())
        .filter(|_| services.len() == 1);
    found.property = Some("recipe".to_owned());
    found.hint = Some(format!(
        "put the old options back; or declare a volume of another name with the new options and copy the data over (`docker run --rm -v {}:/from -v NEW:/to IMAGE cp -a /from/. /to`); \
         or, if nobody needs the data any more, stop the services and remove the volume by hand (`docker volume rm {}`); one that somebody else made is `external: true`",
        wanted.name, wanted.name
    ));
    Some(found)
}

/// The engine leaves out what is empty.
fn is_same(old: Option<&String>, new: Option<&String>) -> bool {
    let text =
        |value: Option<&String>| value.map(|text| text.trim().to_owned()).unwrap_or_default();
    text(old) == text(new)
}

fn difference(place: &str, name: &str, old: Option<&String>, new: Option<&String>) -> String {
    let old = old.map_or_else(|| "nothing".to_owned(), |old| shown(name, old));
    let new = new.map_or_else(|| "nothing".to_owned(), |new| shown(name, new));
    let same = if old == new { " (another one)" } else { "" };
    format!("`{place}.{name}`: the volume has {old}, the recipe says {new}{same}")
}

/// A value, without what may be a secret (`o: "username=x,password=y"`).
fn shown(name: &str, value: &str) -> String {
    let is_secret = |name: &str| {
        let name = name.to_lowercase();
        SECRET_WORDS.iter().any(|word| name.contains(word))
    };
    if is_secret(name) {
        return "[redacted]".to_owned();
    }
    let parts = value.split(',').map(|part| match part.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}=[redacted]"),
        _ => without_login(part),
    });
    parts.collect::<Vec<_>>().join(",")
}

/// A URL or share without user and password.
fn without_login(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("//") else {
        return text.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}//[redacted]{}", &rest[at..]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(volumes: &str) -> Model {
        let text = format!(
            r#"{{"name":"running","services":{{
                "db":{{"volumes":[{{"type":"volume","source":"data","target":"/d"}}]}},
                "off":{{"scale":0,"volumes":[{{"type":"volume","source":"idle","target":"/d"}}]}}}},
              "volumes":{volumes}}}"#
        );
        Model::parse(text.as_bytes()).unwrap()
    }

    fn existing(json: &str) -> Vec<VolumeSummary> {
        serde_json::from_str(json).unwrap()
    }

    fn causes(volumes: &str, there: &str) -> Vec<String> {
        let errors = check(&model(volumes), &existing(there));
        assert!(errors.len() < 2);
        errors.into_iter().flat_map(|error| error.causes).collect()
    }

    #[test]
    fn what_the_engine_only_spells_otherwise_is_no_difference() {
        let plain = r#"[{"Name":"running_data","Driver":"local","Options":null,"Labels":{"com.docker.compose.config-hash":"1","mine":"x"}}]"#;
        for volumes in [
            r#"{"data":null}"#,
            r#"{"data":{"name":"running_data"}}"#,
            r#"{"data":{"driver":"local","driver_opts":{},"labels":{"com.docker.compose.x":"y"}}}"#,
            r#"{"data":{"labels":{"mine":"x"}}}"#,
            r#"{"data":{"labels":["mine=x"]}}"#,
            r#"{"data":{"driver":"local","driver_opts":{"o":""}}}"#,
            // not its own
            r#"{"data":{"name":"running_data","external":true}}"#,
            r#"{"data":{"external":{"name":"running_data"}}}"#,
            // not there yet
            r#"{"data":{"name":"other","driver":"nfs"}}"#,
        ] {
            assert_eq!(causes(volumes, plain), Vec::<String>::new(), "{volumes}");
        }
        let plugin =
            r#"[{"Name":"running_data","Driver":"rexray/ebs:latest","Options":{"size":"10"}}]"#;
        let wanted = r#"{"data":{"driver":"rexray/ebs","driver_opts":{"size":10}}}"#;
        assert_eq!(causes(wanted, plugin), Vec::<String>::new());
        // nobody uses it
        let idle = r#"[{"Name":"running_idle","Driver":"local"}]"#;
        assert!(causes(r#"{"idle":{"driver":"nfs"}}"#, idle).is_empty());
    }

    #[test]
    fn each_difference_is_told_with_old_and_new_and_no_secret() {
        let there = r#"[{"Name":"running_data","Driver":"local","Labels":null,
            "Options":{"type":"cifs","device":"//u:hunter2@nas/a","o":"username=x,password=hunter2,vers=3"}}]"#;
        let wanted = r#"{"data":{"driver":"local","labels":{"backup":"daily"},
            "driver_opts":{"type":"cifs","device":"smb://u:hunter3@nas/b","o":"username=x,password=hunter3,vers=3"}}}"#;
        let errors = check(&model(wanted), &existing(there));
        let error = &errors[0];
        assert!(
            error
                .what
                .starts_with("volume data (running_data) of service db is there")
        );
        assert_eq!(error.service.as_deref(), Some("db"));
        assert_eq!(
            error.causes[1..],
            [
                "`driver_opts.o`: the volume has username=x,password=[redacted],vers=3, the recipe says username=x,password=[redacted],vers=3 (another one)",
                "`labels.backup`: the volume has nothing, the recipe says daily",
            ]
        );
        assert!(error.causes[0].ends_with("the recipe says smb://[redacted]@nas/b"));
        assert!(!format!("{:?}", error.causes[1..].join("")).contains("hunter"));
        assert_eq!(
            causes(
                r#"{"data":{"driver":"nfs"}}"#,
                r#"[{"Name":"running_data","Driver":"local","Options":{"size":"1"}}]"#
            ),
            [
                "`driver`: the volume has local, the recipe says nfs",
                "`driver_opts.size`: the volume has 1, the recipe says nothing",
            ]
        );
    }
}
