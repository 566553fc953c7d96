//! The recipe as Compose understands it: what the preflight and the watch need of `docker-compose config --format json`.
//!
//! The output is Compose's own, but its shape differs from version to version, and half of it is the operator's text:
//! what is missing or of another kind is passed over, and only what cannot be a model at all is an error.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use bosh_job::Secret;
use docker_engine::Healthcheck;
use serde_json::Value;

use crate::{
    networks::RecipeNetwork,
    other_images::OtherImages,
    preflight::{EngineNeed, engine_needs},
    recipe_volumes::RecipeVolume,
};

/// What Compose will run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// By name.
    pub services: BTreeMap<String, Service>,
    /// By the name that the recipe uses.
    pub networks: BTreeMap<String, RecipeNetwork>,
    /// Variables of which Compose says that they are not set.
    pub unset_variables: BTreeSet<String>,
    /// By the name that the recipe uses.
    pub volumes: BTreeMap<String, RecipeVolume>,
    /// The AI models of the recipe, which the plugin `docker model` runs.
    pub models: BTreeSet<String>,
}

/// A service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Its image, unless it is only built.
    pub image: Option<String>,
    /// Its `pull_policy`, if it has one.
    pub pull_policy: Option<String>,
    /// Whether nothing can be copied into its containers.
    pub read_only: bool,
    /// How many containers it shall have.
    pub replicas: usize,
    /// Ports of the host.
    pub ports: Vec<PublishedPort>,
    /// What it mounts of the host's files.
    pub mounts: BTreeSet<Mount>,
    /// The configs and secrets that it gets and that are no files.
    pub texts: Vec<InlineFile>,
    /// The engine's volumes in it.
    pub volumes: Vec<Volume>,
    /// The recipe's volumes in it, wherever their data lies, and whether it may write to them.
    pub named_volumes: BTreeMap<String, bool>,
    /// All directories and files of the container that something is mounted on.
    pub targets: BTreeSet<PathBuf>,
    /// Its networks, by the names that the recipe uses.
    pub networks: BTreeSet<String>,
    /// Whether it names its resolvers itself.
    pub has_dns: bool,
    /// The healthcheck that the recipe gives it.
    pub healthcheck: Option<Healthcheck>,
    /// The name of its container, if the recipe gives one.
    pub container_name: Option<String>,
    /// Whose network it is in, if it has none of its own: `host`, `none`, `service:…`, `container:…`.
    pub network_mode: Option<String>,
    /// Whether the recipe says that it listens on port 53, though it publishes nothing.
    pub declares_dns: bool,
    /// The services that start before it.
    pub depends_on: BTreeSet<String>,
    /// What its image is built of.
    pub build: Option<Build>,
    /// Options of the storage driver (`storage_opt`), by name.
    pub storage_options: BTreeSet<String>,
    /// The images that it needs besides its own.
    pub other_images: OtherImages,
    /// How many hooks run in its container once that has started.
    pub post_start_hooks: usize,
    /// Places of `pre_start` hooks that shall run once for each container (`per_replica`).
    pub per_replica_hooks: Vec<usize>,
    /// The program that provides it in place of a container.
    pub provider: Option<String>,
    /// What it needs of the engine that older ones do not have.
    pub needs: Vec<EngineNeed>,
}

impl Service {
    /// Whether Compose can build its image.
    pub fn is_built(&self) -> bool {
        self.build.is_some()
    }
}

/// What an image is built of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Build {
    /// A directory of the VM; nothing if it is fetched from elsewhere.
    pub directory: Option<PathBuf>,
    /// The Dockerfile, as a path from there; nothing if it stands in the recipe.
    pub dockerfile: Option<PathBuf>,
}

/// A volume of the engine in a container, whose data lies on the VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its name in the recipe; an anonymous one has none.
    pub name: Option<String>,
    /// Where it is mounted.
    pub target: PathBuf,
}

/// Ports of the host, of which the service takes one for each container (a range) or the only one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedPort {
    /// The address; empty is every address.
    pub host_ip: String,
    /// First of the range.
    pub first: u16,
    /// Last of the range.
    pub last: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// The port of the container.
    pub target: Option<u64>,
}

