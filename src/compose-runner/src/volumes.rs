//! Data that a recipe keeps on a VM that has no persistent disk: it ends with the VM, at the next stemcell if not before.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use bosh_job::{ExitCode, config::VolumePolicy, verdict::ErrorReport};
use docker_engine::{Engine, Image};

use crate::{
    failure::{Failure, Outcome, error},
    image_map::ImageMap,
    job::Job,
    model::Model,
};

const PROPERTY: &str = "volumes_without_persistent_disk";

/// What the operator should know of the recipe's volumes; a failure if the property says so.
pub fn check(job: &Job, engine: &Engine, model: &Model) -> Outcome<Vec<ErrorReport>> {
    let policy = job.config.volume_policy()?;
    let has_disk = job.instance().persistent_disk.is_some_and(|size| size > 0);
    if has_disk || policy == VolumePolicy::Allow {
        return Ok(Vec::new());
    }
    let brought = ImageMap::read(&job.paths.image_map());
    let store = job.paths.root().join("store");
    let Some(found) = at_risk(&places(engine, &brought, model, &store)?) else {
        return Ok(Vec::new());
    };
    match policy {
        VolumePolicy::Refuse => Err(Failure::one(ExitCode::BadConfig, found)),
        VolumePolicy::Warn | VolumePolicy::Allow => Ok(vec![found]),
    }
}

/// Places of data, in an operator's words, with the services that use them.
fn places(
    engine: &Engine,
    brought: &ImageMap,
    model: &Model,
    store: &Path,
) -> Outcome<BTreeMap<String, BTreeSet<String>>> {
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, service) in model
        .services
        .iter()
        .filter(|(_, service)| service.replicas > 0)
    {
        let mut note = |place| places.entry(place).or_default().insert(name.clone());
        for volume in &service.volumes {
            note(match &volume.name {
                Some(volume) => format!("volume {volume}"),
                None => format!("an anonymous volume at {}", volume.target.display()),
            });
        }
        let kept = |source: &Path| source.starts_with(store);
        for mount in service.mounts.iter().filter(|mount| kept(&mount.source)) {
            note(format!("directory {}", mount.source.display()));
        }
        // An image that is only built is not there yet.
        let image = match &service.image {
            Some(image) => inspect(engine, brought, image)?,
            None => None,
        };
        let declared = image.map(|image| image.config.volumes).unwrap_or_default();
        for target in declared.keys().map(Path::new) {
            if !service.targets.contains(target) {
                note(format!("its image's own volume at {}", target.display()));
            }
        }
    }
    Ok(places)
}

/// An image under its name, or under what image-importer says that the name stands for.
fn inspect(engine: &Engine, brought: &ImageMap, name: &str) -> Outcome<Option<Image>> {
    if let Some(image) = engine.inspect_image(name)? {
        return Ok(Some(image));
    }
    match brought.resolve(name) {
        Some(digest) => Ok(engine.inspect_image(digest)?),
        None => Ok(None),
    }
}

fn at_risk(places: &BTreeMap<String, BTreeSet<String>>) -> Option<ErrorReport> {
    if places.is_empty() {
        return None;
    }
    let mut found = error(
        "the recipe keeps data in volumes, and the instance has no persistent disk: the data ends with the VM",
    );
    found.causes = places
        .iter()
        .map(|(place, services)| {
            let services: Vec<&str> = services.iter().map(String::as_str).collect();
            let word = if services.len() == 1 {
                "service"
            } else {
                "services"
            };
            format!("{word} {}: {place}", services.join(", "))
        })
        .collect();
    found.property = Some(PROPERTY.to_owned());
    found.hint = Some(format!(
        "give the instance group a `persistent_disk` (operations/persistent-disk.yml), or set `{PROPERTY}` to allow, warn or refuse"
    ));
    Some(found)
}

#[cfg(test)]
mod tests {
    use docker_engine::fake::{FakeEngine, FakeReply};

    use super::*;

    #[test]
    fn names_each_place_with_its_services() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        let fake = FakeEngine::start(&socket, |request| match request.path.as_str() {
            "/images/db:1/json" => {
                FakeReply::json(r#"{"Id":"sha256:1","Config":{"Volumes":{"/data":{},"/own":{}}}}"#)
            }
            "/images/web:1/json" => {
                FakeReply::json(r#"{"Id":"sha256:2","Config":{"Volumes":null}}"#)
            }
            _ => FakeReply::error(404, "No such image"),
        });
        let model = Model::parse(
            br#"{"services":{
                "db":{"image":"db:1","volumes":[{"type":"volume","source":"data","target":"/data"},{"type":"bind","source":"/v/store/x","target":"/x"}]},
                "web":{"image":"web:1","volumes":[{"type":"volume","source":"data","target":"/d"},{"type":"bind","source":"/v/data/x","target":"/x"}]},
                "built":{"build":{}},
                "off":{"image":"db:1","scale":0}}}"#,
        )
        .unwrap();
        let (engine, brought) = (Engine::new(&socket), ImageMap::read(Path::new("/none")));
        let places = places(&engine, &brought, &model, Path::new("/v/store")).unwrap();
        let found = at_risk(&places).unwrap();
        assert_eq!(
            found.causes,
            [
                "service db: directory /v/store/x",
                "service db: its image's own volume at /own",
                "services db, web: volume data",
            ]
        );
        assert!(at_risk(&BTreeMap::new()).is_none());
        drop(fake);
    }
}
