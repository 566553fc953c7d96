//! `daemon.json`: dockerd's settings, all of them. dockerd gets no other flag, since it refuses a setting that is in both.

use bosh_job::Paths;
use bosh_job::config::{Daemon, ImageStore, InsecureRegistry, Listen, Networks, TcpAccess};
use serde_json::{Map, Value, json};

use crate::directories::{GROUP, group_id};
use crate::tls_files::TlsFiles;

/// Seconds that dockerd gives containers to stop, at least; those with a longer grace period of their own get that.
const SHUTDOWN_TIMEOUT: u64 = 15;

/// What containers that dockerd did not stop cannot live on with: changing one of these means stopping them first.
/// Containers learn their MTU and their resolvers when they start.
const NOT_CARRIED: [&str; 10] = [
    "data-root",
    "exec-root",
    "storage-driver",
    "features",
    "bip",
    "default-address-pools",
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

/// A `daemon.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonJson(Map<String, Value>);

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
        set("pidfile", json!(paths.docker_pidfile()));
        set("data-root", json!(paths.data_root()));
        set("exec-root", json!(paths.exec_root()));
        set("live-restore", json!(true));
        set("log-level", json!(daemon.log_level.as_str()));
        set("log-driver", json!("json-file"));
        set("log-opts", json!({"max-size": "10m", "max-file": "3"}));
        set("shutdown-timeout", json!(SHUTDOWN_TIMEOUT));
        let registries: Vec<&str> = daemon
            .insecure_registries
            .iter()
            .map(InsecureRegistry::as_str)
            .collect();
        if !registries.is_empty() {
            set("insecure-registries", json!(registries));
        }
        if let Some(store) = daemon.image_store {
            set(
                "features",
                json!({"containerd-snapshotter": store == ImageStore::Containerd}),
            );
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
        Self(settings)
    }

    /// Reads one; `None` if there is none that is a JSON map.
    pub fn read(path: &std::path::Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?)
            .ok()
            .map(Self)
    }

    /// The same with another live-restore.
    pub fn with_live_restore(mut self, live_restore: bool) -> Self {
        self.0
            .insert("live-restore".to_owned(), json!(live_restore));
        self
    }

    /// A setting's text, if it is one.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// Whether it chooses addresses as these settings do.
    pub fn has_addresses_of(&self, networks: &Networks) -> bool {
        addresses(networks)
            .iter()
            .all(|(name, value)| self.0.get(*name).unwrap_or(&Value::Null) == value)
    }

    /// The first setting that differs and that running containers cannot be carried over.
    pub fn first_not_carried(&self, other: &Self) -> Option<&'static str> {
        NOT_CARRIED
            .into_iter()
            .find(|name| self.0.get(*name) != other.0.get(*name))
    }

    /// The file's content.
    pub fn to_bytes(&self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(&self.0)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use bosh_job::Secret;
    use bosh_job::config::{AddressPool, LogLevel, TlsMaterial};

    use super::*;

    fn daemon() -> Daemon {
        Daemon {
            listen: None,
            insecure_registries: Vec::new(),
            image_store: None,
            networks: Networks::default(),
            log_level: LogLevel::Info,
        }
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
        assert_eq!(old.first_not_carried(&other_store), Some("features"));
        let slower = DaemonJson::new(&paths, &with_networks(), None);
        assert_eq!(old.first_not_carried(&slower), Some("bip"));
        assert!(slower.has_addresses_of(&with_networks().networks));
        assert!(!slower.has_addresses_of(&daemon().networks));
        assert!(old.has_addresses_of(&daemon().networks));
    }

    fn with_networks() -> Daemon {
        let networks = Networks {
            bip: "10.200.0.1/24".parse().ok(),
            pools: vec![AddressPool {
                base: "10.201.0.0/16".parse().unwrap(),
                size: 24,
            }],
            mtu: Some(1400),
            dns_servers: vec!["169.254.0.2".parse().unwrap()],
            dns_search: vec!["a.example".to_owned()],
            dns_options: vec!["timeout:2".to_owned()],
        };
        Daemon {
            networks,
            ..daemon()
        }
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
}
