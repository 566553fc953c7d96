//! dockerd's settings: one table of the keys of `daemon.json` that a property, the job or the release has anything to do
//! with. The check of property `daemon`, the properties that are settings and nothing more, what is refused, and what
//! containers are stopped for derive from it. A key that is not here is set by `daemon` alone, and changes while containers
//! run; dockerd itself says which it does not know.

use serde_json::{Map as JsonMap, Value};

use crate::daemon_keys;

use DaemonSource::{Job, Map, Plain, Section};
use Family::{Any, V4, V6};
use OnChange::{Carried, Stop};
use SettingType::{Address, Limits, List, Number, Object, Pairs, Switch, Text, Word};

/// A setting of dockerd.
#[derive(Clone, Copy, Debug)]
pub struct DaemonSetting {
    /// Its key in `daemon.json`; with a dot, a key in a key's map.
    pub key: &'static str,
    /// The name of its flag where that is another one. dockerd passes over it in `daemon.json` in silence, so it is refused in
    /// `daemon` where a property owns the key.
    pub flag: Option<&'static str>,
    /// What its value is.
    pub value: SettingType,
    /// Where its value comes from.
    pub source: DaemonSource,
    /// What a change means for containers that run.
    pub on_change: OnChange,
    /// The first engine that has it, of those from 20.10 on.
    pub since: &'static str,
}

