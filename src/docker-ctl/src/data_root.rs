//! What the data root holds of each image store. dockerd sees the images and containers of one of them, and those of the other
//! stay on the disk, unseen.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bosh_job::Paths;
use job_properties::ImageStore;
use serde::Serialize;

/// Directories of graph drivers: where one is in use, engine 29 keeps to graph drivers (moby, `graphdriver.HasPriorDriver`).
const GRAPH_DRIVERS: [&str; 4] = ["overlay2", "fuse-overlayfs", "btrfs", "zfs"];
/// Those of drivers that it does not look for.
const OTHER_DRIVERS: [&str; 4] = ["vfs", "aufs", "overlay", "devicemapper"];
/// Begins the names of the directories in which containerd's snapshotters keep their data.
const SNAPSHOTTER: &str = "io.containerd.snapshotter.v1.";

/// What lies in the data root and is not seen through the image store that is in use.
#[derive(Debug, Serialize)]
pub struct Unseen {
    pub image_store: &'static str,
    pub containers: u64,
    /// What it takes on the disk.
    pub bytes: u64,
    /// Whether all of it was counted; it is at least `bytes` otherwise.
    pub counted: bool,
    /// What to remove to be rid of it, while dockerd and the containers are stopped.
    pub directories: Vec<PathBuf>,
}

/// A store's name, as property `image_store` has it.
pub fn name_of(store: ImageStore) -> &'static str {
    match store {
        ImageStore::Containerd => "containerd",
        ImageStore::Graphdriver => "graphdriver",
    }
}

/// Whether it holds layers of images or containers of this store.
pub fn holds(root: &Path, store: ImageStore) -> bool {
    match store {
        ImageStore::Containerd => entries(&containerd(root).join("daemon"))
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(SNAPSHOTTER)
            })
            .any(|snapshotter| !is_empty(&snapshotter.join("snapshots"))),
        ImageStore::Graphdriver => entries(&root.join("image")).any(|driver| {
            let layers = driver.join("layerdb");
            ["sha256", "mounts"]
                .iter()
                .any(|kind| !is_empty(&layers.join(kind)))
        }),
    }
}

/// Whether engine 29 would keep to graph drivers by itself.
pub fn has_prior_driver(root: &Path) -> bool {
    GRAPH_DRIVERS
        .iter()
        .any(|driver| !is_empty(&root.join(driver)))
}

/// What is not seen by a dockerd that uses `store` with this storage driver; counts for no longer than `limit`.
pub fn unseen(paths: &Paths, store: ImageStore, driver: &str, limit: Duration) -> Option<Unseen> {
    let root = paths.data_root();
    let (other, directories) = match store {
        ImageStore::Containerd => {
            let names = ["image"].iter().chain(&GRAPH_DRIVERS).chain(&OTHER_DRIVERS);
            let directories = names.map(|name| root.join(name));
            (ImageStore::Graphdriver, directories.collect())
        }
        ImageStore::Graphdriver => (ImageStore::Containerd, vec![containerd(&root)]),
    };
    if !holds(&root, other) {
        return None;
    }
    let mut directories: Vec<PathBuf> = directories;
    directories.retain(|directory| directory.is_dir());
    // the engine would find them again without what they are made of
    let containers = containers_of_others(&root, driver);
    let count = containers.len() as u64;
    directories.extend(containers);
    let deadline = Instant::now() + limit;
    let sizes: Vec<(u64, bool)> = directories
        .iter()
        .map(|directory| size(directory, deadline))
        .collect();
    Some(Unseen {
        image_store: name_of(other),
        containers: count,
        bytes: sizes.iter().map(|(bytes, _)| bytes).sum(),
        counted: sizes.iter().all(|(_, counted)| *counted),
        directories,
    })
}

fn containerd(root: &Path) -> PathBuf {
    root.join("containerd")
}

