//! What the recipe counts on and somebody else makes: networks and volumes of the engine, variables of the environment.

use std::path::Path;

use bosh_job::ErrorReport;
use docker_engine::{Engine, Filters};
use recipe::DOTENV_FILE;

use crate::{failure::error, model::Model, recipe_volumes::RecipeVolume};

/// Networks and volumes that are declared `external` and are not there. Compose wants those of services without
/// containers, too.
pub fn missing(model: &Model, engine: &Engine) -> docker_engine::Result<Vec<ErrorReport>> {
    let mut errors = Vec::new();
    let users = |uses: &dyn Fn(&crate::model::Service) -> bool| -> Vec<&str> {
        let services = model.services.iter();
        let users = services.filter(|(_, service)| uses(service));
        users.map(|(name, _)| name.as_str()).collect()
    };
    let mut report = |kind: &str, key: &str, name: &str, users: &[&str]| {
        if users.is_empty() {
            return;
        }
        let mut found = error(format!(
            "service {}: there is no {kind} {name}, which the recipe declares as `external` ({kind}s, {key})",
            users.join(", ")
        ));
        found.service = users.first().map(|&user| user.to_owned());
        found.property = Some("recipe".to_owned());
        found.hint = Some(format!(
            "make it (`docker {kind} create {name}`, in `prep` for each VM), or leave `external` out: the recipe then makes its own"
        ));
        errors.push(found);
    };
    let external = model
        .networks
        .iter()
        .filter(|(_, network)| network.external);
    let external: Vec<_> = external.collect();
    if !external.is_empty() {
        let there = engine.networks(&Filters::default())?;
        for (key, network) in external {
            let is_it = |there: &docker_engine::Network| {
                there.name == network.name || there.id == network.name
            };
            if !there.iter().any(is_it) {
                let users = users(&|service| service.networks.contains(key));
                report("network", key, &network.name, &users);
            }
        }
    }
    let external = model.volumes.iter().filter(|(_, volume)| volume.external);
    let external: Vec<_> = external.collect();
    if !external.is_empty() {
        let there = engine.volumes(&Filters::default())?;
        for (key, RecipeVolume { name, .. }) in external {
            if !there.iter().any(|volume| volume.name == *name) {
                let users = users(&|service| {
                    let mut volumes = service.volumes.iter();
                    volumes.any(|volume| volume.name.as_ref() == Some(key))
                });
                report("volume", key, name, &users);
            }
        }
    }
    Ok(errors)
}

/// Variables that secrets and configs take their content from and that Compose does not get: neither from `environment`
/// nor from `.env` in the recipe's directory.
pub fn unset_variables(
    model: &Model,
    environment: &[(String, String)],
    directory: &Path,
) -> Vec<ErrorReport> {
    let dotenv = std::fs::read_to_string(directory.join(DOTENV_FILE)).unwrap_or_default();
    let dotenv = recipe::dotenv_entries(&dotenv);
    let is_set = |variable: &str| {
        let mut set = environment.iter().chain(&dotenv);
        set.any(|(name, _)| name == variable)
    };
    let mut errors = Vec::new();
    let services = model.services.iter();
    for (name, service) in services.filter(|(_, service)| service.replicas > 0) {
        let wanted = service.texts.iter();
        let wanted = wanted.filter_map(|text| Some((text, text.variable.as_ref()?)));
        for (text, variable) in wanted.filter(|(_, variable)| !is_set(variable)) {
            let mut found = error(format!(
                "service {name}, `{}`: {} is to hold the variable {variable}, which is not set",
                text.kind.word(),
                text.name
            ));
            found.service = Some(name.clone());
            found.property = Some("recipe".to_owned());
            found.hint = Some(format!(
                "set it in property `variables` (`{variable}: …`; an empty text is `\"\"`)"
            ));
            errors.push(found);
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use docker_engine::fake::{FakeEngine, FakeReply};

    use super::*;

    #[test]
    fn what_is_external_is_looked_for_by_the_name_that_the_engine_has() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        let fake = FakeEngine::start(&socket, |request| match request.path.as_str() {
            "/networks" => {
                FakeReply::json(r#"[{"Name":"there","Id":"0123"},{"Name":"key","Id":"4"}]"#)
            }
            "/volumes" => FakeReply::json(r#"{"Volumes":[{"Name":"there"},{"Name":"data"}]}"#),
            _ => FakeReply::error(404, "no such page"),
        });
        let model = Model::parse(
            br#"{"services":{
                "a":{"networks":{"good":null,"key":null,"own":null},"volumes":[{"type":"volume","source":"good","target":"/g"},{"type":"volume","source":"data","target":"/d"}]},
                "b":{"networks":{"key":null,"by-id":null},"scale":0}},
                "networks":{"good":{"name":"there","external":true},"key":{"name":"gone","external":true},"own":{},
                    "by-id":{"name":"0123","external":true},"unused":{"name":"nowhere","external":true}},
                "volumes":{"good":{"name":"there","external":true},"data":{"name":"lost","external":true}}}"#,
        )
        .unwrap();
        let found = missing(&model, &Engine::new(&socket)).unwrap();
        let words: Vec<&str> = found.iter().map(|error| error.what.as_str()).collect();
        assert_eq!(
            words,
            [
                "service a, b: there is no network gone, which the recipe declares as `external` (networks, key)",
                "service a: there is no volume lost, which the recipe declares as `external` (volumes, data)",
            ]
        );
        drop(fake);
    }

    #[test]
    fn a_variable_may_come_from_the_properties_or_from_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let dotenv = "# UNSET=1\nFILE=x\n  export EXPORTED='a'\nYAML: b\n";
        std::fs::write(directory.path().join(".env"), dotenv).unwrap();
        let environment = [("SET".to_owned(), String::new())];
        let sections = ["SET", "FILE", "EXPORTED", "YAML", "UNSET"]
            .map(|name| format!(r#""{name}":{{"environment":"{name}"}}"#))
            .join(",");
        let text = format!(
            r#"{{"secrets":{{{sections}}},"configs":{{{sections}}},"services":{{
                "a":{{"secrets":[{{"source":"SET"}},{{"source":"FILE"}},{{"source":"EXPORTED"}},{{"source":"YAML"}},{{"source":"UNSET"}}]}},
                "b":{{"configs":[{{"source":"UNSET"}}]}},
                "off":{{"scale":0,"configs":[{{"source":"UNSET"}}]}}}}}}"#
        );
        let model = Model::parse(text.as_bytes()).unwrap();
        let found = unset_variables(&model, &environment, directory.path());
        let words: Vec<&str> = found.iter().map(|error| error.what.as_str()).collect();
        assert_eq!(
            words,
            [
                "service a, `secrets`: UNSET is to hold the variable UNSET, which is not set",
                "service b, `configs`: UNSET is to hold the variable UNSET, which is not set",
            ]
        );
        assert!(found[0].hint.as_ref().unwrap().contains("`variables`"));
    }
}
