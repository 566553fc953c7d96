use job_fixture::rendered;
use job_properties::JobConfig;
use serde_json::{Value, json};

use super::*;
use crate::registry_authorities;

const PEM: &str = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\n";

fn registries(upstreams: &Value, properties: &[(&str, Value)]) -> Registries {
    let mut config = rendered();
    config["links"]["registry"] = json!({
        "address": "r", "instances": [], "port": 5000, "ca": PEM, "upstreams": upstreams, "frozen": false
    });
    config["properties"]["registry_client"] =
        json!({"certificate": PEM, "private_key": KEY, "host": null});
    for (name, value) in properties {
        config["properties"][*name] = value.clone();
    }
    let daemon = JobConfig::from_value(config).unwrap().daemon().unwrap();
    daemon.registries
}

fn update_all(paths: &Paths, registries: &Registries) {
    registry_authorities::update(paths, registries).unwrap();
    update(paths, registries).unwrap();
}

/// A file without its first lines, and with `DIR` for its directory.
fn content(paths: &Paths, registry: &str) -> String {
    let dir = paths.registry_authorities();
    let text = std::fs::read_to_string(dir.join(registry).join(NAME)).unwrap();
    let rest = text.strip_prefix(FIRST_LINE).unwrap();
    let rest = rest.split_once("itself.\n").unwrap().1;
    rest.replace(dir.to_str().unwrap(), "DIR")
}

const LINKED: &str = r#"
[host."https://r:5000"]
capabilities = ["pull", "resolve"]
ca = ["DIR/r:5000/bosh-job-docker.crt"]
client = [["DIR/r:5000/bosh-job-docker.cert", "DIR/r:5000/bosh-job-docker.key"]]
"#;

#[test]
fn the_registry_is_asked_first_for_every_host_that_it_mirrors_and_the_files_go_with_the_link() {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::new(root.path());
    update_all(
        &paths,
        &registries(&json!(["docker.io", "quay.io:443"]), &[]),
    );
    assert_eq!(content(&paths, "docker.io"), LINKED);
    assert_eq!(content(&paths, "quay.io:443"), LINKED);

    update_all(&paths, &registries(&json!(["docker.io"]), &[]));
    let mut left = names(&paths.registry_authorities()).unwrap();
    left.sort();
    assert_eq!(left, ["docker.io", "r:5000"]);
    update_all(&paths, &Registries::default());
    assert_eq!(
        names(&paths.registry_authorities()).unwrap(),
        Vec::<String>::new()
    );
}

#[test]
fn what_the_file_keeps_dockerd_from_taking_from_its_own_settings_is_in_it() {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::new(root.path());
    let by_hand = paths.registry_authorities().join("quay.io");
    std::fs::create_dir_all(&by_hand).unwrap();
    for file in ["ca.crt", "client.cert", "client.key", "alone.cert"] {
        std::fs::write(by_hand.join(file), "").unwrap();
    }
    let properties = [
        ("insecure-registries", json!(["plain:1", "10.0.0.0/8"])),
        (
            "registry_mirrors",
            json!([
                "https://m.example/hub/",
                "https://10.0.0.7:5000",
                "http://n.example"
            ]),
        ),
        (
            "registries",
            json!([{"address": "m.example", "ca_cert": PEM}]),
        ),
    ];
    let upstreams = json!(["docker.io", "quay.io", "plain:1"]);
    update_all(&paths, &registries(&upstreams, &properties));
    let own = "ca = [\"DIR/quay.io/ca.crt\"]\nclient = [[\"DIR/quay.io/client.cert\", \"DIR/quay.io/client.key\"]]\n";
    assert_eq!(content(&paths, "quay.io"), format!("{own}{LINKED}"));
    let insecure = "server = \"http://plain:1\"\nskip_verify = true\n";
    assert_eq!(content(&paths, "plain:1"), format!("{insecure}{LINKED}"));
    let others = r#"
[host."https://m.example/hub"]
capabilities = ["pull", "resolve"]
ca = ["DIR/m.example/bosh-job-docker.crt"]

[host."http://10.0.0.7:5000"]
capabilities = ["pull", "resolve"]
skip_verify = true

[host."http://n.example"]
capabilities = ["pull", "resolve"]
"#;
    let of_hub = "ca = [\"DIR/docker.io/bosh-job-docker.crt\"]\n";
    assert_eq!(
        content(&paths, "docker.io"),
        format!("{of_hub}{LINKED}{others}")
    );
}

#[test]
fn a_file_by_somebody_else_stays() {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::new(root.path());
    let dir = paths.registry_authorities().join("docker.io");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join(NAME), "server = \"https://x\"\n").unwrap();
    for registries in [
        registries(&json!(["docker.io"]), &[]),
        Registries::default(),
    ] {
        update_all(&paths, &registries);
        let text = std::fs::read_to_string(dir.join(NAME)).unwrap();
        assert_eq!(text, "server = \"https://x\"\n");
    }
}
