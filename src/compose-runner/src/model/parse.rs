//! Reading the model out of Compose's output.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use bosh_job::Secret;
use docker_engine::Healthcheck;
use serde_json::Value;

use super::{
    Build, InlineFile, Model, ModelError, Mount, MountKind, PublishedPort, Service, Volume,
};
use crate::{
    engine_needs::engine_needs, networks::RecipeNetwork, other_images::OtherImages,
    recipe_volumes::RecipeVolume,
};

impl Model {
    /// Reads the output of `docker-compose config --format json`.
    pub fn parse(output: &[u8]) -> Result<Self, ModelError> {
        let output: Value = serde_json::from_slice(output)?;
        let project = output.as_object().ok_or(ModelError::Services)?;
        let networks = project.get("networks").and_then(Value::as_object);
        let networks = networks.into_iter().flatten();
        let networks = networks
            .map(|(key, network)| (key.clone(), RecipeNetwork::parse(key, network)))
            .collect();
        let services = match project.get("services") {
            Some(Value::Object(services)) => services,
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(_) => return Err(ModelError::Services),
        };
        let configs = files_by_name(project.get("configs"));
        let secrets = files_by_name(project.get("secrets"));
        let volumes = RecipeVolume::parse_all(project);
        let elsewhere = volumes_elsewhere(project.get("volumes"));
        // Compose leaves out the section itself
        let models = services.values().map(|service| &service["models"]);
        let models = models.chain(project.get("models")).flat_map(names);
        let services = services.iter().filter(|(_, service)| service.is_object());
        let services = services.map(|(name, service)| {
            let mut parsed = parse_service(service);
            parsed
                .mounts
                .extend(mounted(&service["configs"], &configs, MountKind::Config));
            parsed
                .mounts
                .extend(mounted(&service["secrets"], &secrets, MountKind::Secret));
            for kind in [MountKind::Config, MountKind::Secret] {
                let uses = &service[kind.word()];
                parsed
                    .texts
                    .extend(inline(uses, project.get(kind.word()), kind));
            }
            parsed.volumes.retain(|volume| {
                !volume
                    .name
                    .as_ref()
                    .is_some_and(|name| elsewhere.contains(name))
            });
            (name.clone(), parsed)
        });
        Ok(Self {
            services: services.collect(),
            networks,
            volumes,
            models: models.collect(),
            ..Self::default()
        })
    }
}

fn parse_service(service: &Value) -> Service {
    let mut mounts: BTreeSet<Mount> = each(&service["volumes"]).filter_map(bind).collect();
    if service["use_api_socket"] == true {
        // docker/compose, `useAPISocket`
        mounts.insert(Mount {
            source: "/var/run/docker.sock".into(),
            read_only: false,
            kind: MountKind::Volume,
        });
    }
    let network_mode = text(&service["network_mode"]).filter(|mode| !mode.is_empty());
    // the engine discards what is published out of the host's network, and out of none
    let discards = matches!(network_mode.as_deref(), Some("host" | "none"));
    let ports = each(&service["ports"]).filter(|_| !discards);
    let provider = text(&service["provider"]["type"]).filter(|kind| !kind.is_empty());
    Service {
        image: text(&service["image"]).filter(|image| !image.is_empty()),
        pull_policy: text(&service["pull_policy"]),
        read_only: service["read_only"] == true,
        // what is provided has no container
        replicas: match provider {
            Some(_) => 0,
            None => replicas(service),
        },
        ports: ports.filter_map(published).collect(),
        mounts,
        texts: Vec::new(),
        volumes: each(&service["volumes"]).filter_map(volume).collect(),
        named_volumes: named_volumes(&service["volumes"]),
        targets: targets(service),
        networks: names(&service["networks"]),
        has_dns: each(&service["dns"]).next().is_some(),
        healthcheck: healthcheck(&service["healthcheck"]),
        container_name: text(&service["container_name"]).filter(|name| !name.is_empty()),
        declares_dns: declares_dns(service),
        depends_on: names(&service["depends_on"]),
        build: service["build"]
            .is_object()
            .then(|| build(&service["build"])),
        storage_options: names(&service["storage_opt"]),
        network_mode,
        other_images: OtherImages::of(service),
        post_start_hooks: each(&service["post_start"]).count(),
        per_replica_hooks: each(&service["pre_start"])
            .enumerate()
            .filter(|(_, hook)| hook["per_replica"] == true)
            .map(|(place, _)| place)
            .collect(),
        provider,
        needs: engine_needs(service),
    }
}

