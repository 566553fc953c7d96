//! Directories and files of the VM that a recipe's containers may write to: whether they are data that ends with the VM.
//!
//! Not data is what belongs to the system or to other jobs, what the operator's `files` wrote, and what lies on a disk or in a
//! share of its own.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::mounts::without_dots;

/// What belongs to the system, with all below it.
const SYSTEM: [&str; 21] = [
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/var/run",
    "/tmp",
    "/var/tmp",
    "/var/log",
    "/var/cache",
    "/var/lib/docker",
    "/var/lib/containerd",
    "/var/lib/dbus",
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/bin",
    "/sbin",
    "/boot",
    "/root/.docker",
    "/lost+found",
];
/// Directories below `/etc` that belong to the system; others may be data (`/etc/letsencrypt`).
const SYSTEM_ETC: [&str; 8] = [
    "ssl",
    "pki",
    "ca-certificates",
    "docker",
    "systemd",
    "security",
    "alternatives",
    "cron.d",
];
/// What belongs to BOSH and to other jobs, below `/var/vcap` and below `/var/vcap/data`.
const OF_BOSH: [&str; 8] = [
    "jobs",
    "packages",
    "sys",
    "bosh",
    "monit",
    "micro_bosh",
    "instance",
    "bosh_ssh",
];
const OF_BOSH_IN_DATA: [&str; 7] = [
    "jobs", "packages", "sys", "bosh", "tmp", "root_tmp", "root_log",
];

/// What decides.
pub struct DataPlaces<'a> {
    /// `/var/vcap`.
    pub root: &'a Path,
    /// The recipe's directory.
    pub running: &'a Path,
    /// The paths in it that `files` wrote.
    pub written: BTreeSet<&'a Path>,
    /// Whether the instance has a persistent disk.
    pub has_disk: bool,
}

/// Whether `/var/vcap/store` is a disk of its own. `bosh create-env` tells nobody of it.
pub fn store_is_mounted(root: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).ok().map(|metadata| metadata.dev());
    let Some(store) = device(&root.join("store")) else {
        return false;
    };
    let others = [
        device(root),
        device(&root.join("data")),
        device(Path::new("/")),
    ];
    !others.contains(&Some(store))
}

