//! `daemon.json`: dockerd's settings, all of them but the proxies. dockerd gets no other flag, since it refuses a setting that
//! is in both. Proxies are in its environment, since engines before 23.0 take them from nowhere else.

use std::path::Path;

use bosh_job::{Paths, atomic_write};
use job_properties::{Daemon, ImageStore, InsecureRegistry, Listen, Networks, TcpAccess};
use serde_json::{Map, Value, json};

use crate::daemon_environment::DaemonEnvironment;
use crate::directories::{GROUP, group_id};
use crate::tls_files::TlsFiles;

/// Seconds that dockerd gives containers to stop, at least; those with a longer grace period of their own get that.
const SHUTDOWN_TIMEOUT: u64 = 15;

/// The key in `features` that chooses the image store.
const IMAGE_STORE: &str = "containerd-snapshotter";

/// What containers that dockerd did not stop cannot live on with, or what dockerd does not change while they run: changing
/// one of these means stopping them first. The second kind is all that makes the default network (moby,
/// `Daemon.initNetworkController`: "updated network configuration will not take affect").
const NOT_CARRIED: [&str; 30] = [
    "data-root",
    "exec-root",
    "storage-driver",
    "storage-opts",
    "exec-opts",
    "userns-remap",
    "containerd-namespace",
    "containerd-plugin-namespace",
    "bip",
    "bip6",
    "bridge",
    "default-address-pools",
    "default-gateway",
    "default-gateway-v6",
    "default-network-opts",
    "firewall-backend",
    "fixed-cidr",
    "fixed-cidr-v6",
    "icc",
    "ip",
    "ip-masq",
    "ip6tables",
    "iptables",
    "ipv6",
    "allow-direct-routing",
    "userland-proxy-path",
    // containers learn these when they start
    "mtu",
    "dns",
    "dns-search",
    "dns-opts",
];

/// The settings that choose addresses; null where they leave it to dockerd.
fn addresses(networks: &Networks) -> [(&'static str, Value); 2] {
    let pools: Vec<Value> = networks
        .pools
        .iter()
        .map(|pool| json!({"base": pool.base.to_string(), "size": pool.size}))
        .collect();
    let bip = networks.bip.map(|bip| json!(bip.to_string()));
    let pools = (!pools.is_empty()).then(|| json!(pools));
    [
        ("bip", bip.unwrap_or_default()),
        ("default-address-pools", pools.unwrap_or_default()),
    ]
}

/// A `daemon.json`, and the environment that goes with it. It is not shown: a proxy's URL may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct DaemonJson {
    settings: Map<String, Value>,
    environment: DaemonEnvironment,
}

impl DaemonJson {
    /// The settings for the job's properties. TLS files must be there already.
    pub fn new(paths: &Paths, daemon: &Daemon, tls: Option<&TlsFiles>) -> Self {
        let mut settings = Map::new();
        let mut set = |name: &str, value: Value| settings.insert(name.to_owned(), value);
        let mut hosts = vec![format!("unix://{}", paths.socket().display())];
        if let Some(listen) = &daemon.listen {
            hosts.push(format!("tcp://{}", listen.address));
        }
        set("hosts", json!(hosts));
        // dockerd does not start when the group is unknown
        if group_id(GROUP).is_some() {
            set("group", json!(GROUP));
        }
        set("pidfile", json!(paths.dockerd_pidfile()));
        set("data-root", json!(paths.data_root()));
        set("exec-root", json!(paths.exec_root()));
        set("live-restore", json!(true));
        set("log-level", json!(daemon.log_level.as_str()));
        set("shutdown-timeout", json!(SHUTDOWN_TIMEOUT));
        let insecure = daemon.registries.insecure().iter();
        let insecure: Vec<&str> = insecure.map(InsecureRegistry::as_str).collect();
        if !insecure.is_empty() {
            set("insecure-registries", json!(insecure));
        }
        let mirrors = daemon.registries.mirrors();
        if !mirrors.is_empty() {
            set("registry-mirrors", json!(mirrors));
        }
        // parsed so that none of them is one of the others here
        for (name, value) in &daemon.options {
            set(name, value.clone());
        }
        for (name, value) in addresses(&daemon.networks) {
            if !value.is_null() {
                set(name, value);
            }
        }
        if let Some(mtu) = daemon.networks.mtu {
            set("mtu", json!(mtu));
        }
        if !daemon.networks.dns_servers.is_empty() {
            set("dns", json!(daemon.networks.dns_servers));
        }
        if !daemon.networks.dns_search.is_empty() {
            set("dns-search", json!(daemon.networks.dns_search));
        }
        if !daemon.networks.dns_options.is_empty() {
            set("dns-opts", json!(daemon.networks.dns_options));
        }
        match (&daemon.listen, tls) {
            (
                Some(Listen {
                    access: TcpAccess::MutualTls(_),
                    ..
                }),
                Some(files),
            ) => {
                set("tls", json!(true));
                set("tlsverify", json!(true));
                set("tlscacert", json!(files.cacert));
                set("tlscert", json!(files.cert));
                set("tlskey", json!(files.key));
            }
            (
                Some(Listen {
                    access: TcpAccess::Anybody,
                    ..
                }),
                _,
            ) => {
                // said outright, or dockerd sleeps for 15 s before it listens (moby, loadListeners, 20.10 to 29)
                set("tls", json!(false));
            }
            _ => {}
        }
        let json = Self {
            settings,
            environment: DaemonEnvironment::new(&daemon.proxies),
        };
        match daemon.image_store {
            Some(store) => json.with_image_store(store),
            None => json,
        }
    }