/// A file or directory of the host in a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mount {
    /// On the host.
    pub source: PathBuf,
    /// Whether the container cannot change it.
    pub read_only: bool,
    /// What it is in the recipe.
    pub kind: MountKind,
}

/// A config or secret whose text is in the recipe or in the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineFile {
    /// Which of the two.
    pub kind: MountKind,
    /// Its name in the recipe.
    pub name: String,
    /// Its `content:`.
    pub content: Option<Secret>,
    /// Its `environment:`.
    pub variable: Option<String>,
}

/// What a mount is in the recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MountKind {
    /// A bind volume.
    Volume,
    /// A config with `file:`.
    Config,
    /// A secret with `file:`.
    Secret,
}

impl MountKind {
    /// Its place in the recipe.
    pub fn word(self) -> &'static str {
        match self {
            Self::Volume => "volumes",
            Self::Config => "configs",
            Self::Secret => "secrets",
        }
    }
}

/// The output was no model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Not JSON.
    #[error("what `docker-compose config` wrote is not JSON")]
    Json(#[from] serde_json::Error),
    /// JSON, but not of a project.
    #[error("what `docker-compose config` wrote has no map of services")]
    Services,
}

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
fn duration(text: &str) -> i64 {
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What Compose 2.26.1 writes.
    pub(crate) const CONFIG: &str = include_str!("../tests/data/config-2.26.1.json");

    pub(crate) fn model() -> Model {
        Model::parse(CONFIG.as_bytes()).unwrap()
    }

    #[test]
    fn reads_what_compose_writes() {
        let model = model();
        assert_eq!(
            model.services.keys().collect::<Vec<_>>(),
            ["db", "one", "web"]
        );
        let web = &model.services["web"];
        assert_eq!(web.image.as_deref(), Some("bb:1"));
        assert_eq!(web.replicas, 1);
        let ports: Vec<_> = web
            .ports
            .iter()
            .map(|port| (port.host_ip.as_str(), port.first, port.protocol.as_str()))
            .collect();
        assert_eq!(
            ports,
            [
                ("", 18080, "tcp"),
                ("127.0.0.1", 19000, "udp"),
                ("127.0.0.1", 19001, "udp")
            ]
        );
        let mounts: Vec<_> = web
            .mounts
            .iter()
            .map(|mount| (mount.source.to_str().unwrap(), mount.read_only, mount.kind))
            .collect();
        assert_eq!(
            mounts,
            [
                ("/etc/hostname", false, MountKind::Volume),
                ("/srv/running/files/a", true, MountKind::Volume),
                ("/srv/running/files/a", true, MountKind::Config),
                ("/srv/running/files/d", false, MountKind::Volume),
                ("/srv/running/files/d/y", true, MountKind::Secret),
            ]
        );
    }

    #[test]
    fn reads_ranges_numbers_and_dollars() {
        let model = Model::parse(
            br#"{"services":{"a":{"scale":3,"build":{},"pull_policy":"never","ports":[{"published":"8000-8010"},
                {"published":81},{"target":5},{"published":"0"},{"published":"x"},{"published":"9-8"},7],
                "volumes":[{"type":"bind","source":"/a$$b"},{"type":"bind","source":"relative"},{"type":"volume"}]},
                "b":{"deploy":{"replicas":0},"scale":4},"c":null}}"#,
        )
        .unwrap();
        let a = &model.services["a"];
        assert_eq!(
            (a.replicas, a.is_built(), a.pull_policy.as_deref()),
            (3, true, Some("never"))
        );
        assert_eq!(
            a.ports
                .iter()
                .map(|port| (port.first, port.last))
                .collect::<Vec<_>>(),
            [(8000, 8010), (81, 81)]
        );
        assert_eq!(
            a.mounts
                .iter()
                .map(|mount| mount.source.to_str().unwrap())
                .collect::<Vec<_>>(),
            ["/a$b"]
        );
        assert_eq!(model.services["b"].replicas, 0);
        assert!(!model.services.contains_key("c"));
    }

    #[test]
    fn reads_the_volumes_whose_data_lies_on_the_vm() {
        let model = Model::parse(
            br#"{"services":{"a":{"tmpfs":["/t:size=1m"],"volumes":[{"type":"volume","source":"data","target":"/d"},{"type":"volume","target":"/anonymous"},
                {"type":"volume","source":"nfs","target":"/n"},{"type":"volume","source":"far","target":"/f"},{"type":"volume","source":"out","target":"/o"},
                {"type":"tmpfs","target":"/m"},{"type":"bind","source":"/x","target":"/b"},{"type":"volume","source":"x"},7]}},
                "volumes":{"data":null,"nfs":{"driver":"local","driver_opts":{"type":"nfs"}},"far":{"driver":"rexray"},"out":{"external":true,"driver_opts":{}}}}"#,
        )
        .unwrap();
        let volumes: Vec<_> = model.services["a"]
            .volumes
            .iter()
            .map(|volume| (volume.name.as_deref(), volume.target.to_str().unwrap()))
            .collect();
        assert_eq!(
            volumes,
            [
                (Some("data"), "/d"),
                (None, "/anonymous"),
                (Some("out"), "/o")
            ]
        );
        let targets: Vec<_> = model.services["a"]
            .targets
            .iter()
            .map(|target| target.to_str().unwrap())
            .collect();
        assert_eq!(
            targets,
            ["/anonymous", "/b", "/d", "/f", "/m", "/n", "/o", "/t"]
        );
    }

    #[test]
    fn reads_when_health_checks_run() {
        let model = Model::parse(
            br#"{"services":{"a":{"healthcheck":{"test":["CMD","x"],"interval":"5m0s","start_period":"1m30.5s","start_interval":"500ms"}},
                "b":{"healthcheck":{"test":["NONE"],"interval":"1h0m0s"}},"c":{"healthcheck":{"disable":true}},"d":{},
                "e":{"healthcheck":{"interval":"odd"}}}}"#,
        )
        .unwrap();
        let check = |name: &str| model.services[name].healthcheck.clone();
        assert_eq!(
            check("a").unwrap(),
            Healthcheck {
                interval: 300_000_000_000,
                start_period: 90_500_000_000,
                start_interval: 500_000_000
            }
        );
        assert_eq!((check("b"), check("c"), check("d")), (None, None, None));
        assert_eq!(check("e"), Some(Healthcheck::default()));
        assert_eq!(duration("2h"), 7_200_000_000_000);
    }

    #[test]
    fn reads_texts_and_volumes_in_all_spellings() {
        let model = Model::parse(
            br#"{"name":"p","services":{"a":{"configs":["c",{"source":"e","target":"/e"},"f"],"secrets":[{"source":"s"},"unknown"],
                "volumes":[{"type":"volume","source":"v","target":"/v","read_only":true},{"type":"volume","source":"w","target":"/w"}]}},
                "configs":{"c":{"name":"p_c","content":"a$$b"},"e":{"environment":"E"},"f":{"file":"/x"}},"secrets":{"s":{"environment":"S","content":"x"}},
                "volumes":{"v":{"name":"p_v","driver_opts":{"o":"rw,bind","device":"/srv/x"}},"w":null}}"#,
        )
        .unwrap();
        let a = &model.services["a"];
        let texts: Vec<_> = a
            .texts
            .iter()
            .map(|text| {
                let content = text.content.as_ref().map(Secret::reveal);
                (text.name.as_str(), content, text.variable.as_deref())
            })
            .collect();
        assert_eq!(
            texts,
            [
                ("c", Some("a$b"), None),
                ("e", None, Some("E")),
                ("s", Some("x"), Some("S"))
            ]
        );
        assert!(!format!("{model:?}").contains("a$b"));
        let named: Vec<_> = a
            .named_volumes
            .iter()
            .map(|(name, writes)| (name.as_str(), *writes))
            .collect();
        assert_eq!(named, [("v", false), ("w", true)]);
        assert_eq!(model.volumes["v"].bound_to(), Some("/srv/x".into()));
        assert_eq!(model.volumes["w"].name, "p_w");
        assert_eq!(model.volumes["w"].bound_to(), None);
    }

    #[test]
    fn refuses_what_is_no_model() {
        for output in [
            "",
            "x",
            "[]",
            "null",
            "7",
            r#"{"services":[]}"#,
            r#"{"services":"x"}"#,
        ] {
            assert!(Model::parse(output.as_bytes()).is_err(), "{output}");
        }
        assert_eq!(Model::parse(b"{}").unwrap(), Model::default());
    }
}
