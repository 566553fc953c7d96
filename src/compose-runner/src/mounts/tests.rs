use std::{
    collections::BTreeSet,
    os::unix::fs::{PermissionsExt, symlink},
};

use bosh_job::Paths;

use super::*;
use crate::model::Service;

struct Bench {
    directory: tempfile::TempDir,
    /// `/var/vcap`.
    root: tempfile::TempDir,
    paths: Paths,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("conf/sub")).unwrap();
        for (path, content) in [("a", "a"), ("conf/b", "b"), ("conf/sub/c", "c")] {
            fs::write(directory.path().join(path), content).unwrap();
        }
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(root.path());
        Self {
            directory,
            root,
            paths,
        }
    }

    fn model(&self, services: &[(&str, &str, bool)]) -> Model {
        let mut model = Model::default();
        for (name, source, read_only) in services {
            let source = if source.starts_with('/') {
                source.into()
            } else {
                self.directory.path().join(source)
            };
            let service = model
                .services
                .entry((*name).to_owned())
                .or_insert_with(|| Service {
                    replicas: 1,
                    ..Service::default()
                });
            service.mounts.insert(Mount {
                source,
                read_only: *read_only,
                kind: MountKind::Volume,
            });
        }
        model
    }

    fn files(&self) -> RecipeFiles<'_> {
        RecipeFiles {
            directory: self.directory.path(),
            written: [
                (Path::new("a"), "1".into()),
                (Path::new("conf/b"), "2".into()),
            ]
            .into(),
            outside: Outside {
                root: self.root.path(),
                socket: self.root.path().join("sys/run/docker/docker.sock"),
            },
            texts: Texts {
                paths: &self.paths,
                environment: &[],
            },
        }
    }

    /// Each service's label.
    fn labels(&self, model: &Model) -> BTreeMap<String, String> {
        let value = self.files().override_file(model, &BTreeMap::new()).unwrap();
        let services = value["services"].as_object().unwrap();
        services
            .iter()
            .map(|(name, service)| {
                (
                    name.clone(),
                    service["labels"][LABEL].as_str().unwrap().to_owned(),
                )
            })
            .collect()
    }

    fn write(&self, path: &str, content: &str) {
        fs::write(self.directory.path().join(path), content).unwrap();
    }
}

#[test]
fn an_image_that_the_engine_knows_by_another_name_stands_beside_the_label() {
    let bench = Bench::new();
    let images = BTreeMap::from([
        ("web".to_owned(), "sha256:1".to_owned()),
        ("db".to_owned(), "sha256:2".to_owned()),
    ]);
    let model = bench.model(&[("web", "a", false)]);
    let value = bench.files().override_file(&model, &images).unwrap();
    let services = &value["services"];
    assert_eq!(services["web"]["image"], "sha256:1");
    assert!(services["web"]["labels"][LABEL].is_string());
    let db = serde_json::json!({"image": "sha256:2", "pull_policy": "missing"});
    assert_eq!(services["db"], db);
}

#[test]
fn only_services_whose_mounted_content_changed_get_another_label() {
    let bench = Bench::new();
    let model = bench.model(&[
        ("one", "a", false),
        ("two", "conf", true),
        ("three", "conf/b", true),
        ("none", "/etc/hosts", false),
    ]);
    let before = bench.labels(&model);
    assert_eq!(before.keys().collect::<Vec<_>>(), ["one", "three", "two"]);
    assert_eq!(bench.labels(&model), before, "two looks agree");
    bench.write("conf/b", "B");
    let after = bench.labels(&model);
    let changed: BTreeSet<_> = before
        .keys()
        .filter(|name| before[*name] != after[*name])
        .cloned()
        .collect();
    assert_eq!(
        changed,
        BTreeSet::from(["two".to_owned(), "three".to_owned()])
    );
}