/// Whether port 53 is among those that a service exposes or wants to publish.
fn declares_dns(service: &Value) -> bool {
    let is_dns = |value: &Value| match value {
        Value::Number(number) => number.as_u64() == Some(53),
        value => text(value).is_some_and(|port| port.split('/').next() == Some("53")),
    };
    let mut ports = each(&service["ports"]).flat_map(|port| [&port["target"], &port["published"]]);
    ports.any(is_dns) || each(&service["expose"]).any(is_dns)
}

fn build(build: &Value) -> Build {
    // a repository or an archive that is fetched: `https://…`, `git@…`, `github.com/…`, as Compose passes them on
    let directory = text(&build["context"])
        .map(PathBuf::from)
        .filter(|context| context.is_absolute());
    let is_inline = text(&build["dockerfile_inline"]).is_some_and(|inline| !inline.is_empty());
    let dockerfile = text(&build["dockerfile"]).unwrap_or_else(|| "Dockerfile".to_owned());
    Build {
        dockerfile: (!is_inline).then(|| PathBuf::from(dockerfile)),
        directory,
    }
}

/// `deploy.replicas` outweighs `scale` (compose-go, `types.ServiceConfig.GetScale`).
fn replicas(service: &Value) -> usize {
    let number = |value: &Value| {
        value
            .as_u64()
            .and_then(|number| usize::try_from(number).ok())
    };
    number(&service["deploy"]["replicas"])
        .or_else(|| number(&service["scale"]))
        .unwrap_or(1)
}

fn published(port: &Value) -> Option<PublishedPort> {
    // A string ("8080", "8000-8010") since Compose 2; a number in its first versions.
    let range = match &port["published"] {
        Value::Number(number) => number.to_string(),
        other => text(other)?,
    };
    let (first, last) = range.split_once('-').unwrap_or((&range, &range));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    if first == 0 || last < first {
        return None;
    }
    let host_ip = text(&port["host_ip"]).unwrap_or_default();
    let protocol = text(&port["protocol"]).unwrap_or_else(|| "tcp".to_owned());
    Some(PublishedPort {
        host_ip,
        first,
        last,
        protocol,
        target: port["target"].as_u64(),
    })
}

fn bind(volume: &Value) -> Option<Mount> {
    if volume["type"] != "bind" {
        return None;
    }
    let source = PathBuf::from(text(&volume["source"])?);
    let read_only = volume["read_only"].as_bool().unwrap_or(false);
    source.is_absolute().then_some(Mount {
        source,
        read_only,
        kind: MountKind::Volume,
    })
}

fn volume(volume: &Value) -> Option<Volume> {
    if volume["type"] != "volume" {
        return None;
    }
    Some(Volume {
        name: text(&volume["source"]).filter(|name| !name.is_empty()),
        target: PathBuf::from(text(&volume["target"])?),
    })
}

fn named_volumes(mounts: &Value) -> BTreeMap<String, bool> {
    let mut names = BTreeMap::new();
    for mount in each(mounts) {
        if let Some(name) = volume(mount).and_then(|volume| volume.name) {
            *names.entry(name).or_insert(false) |= !mount["read_only"].as_bool().unwrap_or(false);
        }
    }
    names
}

fn targets(service: &Value) -> BTreeSet<PathBuf> {
    let volumes = each(&service["volumes"]).filter_map(|volume| text(&volume["target"]));
    // "/run:size=1m"
    let tmpfs = each(&service["tmpfs"]).filter_map(text).map(|entry| {
        let (target, _) = entry.split_once(':').unwrap_or((&entry, ""));
        target.to_owned()
    });
    volumes.chain(tmpfs).map(PathBuf::from).collect()
}

