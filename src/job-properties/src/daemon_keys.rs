//! Names of the settings in `daemon.json` that programs of the release write or read themselves.

macro_rules! keys {
    ($($name:ident = $key:literal;)*) => {
        $(
            #[doc = concat!("`", $key, "`")]
            pub const $name: &str = $key;
        )*
        #[cfg(test)]
        pub(crate) const ALL: &[&str] = &[$($key),*];
    };
}

keys! {
    ADDRESS_POOLS = "default-address-pools";
    BIP = "bip";
    DATA_ROOT = "data-root";
    DNS = "dns";
    DNS_OPTIONS = "dns-opts";
    DNS_SEARCH = "dns-search";
    EXEC_ROOT = "exec-root";
    GROUP = "group";
    HOSTS = "hosts";
    IMAGE_STORE = "features.containerd-snapshotter";
    INSECURE_REGISTRIES = "insecure-registries";
    IP_FORWARD = "ip-forward";
    LIVE_RESTORE = "live-restore";
    LOG_LEVEL = "log-level";
    MTU = "mtu";
    PIDFILE = "pidfile";
    REGISTRY_MIRRORS = "registry-mirrors";
    SHUTDOWN_TIMEOUT = "shutdown-timeout";
    STORAGE_DRIVER = "storage-driver";
    STORAGE_OPTIONS = "storage-opts";
    TLS = "tls";
    TLS_CA_CERT = "tlscacert";
    TLS_CERT = "tlscert";
    TLS_KEY = "tlskey";
    TLS_VERIFY = "tlsverify";
    USERNS_REMAP = "userns-remap";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DAEMON_SETTINGS;

    #[test]
    fn every_key_has_a_row_in_the_table_of_settings() {
        for key in ALL {
            let rows = DAEMON_SETTINGS.iter().filter(|row| row.key == *key);
            assert_eq!(rows.count(), 1, "{key}");
        }
    }
}