    /// Reads one with its environment; `None` if there is none that is a JSON map.
    pub fn read(path: &Path) -> Option<Self> {
        Some(Self {
            settings: serde_json::from_slice(&std::fs::read(path).ok()?).ok()?,
            environment: DaemonEnvironment::read_beside(path).ok()?,
        })
    }

    /// Writes it with its environment, which is there first.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        self.environment.write_beside(path)?;
        Ok(atomic_write(path, &self.to_bytes()?, 0o600)?)
    }

    /// The same with another live-restore.
    pub fn with_live_restore(mut self, live_restore: bool) -> Self {
        self.settings
            .insert("live-restore".to_owned(), json!(live_restore));
        self
    }

    /// The image store that it names; none leaves it to the engine.
    pub fn image_store(&self) -> Option<ImageStore> {
        let containerd = self.settings.get("features")?.get(IMAGE_STORE)?.as_bool()?;
        Some(if containerd {
            ImageStore::Containerd
        } else {
            ImageStore::Graphdriver
        })
    }

    /// The same with this image store, beside its other features.
    pub fn with_image_store(mut self, store: ImageStore) -> Self {
        let features = self.settings.entry("features").or_insert(json!({}));
        features[IMAGE_STORE] = json!(store == ImageStore::Containerd);
        self
    }

    /// A setting, if it is there and not empty.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let value = self.settings.get(name)?;
        let is_empty = match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            _ => false,
        };
        (!is_empty).then_some(value)
    }

    /// The same without these settings.
    pub fn without(mut self, names: &[&str]) -> Self {
        self.settings
            .retain(|name, _| !names.contains(&name.as_str()));
        self
    }

    /// A setting's text, if it is one.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.settings.get(name)?.as_str()
    }

    /// Whether it chooses addresses as these settings do.
    pub fn has_addresses_of(&self, networks: &Networks) -> bool {
        addresses(networks)
            .iter()
            .all(|(name, value)| self.settings.get(*name).unwrap_or(&Value::Null) == value)
    }

    /// The first setting that differs and that running containers cannot be carried over.
    pub fn first_not_carried(&self, other: &Self) -> Option<&'static str> {
        if self.image_store() != other.image_store() {
            return Some(IMAGE_STORE);
        }
        NOT_CARRIED
            .into_iter()
            .find(|name| self.settings.get(*name) != other.settings.get(*name))
    }

    /// The file's content.
    pub fn to_bytes(&self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(&self.settings)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use bosh_job::LogLevel;
    use bosh_job::Secret;
    use job_fixture::rendered;
    use job_properties::{JobConfig, TlsMaterial};

    use super::*;

    fn with(properties: &[(&str, Value)]) -> Daemon {
        let mut config = rendered();
        for (name, value) in properties {
            config["properties"][*name] = value.clone();
        }
        JobConfig::from_value(config).unwrap().daemon().unwrap()
    }

    fn daemon() -> Daemon {
        with(&[])
    }

    fn listen(access: TcpAccess) -> Daemon {
        Daemon {
            listen: Some(Listen {
                address: "[fd00::1]:2376".parse().unwrap(),
                access,
            }),
            ..daemon()
        }
    }

    fn json(daemon: &Daemon, tls: Option<&TlsFiles>) -> Value {
        serde_json::from_slice(
            &DaemonJson::new(&Paths::new("/r"), daemon, tls)
                .to_bytes()
                .unwrap(),
        )
        .unwrap()
    }

    #[test]
    fn without_bind_it_listens_on_the_unix_socket_alone() {
        let json = json(&daemon(), None);
        assert_eq!(
            json["hosts"],
            json!(["unix:///r/sys/run/docker/docker.sock"])
        );
        assert_eq!(json["live-restore"], true);
        assert!(json.get("tls").is_none() && json.get("features").is_none());
    }

    #[test]
    fn the_waiver_is_said_outright_and_mutual_tls_verifies() {
        let json_waived = json(&listen(TcpAccess::Anybody), None);
        assert_eq!(json_waived["tls"], false);
        assert_eq!(json_waived["hosts"][1], "tcp://[fd00::1]:2376");
        let secret = || Secret::new("hunter2");
        let files = TlsFiles {
            cacert: "/t/ca".into(),
            cert: "/t/c".into(),
            key: "/t/k".into(),
        };
        let access = TcpAccess::MutualTls(TlsMaterial {
            cacert: secret(),
            cert: secret(),
            key: secret(),
        });
        let json = json(&listen(access), Some(&files));
        assert_eq!(
            (&json["tlsverify"], &json["tlskey"]),
            (&json!(true), &json!("/t/k"))
        );
        assert!(!json.to_string().contains("hunter2"));
    }

    #[test]
    fn knows_what_containers_cannot_be_carried_over() {
        let paths = Paths::new("/r");
        let old = DaemonJson::new(&paths, &daemon(), None);
        let louder = DaemonJson::new(
            &paths,
            &Daemon {
                log_level: LogLevel::Debug,
                ..daemon()
            },
            None,
        );
        assert_eq!(old.first_not_carried(&louder), None);
        let other_store = DaemonJson::new(
            &paths,
            &Daemon {
                image_store: Some(ImageStore::Containerd),
                ..daemon()
            },
            None,
        );
        assert_eq!(
            old.first_not_carried(&other_store),
            Some("containerd-snapshotter")
        );
        for (property, value, key) in [
            ("daemon", json!({"features": {"buildkit": true}}), None),
            (
                "daemon",
                json!({"userns-remap": "default"}),
                Some("userns-remap"),
            ),
            ("icc", json!(false), Some("icc")),
            ("userland_proxy", json!(false), None),
            ("log_driver", json!("local"), None),
        ] {
            let other = DaemonJson::new(&paths, &with(&[(property, value)]), None);
            assert_eq!(old.first_not_carried(&other), key, "{property}");
        }
        let slower = DaemonJson::new(&paths, &with_networks(), None);
        assert_eq!(old.first_not_carried(&slower), Some("bip"));
        assert!(slower.has_addresses_of(&with_networks().networks));
        assert!(!slower.has_addresses_of(&daemon().networks));
        assert!(old.has_addresses_of(&daemon().networks));
    }

    fn with_networks() -> Daemon {
        with(&[
            ("bip", json!("10.200.0.1/24")),
            (
                "default_address_pools",
                json!([{"base": "10.201.0.0/16", "size": 24}]),
            ),
            ("mtu", json!(1400)),
            ("dns_servers", json!(["169.254.0.2"])),
            ("dns_search", json!(["a.example"])),
            ("dns_options", json!(["timeout:2"])),
        ])
    }

    #[test]
    fn networks_are_what_dockerd_calls_them() {
        let json = json(&with_networks(), None);
        assert_eq!(json["bip"], "10.200.0.1/24");
        assert_eq!(
            json["default-address-pools"],
            json!([{"base": "10.201.0.0/16", "size": 24}])
        );
        assert_eq!(
            (&json["mtu"], &json["dns"]),
            (&json!(1400), &json!(["169.254.0.2"]))
        );
        assert_eq!(
            (&json["dns-search"], &json["dns-opts"]),
            (&json!(["a.example"]), &json!(["timeout:2"]))
        );
    }

    #[test]
    fn settings_of_all_kinds_come_together() {
        let json = json(
            &with(&[
                (
                    "daemon",
                    json!({"features": {"buildkit": true}, "init": true}),
                ),
                ("image_store", json!("containerd")),
                ("registry_mirrors", json!(["http://m.example"])),
                ("registries", json!([{"address": "r:1", "insecure": true}])),
                ("labels", json!(["a=b"])),
            ]),
            None,
        );
        assert_eq!(
            json["features"],
            json!({"buildkit": true, "containerd-snapshotter": true})
        );
        assert_eq!(
            json["log-opts"],
            json!({"max-size": "10m", "max-file": "3"})
        );
        assert_eq!(
            [
                &json["init"],
                &json["labels"],
                &json["registry-mirrors"],
                &json["insecure-registries"]
            ],
            [
                &json!(true),
                &json!(["a=b"]),
                &json!(["http://m.example"]),
                &json!(["r:1"])
            ]
        );
    }
}
