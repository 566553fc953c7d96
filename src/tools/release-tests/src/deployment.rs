use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::{Outcome, program, repository};

/// A deployment of this release through bosh-solo: an instance group `docker` with the job `docker` and image jobs, and perhaps others.
/// Dropping it deletes the deployment.
#[derive(Debug)]
pub struct Deployment {
    pub(crate) name: String,
    properties: Value,
    images: Vec<String>,
    releases: Vec<OtherRelease>,
    others: Vec<Value>,
    variables: Vec<Value>,
    persistent_disk: Option<u64>,
    watch_time: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

/// A release in a directory of its own, with the jobs of it that are colocated with `docker`.
#[derive(Debug)]
struct OtherRelease {
    name: String,
    directory: PathBuf,
    jobs: Vec<String>,
}

impl Deployment {
    /// A deployment with the image `fixture/busybox:1` and no recipe.
    #[must_use]
    pub fn new(name: &str) -> Self {
        // short windows: the tests wait for them all day long
        let mut properties = json!({"stable_seconds": 2, "start_timeout": 60, "stop_timeout": 30});
        if let Ok(store) = std::env::var("CONTAINERS_TEST_IMAGE_STORE") {
            properties["image_store"] = json!(store);
        }
        Self {
            name: name.to_owned(),
            properties,
            images: vec!["busybox".to_owned()],
            releases: Vec::new(),
            others: Vec::new(),
            variables: Vec::new(),
            persistent_disk: None,
            watch_time: "1000-90000".to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// The same with `value` for the property `name`; null takes the property away.
    #[must_use]
    pub fn property(mut self, name: &str, value: Value) -> Self {
        self.set(name, value);
        self
    }

    /// Changes a property; the next `deploy` applies it.
    pub fn set(&mut self, name: &str, value: Value) {
        if let Some(map) = self.properties.as_object_mut() {
            if value.is_null() {
                map.remove(name);
            } else {
                map.insert(name.to_owned(), value);
            }
        }
    }

    /// The same with a recipe.
    #[must_use]
    pub fn recipe(self, recipe: Value) -> Self {
        self.property("recipe", recipe)
    }

    /// The same with the images of the fixture release that are named here, instead of busybox.
    #[must_use]
    pub fn images(mut self, images: &[&str]) -> Self {
        self.images = images.iter().map(|&image| image.to_owned()).collect();
        self
    }

    /// Colocates all jobs that the release in `directory` has now.
    ///
    /// # Panics
    /// When it has no directory `jobs`.
    pub fn colocate(&mut self, name: &str, directory: &Path) {
        let jobs = std::fs::read_dir(directory.join("jobs"))
            .unwrap_or_else(|error| panic!("{} has no jobs: {error}", directory.display()))
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        self.releases.retain(|release| release.name != name);
        self.releases.push(OtherRelease {
            name: name.to_owned(),
            directory: directory.to_owned(),
            jobs,
        });
    }

    /// The same with another instance group, of one instance, which is deployed before, and with variables of the manifest.
    #[must_use]
    pub fn after(mut self, name: &str, jobs: Value, variables: Vec<Value>) -> Self {
        self.others.push(json!({
            "name": name, "instances": 1, "azs": ["z1"], "vm_type": "default", "stemcell": "default",
            "networks": [{"name": "default"}], "jobs": jobs,
        }));
        self.variables.extend(variables);
        self
    }

    /// The same with a persistent disk of so many MiB.
    #[must_use]
    pub fn persistent_disk(mut self, mebibytes: u64) -> Self {
        self.persistent_disk = Some(mebibytes);
        self
    }

    /// The same with other watch times of the update, `MIN-MAX` in milliseconds.
    #[must_use]
    pub fn watch_time(mut self, milliseconds: &str) -> Self {
        milliseconds.clone_into(&mut self.watch_time);
        self
    }

    /// Gives `deploy` further arguments: ops files, variables.
    pub fn arguments(&mut self, arguments: &[&str]) {
        self.arguments = arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .collect();
    }

    /// Sets variables of bosh-solo's environment, such as `BOSH_SOLO_IPTABLES`; they take the place of those set before.
    pub fn environment(&mut self, variables: &[(&str, &str)]) {
        self.environment = variables
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
    }

    /// The BOSH manifest. JSON is YAML, too.
    fn manifest(&self) -> Value {
        let release =
            |name: &str, path: PathBuf| json!({"name": name, "version": "latest", "path": path});
        let mut releases = vec![
            release("containers", repository()),
            release("fixture-images", repository().join("ci/fixtures/release")),
        ];
        let mut jobs =
            vec![json!({"name": "docker", "release": "containers", "properties": self.properties})];
        for image in &self.images {
            jobs.push(json!({"name": format!("{image}-image"), "release": "fixture-images"}));
        }
        for other in &self.releases {
            releases.push(release(&other.name, other.directory.clone()));
            for job in &other.jobs {
                jobs.push(json!({"name": job, "release": other.name}));
            }
        }
        let mut group = json!({
            "name": "docker", "instances": 1, "azs": ["z1"], "vm_type": "default", "stemcell": "default",
            "networks": [{"name": "default"}], "jobs": jobs,
        });
        if let Some(size) = self.persistent_disk {
            group["persistent_disk"] = json!(size);
        }
        let mut groups = self.others.clone();
        groups.push(group);
        json!({
            "name": self.name,
            "stemcells": [{"alias": "default", "os": "ubuntu-jammy", "version": "latest"}],
            "releases": releases,
            "update": {
                "canaries": 1, "max_in_flight": 1, "serial": true,
                "canary_watch_time": self.watch_time, "update_watch_time": self.watch_time,
            },
            "instance_groups": groups,
            "variables": self.variables,
        })
    }

    /// bosh-solo with the deployment's name and the state directory of the tests.
    #[must_use]
    pub fn solo(&self, arguments: &[&str]) -> Outcome {
        let mut command = Command::new(program("bosh-solo"));
        command.args(["-n", "-d", &self.name]).args(arguments);
        let variables = self.environment.iter().map(|(name, value)| (name, value));
        command.envs(variables);
        Outcome::of(&mut command)
    }

    /// Deploys, successfully or not.
    ///
    /// # Panics
    /// When the manifest cannot be written.
    #[must_use]
    pub fn deploy(&self) -> Outcome {
        let directory = repository().join("tmp/manifests");
        std::fs::create_dir_all(&directory)
            .unwrap_or_else(|error| panic!("{} cannot be made: {error}", directory.display()));
        let path = directory.join(format!("{}.yml", self.name));
        std::fs::write(&path, self.manifest().to_string())
            .unwrap_or_else(|error| panic!("{} cannot be written: {error}", path.display()));
        let path = path.to_string_lossy();
        let mut arguments = vec!["deploy", &*path];
        arguments.extend(self.arguments.iter().map(String::as_str));
        let outcome = self.solo(&arguments);
        eprint_failure(&outcome);
        outcome
    }

    /// Deploys.
    ///
    /// # Panics
    /// When that fails.
    pub fn deploy_ok(&self) -> String {
        let outcome = self.deploy();
        let text = outcome.text();
        let log = if outcome.code == 0 {
            String::new()
        } else {
            self.logs()
        };
        assert_eq!(
            outcome.code, 0,
            "deploy of {} failed:\n{text}\nlogs:\n{log}",
            self.name
        );
        text
    }
}

fn eprint_failure(outcome: &Outcome) {
    if outcome.code != 0 {
        eprintln!("deploy ended with {}:\n{}", outcome.code, outcome.text());
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        if std::env::var_os("CONTAINERS_TEST_KEEP_DEPLOYMENTS").is_some() {
            return;
        }
        let outcome = self.solo(&["delete-deployment"]);
        // a second panic while the first unwinds would abort and hide it
        assert!(
            outcome.code == 0 || std::thread::panicking(),
            "deleting {} failed:\n{}",
            self.name,
            outcome.text()
        );
    }
}