#[test]
fn mode_names_and_links_count() {
    let bench = Bench::new();
    let model = bench.model(&[("x", "conf", true)]);
    let mut seen = BTreeSet::from([bench.labels(&model)["x"].clone()]);
    let path = bench.directory.path().join("conf/made-by-prep");
    bench.write("conf/made-by-prep", "x");
    assert!(seen.insert(bench.labels(&model)["x"].clone()));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(seen.insert(bench.labels(&model)["x"].clone()));
    fs::rename(&path, bench.directory.path().join("conf/c")).unwrap();
    assert!(seen.insert(bench.labels(&model)["x"].clone()));
    symlink("c", &path).unwrap();
    assert!(seen.insert(bench.labels(&model)["x"].clone()));
    fs::remove_file(&path).unwrap();
    symlink("d", &path).unwrap();
    assert!(seen.insert(bench.labels(&model)["x"].clone()));
}

#[test]
fn what_a_container_writes_into_its_directory_does_not_count() {
    let bench = Bench::new();
    let model = bench.model(&[("x", "conf", false)]);
    let before = bench.labels(&model);
    bench.write("conf/journal", "mine");
    bench.write("conf/sub/c", "mine");
    assert_eq!(bench.labels(&model), before);
    bench.write("conf/b", "the operator's");
    assert_ne!(bench.labels(&model), before);
}

#[test]
fn the_whole_directory_and_ways_with_dots_are_inside() {
    let bench = Bench::new();
    let dotted = bench.directory.path().join("./conf/../a");
    let model = bench.model(&[("x", "", false), ("y", dotted.to_str().unwrap(), false)]);
    assert_eq!(bench.labels(&model).len(), 2);
    let outside = bench.directory.path().join("../..");
    assert!(
        bench
            .labels(&bench.model(&[("x", outside.to_str().unwrap(), true)]))
            .is_empty()
    );
}

#[test]
fn another_way_to_the_directory_is_inside_too() {
    let bench = Bench::new();
    let other = tempfile::tempdir().unwrap();
    let link = other.path().join("link");
    symlink(bench.directory.path(), &link).unwrap();
    let model = bench.model(&[("x", link.join("a").to_str().unwrap(), true)]);
    assert_eq!(bench.labels(&model).len(), 1);
}

#[test]
fn names_what_is_mounted_from_the_recipes_directory_and_is_not_there() {
    let bench = Bench::new();
    let model = bench.model(&[
        ("web", "conf/nope", true),
        ("web", "a", true),
        ("web", "/nonexistent/elsewhere", true),
    ]);
    let missing = bench.files().missing(&model);
    assert_eq!(missing.len(), 1);
    assert_eq!(
        missing[0].what,
        "service web, `volumes`: there is no ./conf/nope in the recipe's directory"
    );
    assert_eq!(missing[0].service.as_deref(), Some("web"));
    assert!(missing[0].hint.as_ref().unwrap().contains("`files`"));
}

#[test]
fn a_missing_file_of_a_secret_is_named_wherever_it_should_be() {
    let bench = Bench::new();
    let mut model = bench.model(&[("web", "a", true)]);
    let secret = Mount {
        source: "/nonexistent/key".into(),
        read_only: true,
        kind: MountKind::Secret,
    };
    model.services.get_mut("web").unwrap().mounts.insert(secret);
    assert_eq!(
        bench.files().missing(&model)[0].what,
        "service web, `secrets`: there is no /nonexistent/key"
    );
}

#[test]
fn a_fifo_is_not_waited_for() {
    let bench = Bench::new();
    let path = bench.directory.path().join("pipe");
    let status = std::process::Command::new("mkfifo")
        .arg(&path)
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(bench.labels(&bench.model(&[("x", "pipe", true)])).len(), 1);
}