/// Where a setting's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DaemonSource {
    /// This property, which is the setting and nothing more.
    Plain(&'static str),
    /// This property, which a section of its own parses.
    Section(&'static str),
    /// The job, and why nobody may change it.
    Job(&'static str),
    /// Property `daemon` alone.
    Map,
}

/// What a setting's value is in the property, or in `daemon.json` for one that is no property's alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingType {
    /// A boolean.
    Switch,
    /// A number.
    Number,
    /// A string.
    Text,
    /// A string that is not empty, and has no white space in it.
    Word,
    /// An IP address.
    Address(Family),
    /// A list of strings of the form `name=value`.
    Pairs,
    /// A list of `name=soft:hard` or `name=both`; a map in `daemon.json`.
    Limits,
    /// A list.
    List,
    /// A map.
    Object,
}

/// Which IP addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Of either version.
    Any,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What a change means for containers that run, which live-restore keeps when dockerd restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnChange {
    /// They run on.
    Carried,
    /// They are stopped first: they cannot live on with it, or dockerd does not change it while they run. The second kind
    /// is all that makes the default network (moby, `Daemon.initNetworkController`: "updated network configuration will not
    /// take affect").
    Stop,
}

macro_rules! settings {
    ($($key:expr, $flag:expr, $value:expr, $source:expr, $on_change:expr, $since:literal;)*) => {
        &[$(DaemonSetting {
            key: $key,
            flag: $flag,
            value: $value,
            source: $source,
            on_change: $on_change,
            since: $since,
        }),*]
    };
}

/// The table. Of several changes that stop containers, the first one here is named.
pub const DAEMON_SETTINGS: &[DaemonSetting] = settings! {
    // key, flag, value, source, on change, since
    daemon_keys::IMAGE_STORE, None, Switch, Section("image_store"), Stop, "24.0";
    daemon_keys::DATA_ROOT, None, Text, Job("the data lies on the persistent disk"), Stop, "20.10";
    daemon_keys::EXEC_ROOT, None, Text, Job("start and stop must find it"), Stop, "20.10";
    daemon_keys::STORAGE_DRIVER, None, Word, Plain("storage_driver"), Stop, "20.10";
    daemon_keys::STORAGE_OPTIONS, Some("storage-opt"), Pairs, Plain("storage_options"), Stop, "20.10";
    "exec-opts", Some("exec-opt"), Pairs, Plain("exec_options"), Stop, "20.10";
    daemon_keys::USERNS_REMAP, None, Text, Map, Stop, "20.10";
    "containerd-namespace", None, Text, Map, Stop, "20.10";
    "containerd-plugin-namespace", Some("containerd-plugins-namespace"), Text, Map, Stop, "20.10";
    daemon_keys::BIP, None, Text, Section("bip"), Stop, "20.10";
    "bip6", None, Text, Map, Stop, "28.0";
    "bridge", None, Text, Map, Stop, "20.10";
    daemon_keys::ADDRESS_POOLS, Some("default-address-pool"), List, Section("default_address_pools"), Stop, "20.10";
    "default-gateway", None, Address(V4), Plain("default_gateway"), Stop, "20.10";
    "default-gateway-v6", None, Address(V6), Plain("default_gateway_v6"), Stop, "20.10";
    "default-network-opts", Some("default-network-opt"), Object, Map, Stop, "24.0";
    "firewall-backend", None, Text, Map, Stop, "29.0";
    "fixed-cidr", None, Text, Map, Stop, "20.10";
    "fixed-cidr-v6", None, Text, Map, Stop, "20.10";
    "icc", None, Switch, Plain("icc"), Stop, "20.10";
    "ip", None, Address(Any), Plain("ip"), Stop, "20.10";
    "ip-masq", None, Switch, Plain("ip_masq"), Stop, "20.10";
    "ip6tables", None, Switch, Map, Stop, "20.10";
    "iptables", None, Switch, Plain("iptables"), Stop, "20.10";
    "ipv6", None, Switch, Plain("ipv6"), Stop, "20.10";
    "allow-direct-routing", None, Switch, Map, Stop, "28.2";
    "userland-proxy-path", None, Text, Map, Stop, "20.10";
    // containers learn these when they start
    daemon_keys::MTU, None, Number, Section("mtu"), Stop, "20.10";
    daemon_keys::DNS, None, List, Section("dns_servers"), Stop, "20.10";
    daemon_keys::DNS_SEARCH, None, List, Section("dns_search"), Stop, "20.10";
    daemon_keys::DNS_OPTIONS, Some("dns-opt"), List, Section("dns_options"), Stop, "20.10";

    "default-ulimits", Some("default-ulimit"), Limits, Plain("default_ulimits"), Carried, "20.10";
    daemon_keys::IP_FORWARD, None, Switch, Plain("ip_forward"), Carried, "20.10";
    "labels", Some("label"), Pairs, Plain("labels"), Carried, "20.10";
    "selinux-enabled", None, Switch, Plain("selinux_enable"), Carried, "20.10";
    "userland-proxy", None, Switch, Plain("userland_proxy"), Carried, "20.10";

    "debug", None, Switch, Section("log_level"), Carried, "20.10";
    daemon_keys::HOSTS, Some("host"), List, Section("bind"), Carried, "20.10";
    "http-proxy", None, Text, Section("env.http_proxy"), Carried, "23.0";
    "https-proxy", None, Text, Section("env.https_proxy"), Carried, "23.0";
    daemon_keys::INSECURE_REGISTRIES, Some("insecure-registry"), List, Section("insecure-registries"), Carried, "20.10";
    "log-driver", None, Word, Section("log_driver"), Carried, "20.10";
    daemon_keys::LOG_LEVEL, None, Text, Section("log_level"), Carried, "20.10";
    "log-opts", Some("log-opt"), Object, Section("log_options"), Carried, "20.10";
    "no-proxy", None, Text, Section("env.no_proxy"), Carried, "23.0";
    "proxies", None, Object, Section("env.http_proxy"), Carried, "23.0";
    daemon_keys::REGISTRY_MIRRORS, Some("registry-mirror"), List, Section("registry_mirrors"), Carried, "20.10";
    daemon_keys::TLS, None, Switch, Section("bind"), Carried, "20.10";
    daemon_keys::TLS_CA_CERT, None, Text, Section("tls_cacert"), Carried, "20.10";
    daemon_keys::TLS_CERT, None, Text, Section("tls_cert"), Carried, "20.10";
    daemon_keys::TLS_KEY, None, Text, Section("tls_key"), Carried, "20.10";
    daemon_keys::TLS_VERIFY, None, Switch, Section("bind"), Carried, "20.10";

    "containerd", None, Text, Job("dockerd runs a containerd of its own"), Carried, "20.10";
    // until 23.0
    "graph", None, Text, Job("the data lies on the persistent disk"), Carried, "20.10";
    daemon_keys::GROUP, None, Text, Job("the socket is the group vcap's, as it is on BOSH VMs"), Carried, "20.10";
    daemon_keys::LIVE_RESTORE, None, Switch, Job("an update leaves containers running by it"), Carried, "20.10";
    daemon_keys::PIDFILE, None, Text, Job("monit must find it"), Carried, "20.10";
    "rootless", None, Switch, Job("the job runs dockerd as root"), Carried, "20.10";
    daemon_keys::SHUTDOWN_TIMEOUT, None, Number, Job("it must fit into BOSH's time for a stop"), Carried, "20.10";
};

impl DaemonSetting {
    /// The setting of this key, or of this name of a flag.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        DAEMON_SETTINGS
            .iter()
            .find(|setting| setting.key == name || setting.flag == Some(name))
    }

    /// The first engine that has it, as major and minor version.
    #[must_use]
    pub fn first_engine(&self) -> (u32, u32) {
        let (major, minor) = self.since.split_once('.').unwrap_or((self.since, ""));
        let number = |text: &str| text.parse().unwrap_or_default();
        (number(major), number(minor))
    }

    /// The properties that are a setting and nothing more, with it, by their names.
    pub(crate) fn plain() -> impl Iterator<Item = (&'static str, &'static Self)> {
        let plain = |setting: &'static Self| match setting.source {
            Plain(property) => Some((property, setting)),
            _ => None,
        };
        let mut settings: Vec<_> = DAEMON_SETTINGS.iter().filter_map(plain).collect();
        settings.sort_unstable_by_key(|(property, _)| *property);
        settings.into_iter()
    }

    /// The property that it is set by, if one owns it.
    #[must_use]
    pub fn property(&self) -> Option<&'static str> {
        match self.source {
            Plain(property) | Section(property) => Some(property),
            Job(_) | Map => None,
        }
    }

    /// Its own name, without the key whose map it is in.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.key.rsplit('.').next().unwrap_or(self.key)
    }

    /// Its value in the settings of a `daemon.json`.
    #[must_use]
    pub fn value_in<'a>(&self, settings: &'a JsonMap<String, Value>) -> Option<&'a Value> {
        match self.key.split_once('.') {
            None => settings.get(self.key),
            Some((map, name)) => settings.get(map)?.get(name),
        }
    }

    /// Sets it in the settings of a `daemon.json`.
    pub fn set_in(&self, settings: &mut JsonMap<String, Value>, value: Value) {
        match self.key.split_once('.') {
            None => {
                settings.insert(self.key.to_owned(), value);
            }
            Some((map, name)) => {
                let map = settings
                    .entry(map)
                    .or_insert_with(|| Value::Object(JsonMap::new()));
                map[name] = value;
            }
        }
    }
}

