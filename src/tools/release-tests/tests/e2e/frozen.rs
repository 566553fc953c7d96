//! Images frozen by image-packager, out of a real registry that is gone when they are deployed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use registry_fixture::Registry;
use release_tests::{Deployment, Outcome, program};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::sleeper;

const RELEASE: &str = "site-images";

/// A registry with images, and an image release that they are frozen into.
struct Site {
    registry: Registry,
    directory: TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self {
            registry: Registry::start(),
            directory: tempfile::tempdir().unwrap(),
        };
        let mut new = Command::new(program("image-packager"));
        new.args(["new", RELEASE, "--dir"])
            .arg(site.directory.path());
        Outcome::of(&mut new).ok();
        site
    }

    fn release(&self) -> PathBuf {
        self.directory.path().join(RELEASE)
    }

    fn packager(&self, arguments: &[&str]) -> Outcome {
        let mut command = Command::new(program("image-packager"));
        command.args(arguments).arg("--dir").arg(self.release());
        Outcome::of(&mut command)
    }

    /// Copies an image of the set that `ci/image-set` makes into the registry; gives what a recipe calls it there.
    fn push(&self, reference: &str, name: &str) -> String {
        let set = std::env::var("CONTAINERS_TEST_IMAGE_SET")
            .expect("CONTAINERS_TEST_IMAGE_SET: the directory that `ci/image-set DIR small` made");
        let pushed = format!("{}/{name}", self.registry.address());
        skopeo(
            &format!("oci:{set}/gzip:{reference}"),
            &format!("docker://{pushed}"),
        );
        pushed
    }

    /// Puts another layer of `bytes` bytes on an image that is in the registry, under the same name.
    fn grow(&self, reference: &str, bytes: u32) {
        let layout = self.directory.path().join("grown");
        let image = format!("{}:grown", layout.display());
        let grown = self.directory.path().join("more");
        // no compressor makes it smaller
        fs::write(&grown, random(bytes)).unwrap();
        skopeo(&format!("docker://{reference}"), &format!("oci:{image}"));
        let mut insert = Command::new("umoci");
        insert
            .args(["insert", "--image", &image])
            .arg(&grown)
            .arg("/more");
        Outcome::of(&mut insert).ok();
        skopeo(&format!("oci:{image}"), &format!("docker://{reference}"));
        fs::remove_dir_all(&layout).unwrap();
    }
}

fn skopeo(from: &str, to: &str) {
    let mut copy = Command::new("skopeo");
    copy.args([
        "copy",
        "--quiet",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        from,
        to,
    ]);
    Outcome::of(&mut copy).ok();
}

fn random(bytes: u32) -> Vec<u8> {
    use std::io::Read;
    let mut random = Vec::new();
    let source = fs::File::open("/dev/urandom").unwrap();
    source
        .take(u64::from(bytes))
        .read_to_end(&mut random)
        .unwrap();
    random
}

fn layer_packages(release: &Path) -> usize {
    let packages = fs::read_dir(release.join("packages")).unwrap();
    packages
        .flatten()
        .filter(|package| {
            package
                .file_name()
                .to_string_lossy()
                .starts_with("layer-v1-")
        })
        .count()
}

/// What image-importer says of every image, as an operator would ask it.
fn import(deployment: &Deployment) -> Vec<Value> {
    let text = deployment
        .ssh("/var/vcap/packages/containers/bin/image-importer --json 2>/dev/null")
        .ok();
    let report: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    report["images"]
        .as_array()
        .cloned()
        .unwrap_or_else(|| panic!("{text}"))
}

/// A service of an image whose entrypoint wants more than a test gives it.
fn service(image: &str) -> Value {
    sleeper(json!({"image": image, "entrypoint": ["sleep"], "command": ["1000000"]}))
}

#[test]
fn a_recipe_is_frozen_by_one_command_and_runs_by_tag_and_by_digest_when_the_registry_is_gone() {
    let mut site = Site::new();
    let redis = site.push("set/redis:1", "set/redis:1");
    let postgres = site.push("set/postgres:1", "set/postgres:1");
    let index = format!("docker://{postgres}");
    let mut inspect = Command::new("skopeo");
    inspect.args([
        "inspect",
        "--tls-verify=false",
        "--format",
        "{{.Digest}}",
        &index,
    ]);
    let digest = Outcome::of(&mut inspect).ok();
    let by_digest = format!("{}@{digest}", postgres.trim_end_matches(":1"));
    let recipe = json!({"services": {"cache": service(&redis), "database": service(&by_digest)}});
    let file = site.directory.path().join("compose.yml");
    fs::write(&file, recipe.to_string()).unwrap();

    let said = site
        .packager(&["freeze", "--recipe", file.to_str().unwrap()])
        .ok();
    assert!(said.contains("bosh create-release"), "{said}");
    site.packager(&["verify"]).ok();
    assert!(layer_packages(&site.release()) > 0);
    site.registry.stop();

    let mut deployment = Deployment::new("e2e-frozen").recipe(recipe);
    deployment.colocate(RELEASE, &site.release());
    deployment.deploy_ok();

    // A second start sends nothing.
    deployment
        .ssh("truncate --size 0 /var/vcap/sys/log/docker/*.log")
        .ok();
    deployment.solo(&["restart"]).ok();
    let logs = deployment.logs();
    assert!(logs.contains("image present"), "{logs}");
    assert!(!logs.contains("image loaded"), "{logs}");
}

#[test]
fn a_changed_layer_is_all_that_an_update_moves() {
    const LAYER: u32 = 20 << 20;
    let site = Site::new();
    let redis = site.push("set/redis:1", "set/redis:1");
    let postgres = site.push("set/postgres:1", "set/postgres:1");
    site.packager(&["freeze", &redis, &postgres]).ok();
    let mut deployment = Deployment::new("e2e-grown")
        .recipe(json!({"services": {"cache": service(&redis), "database": service(&postgres)}}));
    deployment.colocate(RELEASE, &site.release());
    deployment.deploy_ok();
    let (cache, database) = (
        deployment.started_at("cache"),
        deployment.started_at("database"),
    );

    site.grow(&redis, LAYER);
    let outdated = site.packager(&["outdated"]).ok();
    assert!(outdated.contains(&redis), "{outdated}");
    let before = layer_packages(&site.release());
    site.packager(&["update"]).ok();
    assert_eq!(layer_packages(&site.release()), before + 1);
    site.packager(&["verify"]).ok();
    deployment.colocate(RELEASE, &site.release());
    deployment.deploy_ok();

    assert_ne!(deployment.started_at("cache"), cache);
    assert_eq!(deployment.started_at("database"), database);
    let logs = deployment.logs();
    let sent = logs
        .lines()
        .rfind(|line| line.contains("image loaded"))
        .and_then(|line| {
            line.split("bytes=")
                .nth(1)?
                .split_whitespace()
                .next()?
                .parse::<f64>()
                .ok()
        })
        .unwrap_or_else(|| panic!("{logs}"));
    assert!(
        sent <= 1.05 * f64::from(LAYER),
        "{sent} bytes were sent for a layer of {LAYER}"
    );
    let images = import(&deployment);
    assert!(
        images.iter().all(|image| image["action"] == "present"),
        "{images:?}"
    );
}