/// The volumes whose data lies where their driver or its options say: a plugin's, NFS, a directory of the host, memory.
fn volumes_elsewhere(section: Option<&Value>) -> BTreeSet<String> {
    let entries = section.and_then(Value::as_object).into_iter().flatten();
    let elsewhere = entries.filter(|(_, volume)| {
        let driver = volume["driver"].as_str().unwrap_or("local");
        let options = volume["driver_opts"].as_object();
        driver != "local" || options.is_some_and(|options| !options.is_empty())
    });
    elsewhere.map(|(name, _)| name.clone()).collect()
}

/// The `file:` of each config or secret that has one.
fn files_by_name(section: Option<&Value>) -> BTreeMap<String, PathBuf> {
    let entries = section.and_then(Value::as_object).into_iter().flatten();
    entries
        .filter_map(|(name, entry)| Some((name.clone(), PathBuf::from(text(&entry["file"])?))))
        .collect()
}

/// The files of the configs or secrets that a service uses.
fn mounted(uses: &Value, files: &BTreeMap<String, PathBuf>, kind: MountKind) -> Vec<Mount> {
    let names = each(uses).filter_map(|entry| text(entry).or_else(|| text(&entry["source"])));
    let sources = names.filter_map(|name| files.get(&name).cloned());
    sources
        .map(|source| Mount {
            source,
            read_only: true,
            kind,
        })
        .collect()
}

/// When the recipe's healthcheck runs.
fn healthcheck(check: &Value) -> Option<Healthcheck> {
    let is_off = check["disable"] == true || check["test"][0] == "NONE";
    let nanoseconds = |key: &str| text(&check[key]).map_or(0, |text| duration(&text));
    // one that gives neither changes the image's own, of which it says nothing else
    let is_own = check["test"].is_array() || !check["interval"].is_null();
    (is_own && !is_off).then(|| Healthcheck {
        interval: nanoseconds("interval"),
        start_period: nanoseconds("start_period"),
        start_interval: nanoseconds("start_interval"),
    })
}

/// Nanoseconds of what Go writes for a duration (`1h5m0.5s`, `500ms`); 0 if it is none.
pub(super) fn duration(text: &str) -> i64 {
    let units = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("ms", 1_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
    ];
    let mut whole: i64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        let end = rest.find(|c| !is_number(c)).unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let unit = units.iter().find(|(unit, _)| after.starts_with(unit));
        let (Some((unit, size)), Ok(number)) = (unit, number.parse()) else {
            return 0;
        };
        let Ok(time) = std::time::Duration::try_from_secs_f64(number) else {
            return 0;
        };
        let part = i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        whole = whole.saturating_add((part / 1000).saturating_mul(*size) / 1_000_000);
        rest = &after[unit.len()..];
    }
    whole
}

/// The configs or secrets of a service that have a text and no file.
fn inline(uses: &Value, section: Option<&Value>, kind: MountKind) -> Vec<InlineFile> {
    let names = each(uses).filter_map(|entry| text(entry).or_else(|| text(&entry["source"])));
    let inline = names.filter_map(|name| {
        let entry = section?.get(&name)?;
        let content = text(&entry["content"]).map(Secret::new);
        let variable = text(&entry["environment"]).filter(|variable| !variable.is_empty());
        (content.is_some() || variable.is_some()).then_some(InlineFile {
            kind,
            name,
            content,
            variable,
        })
    });
    inline.collect()
}

/// The keys of a map, or the entries of a list.
fn names(value: &Value) -> BTreeSet<String> {
    let keys = value.as_object().into_iter().flatten();
    let entries = each(value).filter_map(text);
    keys.map(|(key, _)| key.clone()).chain(entries).collect()
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// A string, its `$$` read as the `$` that Compose wrote that way.
fn text(value: &Value) -> Option<String> {
    value.as_str().map(|text| text.replace("$$", "$"))
}
