//! The resolvers that the VM uses, as dockerd reads them for containers.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// The stub of systemd-resolved.
const STUB: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 53));

/// The nameservers in a `resolv.conf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvConf {
    /// The file.
    pub path: PathBuf,
    /// In its order; those that are no addresses are left out.
    pub servers: Vec<IpAddr>,
}

impl ResolvConf {
    /// The VM's, below `root`: `/etc/resolv.conf`, or what systemd-resolved knows, where that has its stub alone in it (moby,
    /// `resolvconf.Path`). A file that is not there has no nameserver.
    #[must_use]
    pub fn of_vm(root: &Path) -> Self {
        let plain = Self::of_processes(root);
        if plain.servers == [STUB] {
            Self::read(root.join("run/systemd/resolve/resolv.conf"))
        } else {
            plain
        }
    }

    /// Those of the VM's own processes, below `root`; loopback addresses serve them, too.
    #[must_use]
    pub fn of_processes(root: &Path) -> Self {
        Self::read(root.join("etc/resolv.conf"))
    }

    /// Whether a container can reach any of them: loopback addresses are the container's own there, and dockerd puts
    /// public resolvers in their place.
    #[must_use]
    pub fn reaches_containers(&self) -> bool {
        self.servers.iter().any(|address| !address.is_loopback())
    }

    fn read(path: PathBuf) -> Self {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let servers = text.lines().filter_map(nameserver).collect();
        Self { path, servers }
    }
}

fn nameserver(line: &str) -> Option<IpAddr> {
    let mut words = line.split_ascii_whitespace();
    if words.next() != Some("nameserver") {
        return None;
    }
    // fe80::1%eth0
    let address = words.next()?.split('%').next()?;
    address.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_behind_the_stub_of_systemd_resolved() {
        let root = tempfile::tempdir().unwrap();
        let of_vm = || ResolvConf::of_vm(root.path());
        assert!(of_vm().servers.is_empty() && !of_vm().reaches_containers());
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            "etc/resolv.conf",
            "# x\nnameserver 169.254.0.2\n nameserver fe80::1%eth0 # y\nnameserver x\nsearch a\n",
        );
        let expected: [IpAddr; 2] = ["169.254.0.2".parse().unwrap(), "fe80::1".parse().unwrap()];
        assert_eq!(of_vm().servers, expected);
        assert!(of_vm().reaches_containers());

        write("etc/resolv.conf", "nameserver 127.0.0.53\noptions edns0\n");
        assert!(!of_vm().reaches_containers());
        write("run/systemd/resolve/resolv.conf", "nameserver 10.0.0.5\n");
        assert_eq!(of_vm().servers, ["10.0.0.5".parse::<IpAddr>().unwrap()]);
        write("run/systemd/resolve/resolv.conf", "nameserver ::1\n");
        assert!(!of_vm().reaches_containers());

        write("etc/resolv.conf", "nameserver 127.0.0.1\n");
        assert_eq!(of_vm().servers, ["127.0.0.1".parse::<IpAddr>().unwrap()]);
    }
}