impl SettingType {
    /// It in words.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Switch => "true or false",
            Number => "a whole number",
            Text => "a string",
            Word => "a word",
            Address(_) => "an IP address",
            Pairs | Limits | List => "a list",
            Object => "a map",
        }
    }

    /// Whether a value in `daemon.json` is of it.
    #[must_use]
    pub fn is_type_of(self, value: &Value) -> bool {
        match self {
            Switch => value.is_boolean(),
            Number => value.is_u64(),
            Text | Word | Address(_) => value.is_string(),
            Pairs | List => value.is_array(),
            Limits | Object => value.is_object(),
        }
    }
}

#[cfg(test)]
mod tests {
    use job_fixture::rendered;

    use super::*;

    #[test]
    fn every_property_of_the_table_is_in_the_jobs_spec() {
        let properties = &rendered()["properties"];
        for setting in DAEMON_SETTINGS {
            let Some(property) = setting.property() else {
                continue;
            };
            let mut value = Some(properties);
            for name in property.split('.') {
                value = value.and_then(|value| value.get(name));
            }
            assert!(value.is_some(), "{}: {property}", setting.key);
        }
    }

    #[test]
    fn no_key_and_no_flag_is_there_twice() {
        let mut names: Vec<&str> = DAEMON_SETTINGS
            .iter()
            .flat_map(|setting| [Some(setting.key), setting.flag])
            .flatten()
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn the_first_engine_is_one_of_those_that_run_recipes() {
        for setting in DAEMON_SETTINGS {
            let since = setting.first_engine();
            assert!(since >= (20, 10), "{}", setting.key);
            assert_eq!(format!("{}.{}", since.0, since.1), setting.since);
        }
    }
}
