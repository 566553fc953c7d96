//! `storage_opt` of services, which the containerd image store passes over without a word: a quota that is none.

use bosh_job::ErrorReport;
use docker_engine::{Engine, ImageStore};

use crate::{failure::error, model::Model};

/// Services with options of the storage driver, on an engine that ignores them.
pub fn check(model: &Model, engine: &Engine) -> docker_engine::Result<Vec<ErrorReport>> {
    let services = model.services.iter();
    let mut with_options = services
        .filter(|(_, service)| service.replicas > 0 && !service.storage_options.is_empty())
        .peekable();
    // graph drivers refuse what they cannot do themselves
    if with_options.peek().is_none() || engine.info()?.image_store() != ImageStore::Containerd {
        return Ok(Vec::new());
    }
    let found = with_options.map(|(name, service)| {
        let names: Vec<&str> = service.storage_options.iter().map(String::as_str).collect();
        let mut found = error(format!(
            "service {name}: `storage_opt` ({}) has no effect on the containerd image store, which this engine uses: its containers would have no quota",
            names.join(", ")
        ));
        found.service = Some(name.clone());
        found.property = Some("recipe".to_owned());
        found.hint = Some(
            "take `storage_opt` out; what bounds a directory is a `tmpfs` with `size`, or a volume of a file system of its own"
                .to_owned(),
        );
        found
    });
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    use docker_engine::fake::{FakeEngine, FakeReply};

    use super::*;

    const SERVICES: &str = r#"{"name":"running","services":{
        "db":{"storage_opt":{"size":"10G"}},
        "sized":{"storage_opt":{"size":10}},
        "empty":{"storage_opt":{}},
        "null":{"storage_opt":null},
        "off":{"scale":0,"storage_opt":{"size":"10G"}}}}"#;

    fn services_told(info: &'static str) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        let _fake = FakeEngine::start(&socket, move |_| FakeReply::json(info));
        let model = Model::parse(SERVICES.as_bytes()).unwrap();
        let errors = check(&model, &Engine::new(&socket)).unwrap();
        errors
            .into_iter()
            .filter_map(|error| error.service)
            .collect()
    }

    #[test]
    fn options_are_refused_where_the_engine_ignores_them() {
        let containerd = r#"{"Driver":"overlayfs","DriverStatus":[["driver-type","io.containerd.snapshotter.v1"]]}"#;
        assert_eq!(services_told(containerd), ["db", "sized"]);
        let graph = r#"{"Driver":"overlay2","DriverStatus":[["Backing Filesystem","xfs"]]}"#;
        assert!(services_told(graph).is_empty());
    }
}
