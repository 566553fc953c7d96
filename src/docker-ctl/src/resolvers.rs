//! The resolvers that containers get when no property names any.

use job_properties::Networks;
use tracing::warn;
use vm_networks::ResolvConf;

/// Says so when dockerd is going to send names to resolvers on the internet because a container cannot reach the VM's.
pub fn warn_of_public_ones(networks: &Networks, vm: &ResolvConf) {
    if let Some(warning) = public_ones(networks, vm) {
        warn!("{warning}");
    }
}

fn public_ones(networks: &Networks, vm: &ResolvConf) -> Option<String> {
    if !networks.dns_servers.is_empty() || vm.reaches_containers() {
        return None;
    }
    let path = vm.path.display();
    let (why, who) = if vm.servers.is_empty() {
        (format!("{path} names no resolver"), "containers")
    } else {
        // those on networks of their own ask dockerd, which asks from the VM
        let why =
            format!("{path} names none but the VM's own loopback, which is not a container's");
        (why, "containers on the default bridge")
    };
    Some(format!(
        "property `dns_servers` is not set, and {why}: dockerd has {who} ask public resolvers (8.8.8.8, 8.8.4.4) instead; \
         set `dns_servers`, to 169.254.0.2 where the VM has BOSH DNS"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warns_only_when_names_would_leave_for_the_internet() {
        let vm = |servers: &[&str]| ResolvConf {
            path: "/etc/resolv.conf".into(),
            servers: servers.iter().map(|text| text.parse().unwrap()).collect(),
        };
        let unset = Networks::default();
        let set = Networks {
            dns_servers: vm(&["10.0.0.5"]).servers,
            ..Networks::default()
        };
        assert_eq!(
            public_ones(&unset, &vm(&["127.0.0.1", "169.254.0.2"])),
            None
        );
        assert_eq!(public_ones(&set, &vm(&["127.0.0.1"])), None);
        let loopback = public_ones(&unset, &vm(&["127.0.0.1", "::1"])).unwrap();
        assert!(loopback.contains("`dns_servers`") && loopback.contains("default bridge"));
        let none = public_ones(&unset, &vm(&[])).unwrap();
        assert!(
            none.contains("/etc/resolv.conf names no resolver"),
            "{none}"
        );
    }
}