#[test]
fn what_other_jobs_and_prep_put_outside_counts_and_what_containers_write_does_not() {
    let bench = Bench::new();
    let at = |path: &str| bench.root.path().join(path).display().to_string();
    for (path, content) in [
        ("data/jobs/nats/1/config/cert.pem", "old"),
        ("data/jobs/nats/1/config/deep/key.pem", "old"),
        ("data/certs/ca.pem", "old"),
        ("data/app/app.conf", "old"),
        ("store/db/app.sqlite", "old"),
        ("data/app/live/file", "old"),
        ("data/sys/log/x/x.log", "old"),
    ] {
        let path = bench.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    fs::create_dir_all(at("jobs")).unwrap();
    symlink(at("data/jobs/nats/1"), at("jobs/nats")).unwrap();
    symlink("gone", at("jobs/nats/config/dangling")).unwrap();
    let model = bench.model(&[
        ("file", &at("jobs/nats/config/cert.pem"), true),
        ("tree", &at("jobs/nats/config"), false),
        ("certs", &at("data/certs"), true),
        ("conf", &at("data/app/app.conf"), false),
        ("sqlite", &at("store/db/app.sqlite"), false),
        ("live", &at("data/app/live"), false),
        ("logs", &at("data/sys/log"), true),
        ("all", &at("data"), true),
        ("device", "/dev/null", true),
        ("system", "/proc/uptime", true),
        ("users", "/etc/passwd", true),
        ("missing", &at("data/nowhere"), true),
    ]);
    let changed = |before: &BTreeMap<String, String>, after: &BTreeMap<String, String>| {
        let names = before.keys().filter(|name| before[*name] != after[*name]);
        names.cloned().collect::<Vec<_>>()
    };
    let first = bench.labels(&model);
    assert_eq!(
        first.keys().collect::<Vec<_>>(),
        ["certs", "conf", "file", "tree"]
    );
    // A deploy renders the job again: the same content in another place changes nothing.
    fs::create_dir_all(at("data/jobs/nats/2/config/deep")).unwrap();
    for file in ["config/cert.pem", "config/deep/key.pem"] {
        fs::copy(
            at(&format!("data/jobs/nats/1/{file}")),
            at(&format!("data/jobs/nats/2/{file}")),
        )
        .unwrap();
    }
    symlink("gone", at("data/jobs/nats/2/config/dangling")).unwrap();
    fs::remove_file(at("jobs/nats")).unwrap();
    symlink(at("data/jobs/nats/2"), at("jobs/nats")).unwrap();
    let second = bench.labels(&model);
    assert_eq!(changed(&first, &second), Vec::<String>::new());
    fs::write(at("data/jobs/nats/2/config/deep/key.pem"), "new").unwrap();
    let third = bench.labels(&model);
    assert_eq!(changed(&second, &third), ["tree"]);
    fs::write(at("data/jobs/nats/2/config/cert.pem"), "new").unwrap();
    let fourth = bench.labels(&model);
    assert_eq!(changed(&third, &fourth), ["file", "tree"]);
    // replaced by rename
    fs::write(at("data/app/app.new"), "new").unwrap();
    fs::rename(at("data/app/app.new"), at("data/app/app.conf")).unwrap();
    fs::write(at("data/certs/ca.pem"), "new").unwrap();
    assert_eq!(changed(&fourth, &bench.labels(&model)), ["certs", "conf"]);
}

#[test]
fn a_tree_that_is_too_large_counts_by_its_place_alone() {
    let bench = Bench::new();
    let large = bench.root.path().join("data/jobs/large");
    fs::create_dir_all(&large).unwrap();
    for number in 0..2001 {
        fs::write(large.join(number.to_string()), "").unwrap();
    }
    let model = bench.model(&[("x", &large.display().to_string(), true)]);
    let before = bench.labels(&model);
    fs::write(large.join("1"), "new").unwrap();
    assert_eq!(bench.labels(&model), before);
}

#[test]
fn the_engines_socket_counts_by_which_one_it_is() {
    let bench = Bench::new();
    let socket = bench.root.path().join("sys/run/docker/docker.sock");
    fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let first = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let link = bench.root.path().join("usual.sock");
    symlink(&socket, &link).unwrap();
    let model = bench.model(&[("x", &link.display().to_string(), true)]);
    let before = bench.labels(&model);
    assert_eq!(bench.labels(&model), before);
    drop(first);
    fs::remove_file(&socket).unwrap();
    let _second = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert_ne!(bench.labels(&model), before);
}