impl DataPlaces<'_> {
    /// Whether a source that containers may write to is data that ends with the VM.
    pub fn ends_with_vm(&self, source: &Path) -> bool {
        let source = without_dots(source);
        let real = fs::canonicalize(&source).unwrap_or_else(|_| source.clone());
        let store = self.root.join("store");
        if source.starts_with(&store) || real.starts_with(&store) {
            return !self.has_disk;
        }
        let is_foreign = self.is_of_system(&source) || self.is_of_system(&real);
        !is_foreign && self.is_data(&source, &real) && self.lies_on_disk_of_vm(&real)
    }

    fn is_of_system(&self, path: &Path) -> bool {
        // what contains the system is not anybody's data: `/`, `/var`, `/var/vcap`
        let system = SYSTEM.iter().map(PathBuf::from);
        let data = self.root.join("data");
        let of_bosh = OF_BOSH.iter().map(|name| self.root.join(name));
        let in_data = OF_BOSH_IN_DATA.iter().map(|name| data.join(name));
        let etc = SYSTEM_ETC.iter().map(|name| Path::new("/etc").join(name));
        let mut all = system.chain(of_bosh).chain(in_data).chain(etc);
        // A VM of a test lies below one of them.
        let inside = path.starts_with(self.root);
        all.any(|place| {
            let is_below = path.starts_with(&place) && (!inside || place.starts_with(self.root));
            is_below || place.starts_with(path)
        })
    }

    fn is_data(&self, source: &Path, real: &Path) -> bool {
        let metadata = fs::metadata(real).ok();
        let kind = metadata.as_ref().map(fs::Metadata::file_type);
        let is_file = kind.is_some_and(|kind| kind.is_file());
        if kind.is_some_and(|kind| !kind.is_file() && !kind.is_dir()) {
            return false;
        }
        let is_socket_to_be = source
            .extension()
            .is_some_and(|extension| extension == "sock");
        let is_of_etc = is_file && source.parent() == Some(Path::new("/etc"));
        if is_socket_to_be || is_of_etc {
            return false;
        }
        match source.strip_prefix(self.running) {
            Ok(inside) if self.written.contains(inside) => false,
            Ok(inside) => {
                let brings = self.written.iter().any(|path| path.starts_with(inside));
                !(brings && self.holds_only_written(real, inside))
            }
            Err(_) => true,
        }
    }

    /// Whether all that lies in a directory of the recipe is what `files` wrote.
    fn holds_only_written(&self, directory: &Path, inside: &Path) -> bool {
        let Ok(entries) = fs::read_dir(directory) else {
            return true;
        };
        entries.filter_map(Result::ok).all(|entry| {
            let inside = inside.join(entry.file_name());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.holds_only_written(&entry.path(), &inside)
            } else {
                let is_recipe = inside == Path::new("docker-compose.yml");
                is_recipe || self.written.contains(inside.as_path())
            }
        })
    }

    /// Shares and disks of their own live on; what is not there yet will lie where its directory does.
    fn lies_on_disk_of_vm(&self, path: &Path) -> bool {
        let device = |path: &Path| fs::metadata(path).ok().map(|metadata| metadata.dev());
        let Some(here) = path.ancestors().find_map(device) else {
            return true;
        };
        let disks = [Path::new("/"), self.root, &self.root.join("data")].map(device);
        disks.contains(&Some(here))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_what_containers_keep_and_not_what_belongs_to_others() {
        let directory = tempfile::tempdir_in("/var").unwrap();
        let root = directory.path();
        let running = root.join("data/docker/running");
        for (path, content) in [
            ("conf/app.conf", "x"),
            ("mixed/app.conf", "x"),
            ("mixed/journal", "x"),
            ("single.conf", "x"),
            ("acme.json", "x"),
        ] {
            fs::create_dir_all(running.join(path).parent().unwrap()).unwrap();
            fs::write(running.join(path), content).unwrap();
        }
        let places = |has_disk| DataPlaces {
            root,
            running: &running,
            written: ["conf/app.conf", "mixed/app.conf", "single.conf"]
                .map(Path::new)
                .into(),
            has_disk,
        };
        let of_recipe = |path: &str| running.join(path);
        let of_vm = |path: &str| root.join(path);
        for data in [
            of_recipe("data"),
            of_recipe("./x/../data"),
            of_recipe("mixed"),
            of_recipe("acme.json"),
            running.clone(),
            of_vm("data/app"),
            of_vm("data/docker/cli/home"),
            "/srv/app".into(),
            "/home/vcap/x".into(),
            "/opt/app".into(),
            "/etc/letsencrypt".into(),
            "/var/lib/grafana".into(),
        ] {
            assert!(places(true).ends_with_vm(&data), "{}", data.display());
            assert!(places(false).ends_with_vm(&data), "{}", data.display());
        }
        for other in [
            of_recipe("conf"),
            of_recipe("single.conf"),
            of_vm("jobs/nats/config"),
            of_vm("packages/x"),
            of_vm("sys/log/docker"),
            of_vm("data/sys/log"),
            root.to_owned(),
            "/".into(),
            "/var".into(),
            "/var/lib".into(),
            "/var/run/docker.sock".into(),
            "/run".into(),
            "/dev/null".into(),
            "/dev/disk".into(),
            "/sys/fs/cgroup".into(),
            "/tmp/.X11-unix".into(),
            "/lib/modules".into(),
            "/etc".into(),
            "/etc/hosts".into(),
            "/etc/ssl/certs".into(),
            "/var/log".into(),
            "/var/lib/docker/volumes".into(),
            "/root/.docker/config.json".into(),
            "/srv/agent.sock".into(),
        ] {
            assert!(!places(true).ends_with_vm(&other), "{}", other.display());
        }
        assert!(!places(true).ends_with_vm(&of_vm("store/x")));
        assert!(places(false).ends_with_vm(&of_vm("store/x")));
        assert!(!store_is_mounted(root));
    }
}
