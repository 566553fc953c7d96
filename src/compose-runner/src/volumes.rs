//! Data that a recipe keeps on a VM that has no persistent disk: it ends with the VM, at the next stemcell if not before.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use bosh_job::{ErrorReport, ExitCode};
use docker_engine::{Engine, Image};
use job_properties::VolumePolicy;

use recipe::Recipe;

use crate::{
    data_places::{DataPlaces, store_is_mounted},
    failure::{Failure, Outcome, error},
    job::Job,
    model::{Model, MountKind},
};
use state_files::ImageMap;

/// Places in an operator's words, with the services that use them.
type Places = BTreeMap<String, BTreeSet<String>>;

const PROPERTY: &str = "volumes_without_persistent_disk";

/// What the operator should know of the recipe's volumes; a failure if the property says so.
pub fn check(
    job: &Job,
    recipe: &Recipe,
    engine: &Engine,
    model: &Model,
) -> Outcome<Vec<ErrorReport>> {
    let policy = job.config.volume_policy()?;
    if policy == VolumePolicy::Allow {
        return Ok(Vec::new());
    }
    let root = job.paths.root();
    let is_told_of = job.instance().persistent_disk.is_some_and(|size| size > 0);
    let has_disk = is_told_of || store_is_mounted(root);
    let binds = binds(
        model,
        &DataPlaces {
            root,
            running: &job.paths.running(),
            written: recipe
                .files
                .iter()
                .map(|file| Path::new(file.path.as_str()))
                .collect(),
            has_disk,
        },
    );
    let found = if has_disk {
        outside_the_disk(&binds)
    } else {
        let brought = ImageMap::left_by_importer(&job.paths);
        let mut places = places(engine, &brought, model)?;
        for (place, services) in binds {
            places.entry(place).or_default().extend(services);
        }
        at_risk(&places)
    };
    let Some(found) = found else {
        return Ok(Vec::new());
    };
    match policy {
        VolumePolicy::Refuse => Err(Failure::one(ExitCode::BadConfig, found)),
        VolumePolicy::Warn | VolumePolicy::Allow => Ok(vec![found]),
    }
}

/// Places of the VM itself that hold data and end with it, with the services that use them.
fn binds(model: &Model, places: &DataPlaces<'_>) -> Places {
    let mut found = Places::new();
    let store = places.root.join("store");
    for (name, service) in model
        .services
        .iter()
        .filter(|(_, service)| service.replicas > 0)
    {
        let mut note = |place| found.entry(place).or_default().insert(name.clone());
        for mount in &service.mounts {
            let writes = mount.kind == MountKind::Volume && !mount.read_only;
            // What a service only reads there, something else has written.
            if (writes || mount.source.starts_with(&store)) && places.ends_with_vm(&mount.source) {
                let is_file = mount.source.is_file();
                let word = if is_file { "file" } else { "directory" };
                note(format!("{word} {}", mount.source.display()));
            }
        }
        for (volume, writes) in &service.named_volumes {
            let Some(declared) = model.volumes.get(volume).filter(|_| *writes) else {
                continue;
            };
            if let Some(source) = declared.bound_to().filter(|_| !declared.is_read_only())
                && places.ends_with_vm(&source)
            {
                note(format!("volume {volume}, directory {}", source.display()));
            }
        }
    }
    found
}

/// Volumes of the engine, in an operator's words, with the services that use them.
fn places(engine: &Engine, brought: &ImageMap, model: &Model) -> Outcome<Places> {
    let mut places = Places::new();
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

fn at_risk(places: &Places) -> Option<ErrorReport> {
    let mut found = finding(
        places,
        "the recipe keeps data in volumes, and the instance has no persistent disk: the data ends with the VM",
    )?;
    found.hint = Some(format!(
        "give the instance group a `persistent_disk` (operations/persistent-disk.yml), or set `{PROPERTY}` to allow, warn or refuse"
    ));
    Some(found)
}

fn outside_the_disk(places: &Places) -> Option<ErrorReport> {
    let mut found = finding(
        places,
        "the recipe keeps data outside the persistent disk: it ends with the VM",
    )?;
    found.hint = Some(format!(
        "use a named volume or a directory below /var/vcap/store, mount with `:ro` what a service only reads, or set `{PROPERTY}` to allow, warn or refuse"
    ));
    Some(found)
}

fn finding(places: &Places, what: &str) -> Option<ErrorReport> {
    if places.is_empty() {
        return None;
    }
    let mut found = error(what);
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
        let (engine, brought) = (Engine::new(&socket), ImageMap::default());
        let mut places = places(&engine, &brought, &model).unwrap();
        let on_vm = |has_disk| {
            let places = DataPlaces {
                root: Path::new("/v"),
                running: Path::new("/v/data/docker/running"),
                written: BTreeSet::new(),
                has_disk,
            };
            binds(&model, &places)
        };
        let outside = outside_the_disk(&on_vm(true)).unwrap();
        assert_eq!(outside.causes, ["service web: directory /v/data/x"]);
        places.extend(on_vm(false));
        let found = at_risk(&places).unwrap();
        assert_eq!(
            found.causes,
            [
                "service web: directory /v/data/x",
                "service db: directory /v/store/x",
                "service db: its image's own volume at /own",
                "services db, web: volume data",
            ]
        );
        assert!(at_risk(&BTreeMap::new()).is_none());
        drop(fake);
    }
}