/// Containers that were made with another storage driver: dockerd passes over them (moby, `Daemon.loadContainers`).
fn containers_of_others(root: &Path, driver: &str) -> Vec<PathBuf> {
    let is_other = |directory: &PathBuf| {
        let config = fs::read(directory.join("config.v2.json")).ok();
        let config = config.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let config: serde_json::Value = config.unwrap_or_default();
        config["Driver"].as_str().is_some_and(|own| own != driver)
    };
    let mut found: Vec<PathBuf> = entries(&root.join("containers")).filter(is_other).collect();
    found.sort();
    found
}

/// Bytes on the disk below a directory, without what is mounted in it, and whether that is all.
fn size(directory: &Path, deadline: Instant) -> (u64, bool) {
    let Ok(top) = directory.symlink_metadata() else {
        return (0, true);
    };
    let mut bytes = 0;
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        if Instant::now() >= deadline {
            return (bytes, false);
        }
        for path in entries(&directory) {
            let Ok(found) = path.symlink_metadata() else {
                continue;
            };
            if found.dev() != top.dev() {
                continue;
            }
            bytes += found.blocks() * 512;
            if found.is_dir() {
                left.push(path);
            }
        }
    }
    (bytes, true)
}

fn is_empty(directory: &Path) -> bool {
    entries(directory).next().is_none()
}

/// What lies in a directory; nothing if it is not there.
fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let found = fs::read_dir(directory).into_iter().flatten().flatten();
    found.map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_with(directories: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for directory in directories {
            fs::create_dir_all(dir.path().join("store/docker").join(directory)).unwrap();
        }
        dir
    }

    #[test]
    fn directories_that_every_engine_makes_are_no_data_of_a_store() {
        let made = [
            "image/overlay2/layerdb/tmp",
            "image/overlay2/imagedb/content",
            "containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots",
            "containerd/daemon/io.containerd.snapshotter.v1.btrfs",
            "containerd/daemon/io.containerd.metadata.v1.bolt",
        ];
        let dir = root_with(&made);
        let paths = Paths::new(dir.path());
        for store in [ImageStore::Containerd, ImageStore::Graphdriver] {
            assert!(!holds(&paths.data_root(), store), "{store:?}");
            assert!(unseen(&paths, store, "overlay2", Duration::from_secs(9)).is_none());
        }
        assert!(!has_prior_driver(&paths.data_root()));
        let begun = root_with(&["overlay2/l"]);
        assert!(has_prior_driver(&Paths::new(begun.path()).data_root()));
    }

    #[test]
    fn layers_and_containers_of_the_other_store_are_unseen_with_their_size() {
        let dir = root_with(&[
            "image/overlay2/layerdb/sha256/a",
            "overlay2/a/diff",
            "containerd/daemon/io.containerd.snapshotter.v1.native/snapshots/1",
            "containers/c1",
            "containers/c2",
            "containers/broken",
        ]);
        let paths = Paths::new(dir.path());
        let root = paths.data_root();
        fs::write(root.join("overlay2/a/diff/x"), vec![b'x'; 100_000]).unwrap();
        for (id, driver) in [("c1", "overlay2"), ("c2", "native")] {
            let config = serde_json::json!({"ID": id, "Driver": driver}).to_string();
            fs::write(
                root.join("containers").join(id).join("config.v2.json"),
                config,
            )
            .unwrap();
        }
        let long = Duration::from_mins(1);
        let graph = unseen(&paths, ImageStore::Containerd, "native", long).unwrap();
        assert_eq!(
            (graph.image_store, graph.containers, graph.counted),
            ("graphdriver", 1, true)
        );
        assert!(graph.bytes >= 100_000, "{graph:?}");
        let wanted = ["image", "overlay2", "containers/c1"].map(|name| root.join(name));
        assert_eq!(graph.directories, wanted);
        let containerd = unseen(&paths, ImageStore::Graphdriver, "overlay2", long).unwrap();
        assert_eq!(
            (containerd.image_store, containerd.containers),
            ("containerd", 1)
        );
        let wanted = ["containerd", "containers/c2"].map(|name| root.join(name));
        assert_eq!(containerd.directories, wanted);
        let none = unseen(&paths, ImageStore::Containerd, "native", Duration::ZERO).unwrap();
        assert!(!none.counted);
    }
}
