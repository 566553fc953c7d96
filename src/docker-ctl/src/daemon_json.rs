//! `daemon.json`: dockerd's settings, all of them but the proxies. dockerd gets no other flag, since it refuses a setting that
//! is in both. Proxies are in its environment, since engines before 23.0 take them from nowhere else.

use std::path::{Path, PathBuf};

use bosh_job::{Paths, atomic_write};
use job_properties::{
    DAEMON_SETTINGS, Daemon, DaemonSetting, ImageStore, InsecureRegistry, Listen, Networks,
    OnChange, TcpAccess, daemon_keys,
};
use serde_json::{Map, Value, json};

use crate::daemon_environment::DaemonEnvironment;
use crate::directories::{GROUP, group_id};
use crate::tls_files::TlsFiles;

/// Seconds that dockerd gives containers to stop, at least; those with a longer grace period of their own get that.
const SHUTDOWN_TIMEOUT: u64 = 15;

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
        (daemon_keys::BIP, bip.unwrap_or_default()),
        (daemon_keys::ADDRESS_POOLS, pools.unwrap_or_default()),
    ]
}

/// A `daemon.json`, and the environment that goes with it. It is not shown: a proxy's URL may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct DaemonJson {
    settings: Map<String, Value>,
    environment: DaemonEnvironment,
}

impl DaemonJson {
    /// The settings that dockerd last came up with.
    pub fn last_good(paths: &Paths) -> Option<Self> {
        Self::read(&Self::last_good_path(paths))
    }

    /// Where those are.
    pub fn last_good_path(paths: &Paths) -> PathBuf {
        paths.daemon_json().with_extension("json.good")
    }

    /// The settings for the job's properties. TLS files must be there already.
    pub fn new(paths: &Paths, daemon: &Daemon, tls: Option<&TlsFiles>) -> Self {
        let mut settings = Map::new();
        let mut set = |name: &str, value: Value| settings.insert(name.to_owned(), value);
        let mut hosts = vec![format!("unix://{}", paths.socket().display())];
        if let Some(listen) = &daemon.listen {
            hosts.push(format!("tcp://{}", listen.address));
        }
        set(daemon_keys::HOSTS, json!(hosts));
        // dockerd does not start when the group is unknown
        if group_id(GROUP).is_some() {
            set(daemon_keys::GROUP, json!(GROUP));
        }
        set(daemon_keys::PIDFILE, json!(paths.dockerd_pidfile()));
        set(daemon_keys::DATA_ROOT, json!(paths.data_root()));
        set(daemon_keys::EXEC_ROOT, json!(paths.exec_root()));
        set(daemon_keys::LIVE_RESTORE, json!(true));
        set(daemon_keys::LOG_LEVEL, json!(daemon.log_level.as_str()));
        set(daemon_keys::SHUTDOWN_TIMEOUT, json!(SHUTDOWN_TIMEOUT));
        let insecure = daemon.registries.insecure().iter();
        let insecure: Vec<&str> = insecure.map(InsecureRegistry::as_str).collect();
        if !insecure.is_empty() {
            set(daemon_keys::INSECURE_REGISTRIES, json!(insecure));
        }
        let mirrors = daemon.registries.mirrors();
        if !mirrors.is_empty() {
            set(daemon_keys::REGISTRY_MIRRORS, json!(mirrors));
        }
        // parsed so that none of them is one of the others here
        for (name, value) in &daemon.options {
            set(name, json!(value));
        }
        for (name, value) in addresses(&daemon.networks) {
            if !value.is_null() {
                set(name, value);
            }
        }
        if let Some(mtu) = daemon.networks.mtu {
            set(daemon_keys::MTU, json!(mtu));
        }
        if !daemon.networks.dns_servers.is_empty() {
            set(daemon_keys::DNS, json!(daemon.networks.dns_servers));
        }
        if !daemon.networks.dns_search.is_empty() {
            set(daemon_keys::DNS_SEARCH, json!(daemon.networks.dns_search));
        }
        if !daemon.networks.dns_options.is_empty() {
            set(daemon_keys::DNS_OPTIONS, json!(daemon.networks.dns_options));
        }
        match (&daemon.listen, tls) {
            (
                Some(Listen {
                    access: TcpAccess::MutualTls(_),
                    ..
                }),
                Some(files),
            ) => {
                set(daemon_keys::TLS, json!(true));
                set(daemon_keys::TLS_VERIFY, json!(true));
                set(daemon_keys::TLS_CA_CERT, json!(files.cacert));
                set(daemon_keys::TLS_CERT, json!(files.cert));
                set(daemon_keys::TLS_KEY, json!(files.key));
            }
            (
                Some(Listen {
                    access: TcpAccess::Anybody,
                    ..
                }),
                _,
            ) => {
                // said outright, or dockerd sleeps for 15 s before it listens (moby, loadListeners, 20.10 to 29)
                set(daemon_keys::TLS, json!(false));
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
            .insert(daemon_keys::LIVE_RESTORE.to_owned(), json!(live_restore));
        self
    }

    /// The image store that it names; none leaves it to the engine.
    pub fn image_store(&self) -> Option<ImageStore> {
        let setting = DaemonSetting::find(daemon_keys::IMAGE_STORE)?;
        let containerd = setting.value_in(&self.settings)?.as_bool()?;
        Some(if containerd {
            ImageStore::Containerd
        } else {
            ImageStore::Graphdriver
        })
    }

    /// The same with this image store, beside its other features.
    pub fn with_image_store(mut self, store: ImageStore) -> Self {
        if let Some(setting) = DaemonSetting::find(daemon_keys::IMAGE_STORE) {
            setting.set_in(&mut self.settings, (store == ImageStore::Containerd).into());
        }
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
        DAEMON_SETTINGS
            .iter()
            .filter(|setting| setting.on_change == OnChange::Stop)
            .find(|setting| setting.value_in(&self.settings) != setting.value_in(&other.settings))
            .map(DaemonSetting::name)
    }

    /// The file's content.
    pub fn to_bytes(&self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(&self.settings)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
