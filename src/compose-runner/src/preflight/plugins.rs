//! Programs that Compose runs in place of containers: the plugin of a service with `provider`, and `docker model` for `models`. The
//! release brings none of them.

use std::path::PathBuf;

use bosh_job::{ErrorReport, Paths};
use serde_json::Value;

use crate::{failure::error, model::Model};

/// Where the CLI looks for plugins, beside its own configuration (docker/cli, `cli-plugins/manager`).
const DIRECTORIES: [&str; 4] = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];

/// The programs that the recipe needs and that are not there.
pub fn missing(model: &Model, paths: &Paths, environment: &[(String, String)]) -> Vec<ErrorReport> {
    let own = paths.cli_dir().join("cli-plugins");
    let mut directories = extra_directories(paths);
    directories.push(own.clone());
    directories.extend(DIRECTORIES.map(PathBuf::from));
    let has_plugin = |name: &str| {
        let file = format!("docker-{name}");
        let mut files = directories.iter().map(|directory| directory.join(&file));
        files.any(|file| file.exists())
    };
    let search = environment.iter().find(|(name, _)| name == "PATH");
    let search = search.map_or("", |(_, search)| search);
    let has_program =
        |name: &str| std::env::split_paths(search).any(|directory| directory.join(name).is_file());
    let mut errors = Vec::new();
    for (name, service) in &model.services {
        let Some(provider) = &service.provider else {
            continue;
        };
        if has_plugin(provider) || has_program(provider) {
            continue;
        }
        let mut found = error(format!(
            "service {name}: its provider {provider} is not on this machine: there is neither a plugin docker-{provider} nor a program {provider}"
        ));
        found.service = Some(name.clone());
        found.property = Some("recipe".to_owned());
        found.hint = Some(format!(
            "take the service out of the recipe, or bring the program with a release of your own or with `prep`, as {}",
            own.join(format!("docker-{provider}")).display()
        ));
        errors.push(found);
    }
    if !model.models.is_empty() && !has_plugin("model") {
        let names: Vec<&str> = model.models.iter().map(String::as_str).collect();
        let mut found = error(format!(
            "property `recipe`: `models` ({}) needs the plugin docker-model, which is not on this machine",
            names.join(", ")
        ));
        found.property = Some("recipe".to_owned());
        found.hint = Some(
            "run the model in a service with an image of its own, and take `models` out of the recipe and its services"
                .to_owned(),
        );
        errors.push(found);
    }
    errors
}

/// The directories that the CLI's configuration adds.
fn extra_directories(paths: &Paths) -> Vec<PathBuf> {
    let bytes = std::fs::read(paths.cli_dir().join("config.json")).unwrap_or_default();
    let config: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let extra = config["cliPluginsExtraDirs"].as_array();
    let extra = extra.into_iter().flatten().filter_map(Value::as_str);
    extra.map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_and_models_are_refused_until_their_programs_are_there() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        let model = Model::parse(
            br#"{"services":{"db":{"provider":{"type":"rig-db"}},"web":{"image":"x","models":{"llm":null}}},"models":{"llm":{"model":"ai/x"}}}"#,
        )
        .unwrap();
        let bin = directory.path().join("bin");
        let environment = [("PATH".to_owned(), format!("/nowhere:{}", bin.display()))];
        let told = || -> Vec<String> {
            let errors = missing(&model, &paths, &environment).into_iter();
            errors.map(|error| error.what).collect()
        };
        assert_eq!(
            told(),
            [
                "service db: its provider rig-db is not on this machine: there is neither a plugin docker-rig-db nor a program rig-db",
                "property `recipe`: `models` (llm) needs the plugin docker-model, which is not on this machine",
            ]
        );
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::write(bin.join("rig-db"), "").unwrap();
        assert_eq!(told().len(), 1);
        let plugins = paths.cli_dir().join("cli-plugins");
        std::fs::create_dir_all(&plugins).unwrap();
        std::fs::write(plugins.join("docker-model"), "").unwrap();
        std::fs::remove_file(bin.join("rig-db")).unwrap();
        std::fs::write(plugins.join("docker-rig-db"), "").unwrap();
        assert_eq!(told(), [""; 0]);
    }
}
