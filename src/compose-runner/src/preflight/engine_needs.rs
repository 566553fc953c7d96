//! Recipes that need a newer engine are refused before anything is touched.

use bosh_job::ErrorReport;
use docker_engine::{ApiVersion, Engine};

use crate::{failure::error, model::Model};

/// What this engine does not have of it.
pub fn missing(model: &Model, engine: &Engine) -> docker_engine::Result<Vec<ErrorReport>> {
    let services = model.services.iter();
    let needs: Vec<_> = services
        .flat_map(|(name, service)| service.needs.iter().map(move |need| (name, need)))
        .collect();
    if needs.is_empty() {
        return Ok(Vec::new());
    }
    let version = engine.version()?;
    // One that says nothing that can be read is left to say for itself what it lacks.
    let Ok(newest) = version.api_version.parse::<ApiVersion>() else {
        return Ok(Vec::new());
    };
    let missing = needs.into_iter().filter(|(_, need)| newest < need.api);
    let errors = missing.map(|(name, need)| {
        let mut found = error(format!(
            "service {name}: {} needs Docker Engine {} or later; this one is {}",
            need.place, need.engine, version.version
        ));
        found.service = Some(name.clone());
        found.property = Some("recipe".to_owned());
        found.hint =
            Some("take it out of the recipe, or deploy a release with a newer engine".to_owned());
        found
    });
    Ok(errors.collect())
}

#[cfg(test)]
mod tests {
    use docker_engine::fake::{FakeEngine, FakeReply};

    use super::*;

    fn told(version: &str, api: &str, service: &str) -> Vec<String> {
        let model = format!(r#"{{"services":{{"web":{service}}}}}"#);
        let model = Model::parse(model.as_bytes()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        let version = format!(r#"{{"Version":"{version}","ApiVersion":"{api}"}}"#);
        let _fake = FakeEngine::start(&socket, move |_| FakeReply::json(&version));
        let errors = missing(&model, &Engine::new(&socket)).unwrap();
        errors.into_iter().map(|error| error.what).collect()
    }

    #[test]
    fn what_an_older_engine_would_leave_out_is_refused_with_the_engine_that_has_it() {
        let image = r#"{"volumes":[{"type":"image","source":"x","target":"/x"}]}"#;
        assert_eq!(
            told("26.1.5", "1.45", image),
            [
                "service web: an image as volume /x (`type: image`) needs Docker Engine 28 or later; this one is 26.1.5"
            ]
        );
        assert!(told("28.0.0", "1.48", image).is_empty());
        let subpath = r#"{"volumes":[{"type":"volume","source":"v","target":"/x","volume":{"subpath":"a"}}]}"#;
        assert_eq!(told("25.0.5", "1.44", subpath).len(), 1);
        assert!(told("26.1.5", "1.45", subpath).is_empty());
        let network = r#"{"networks":{"a":{"interface_name":"eth7","gw_priority":1},"b":null}}"#;
        assert_eq!(told("28.0.0", "1.48", network).len(), 1);
        assert_eq!(told("20.10.24", "1.41", network).len(), 2);
        assert!(told("29.7.2", "1.53", network).is_empty());
        let plain = r#"{"volumes":[{"type":"volume","source":"v","target":"/x","volume":{}}],"networks":{"a":{"gw_priority":0}}}"#;
        assert!(told("20.10.24", "1.41", plain).is_empty());
    }
}
