//! `storage_driver` and `storage_options`, which mean something else on each image store, or nothing: a quota that is none.

use bosh_job::{Problem, Problems};
use job_properties::{DaemonSetting, ImageStore, daemon_keys};

use crate::daemon_json::DaemonJson;

/// Graph drivers that are no snapshotters of containerd. (`btrfs`, `zfs` and `fuse-overlayfs` are both.)
const GRAPH_DRIVERS_ALONE: [&str; 5] = ["overlay2", "overlay", "aufs", "devicemapper", "vfs"];
const BOTH: [&str; 3] = ["btrfs", "zfs", "fuse-overlayfs"];
/// Snapshotters that are no graph drivers.
const SNAPSHOTTERS_ALONE: [&str; 6] = [
    "overlayfs",
    "native",
    "devmapper",
    "blockfile",
    "erofs",
    "stargz",
];

/// Whether the settings have any.
pub fn are_set(json: &DaemonJson) -> bool {
    json.get(daemon_keys::STORAGE_OPTIONS).is_some()
        || json.get(daemon_keys::STORAGE_DRIVER).is_some()
}

/// Whether an engine before 29 could use it, and 29 takes it for a choice of graph drivers.
pub fn is_graph_driver(name: &str) -> bool {
    GRAPH_DRIVERS_ALONE.contains(&name) || BOTH.contains(&name)
}

/// Refuses those that have no effect on this store; `why` says why it is this one.
pub fn check(json: &DaemonJson, store: ImageStore, why: &str) -> Result<(), Problems> {
    let mut problems = Problems::default();
    let driver = json.text(daemon_keys::STORAGE_DRIVER).unwrap_or_default();
    match store {
        ImageStore::Containerd => {
            // dockerd passes them to graph drivers alone, and says nothing
            if json.get(daemon_keys::STORAGE_OPTIONS).is_some() {
                let what = format!(
                    "has no effect on the containerd image store, {why}: containers would have no quota"
                );
                problems.push(of_setting(daemon_keys::STORAGE_OPTIONS, what).hint(
                    "take it out; or set `image_store: graphdriver`, whose drivers have such options: containers and images then begin again there, and named volumes are kept",
                ));
            }
            if GRAPH_DRIVERS_ALONE.contains(&driver) {
                let what = format!(
                    "is {driver}, a graph driver, and the containerd image store, {why}, has snapshotters: no image could be unpacked"
                );
                problems.push(of_setting(daemon_keys::STORAGE_DRIVER, what).hint(
                    "take it out, or name a snapshotter (overlayfs); or set `image_store: graphdriver`: containers and images then begin again there, and named volumes are kept",
                ));
            }
        }
        ImageStore::Graphdriver if SNAPSHOTTERS_ALONE.contains(&driver) => {
            let what = format!(
                "is {driver}, a snapshotter of the containerd image store, and dockerd uses graph drivers, {why}"
            );
            problems.push(of_setting(daemon_keys::STORAGE_DRIVER, what).hint(
                "take it out, or name a graph driver (overlay2); or set `image_store: containerd`: containers and images then begin again there, and named volumes are kept",
            ));
        }
        ImageStore::Graphdriver => {}
    }
    problems.into_result(Some(()))
}

/// A problem with the property that the setting has.
fn of_setting(key: &'static str, what: String) -> Problem {
    let property = DaemonSetting::find(key).and_then(DaemonSetting::property);
    Problem::new(property.unwrap_or(key), what)
}

#[cfg(test)]
mod tests {
    use bosh_job::Paths;
    use job_fixture::rendered;
    use job_properties::JobConfig;
    use serde_json::{Value, json};

    use super::*;

    fn refused(properties: &[(&str, Value)], store: ImageStore) -> Vec<String> {
        let mut config = rendered();
        for (name, value) in properties {
            config["properties"][*name] = value.clone();
        }
        let daemon = JobConfig::from_value(config).unwrap().daemon().unwrap();
        let json = DaemonJson::new(&Paths::new("/r"), &daemon, None);
        let problems = check(&json, store, "which the data root has").err();
        let problems = problems.iter().flatten();
        problems.map(|problem| problem.property.clone()).collect()
    }

    #[test]
    fn what_a_store_passes_over_is_refused_all_at_once() {
        use ImageStore::{Containerd, Graphdriver};
        let options = ("storage_options", json!(["overlay2.size=1G"]));
        let driver = |name: &str| ("storage_driver", json!(name));
        for (properties, store, named) in [
            (
                vec![options.clone(), driver("overlay2")],
                Containerd,
                vec!["storage_options", "storage_driver"],
            ),
            (
                vec![options.clone(), driver("overlay2")],
                Graphdriver,
                vec![],
            ),
            (vec![("storage_options", json!([]))], Containerd, vec![]),
            (vec![driver("vfs")], Containerd, vec!["storage_driver"]),
            (vec![driver("overlayfs")], Containerd, vec![]),
            (
                vec![driver("overlayfs")],
                Graphdriver,
                vec!["storage_driver"],
            ),
            // on both, and unknown ones: the engine says
            (vec![driver("btrfs")], Containerd, vec![]),
            (vec![driver("btrfs")], Graphdriver, vec![]),
            (vec![driver("soci")], Containerd, vec![]),
        ] {
            assert_eq!(
                refused(&properties, store),
                named,
                "{properties:?} {store:?}"
            );
        }
    }
}
