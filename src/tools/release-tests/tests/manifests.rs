//! Every manifest and every ops file, interpolated; by bosh-solo, and by the real `bosh` too where one is on PATH.

use std::fs;
use std::process::Command;

use release_tests::{Outcome, program, repository};
use serde_yaml::Value;

const PROPERTIES: &str = "/instance_groups/name=docker/jobs/name=docker/properties";

/// An ops file, what it needs, and what it must bring about: paths and their values.
type Operation = (
    &'static str,
    &'static [&'static str],
    &'static [(&'static str, &'static str)],
);

const OPERATIONS: &[Operation] = &[
    (
        "address-pools",
        &[
            "docker_bip=10.200.0.1/24",
            "docker_address_pool=10.201.0.0/16",
        ],
        &[
            ("/bip", "10.200.0.1/24"),
            (
                "/default_address_pools",
                "[{base: 10.201.0.0/16, size: 24}]",
            ),
        ],
    ),
    (
        "bind",
        &["docker_bind=5001"],
        &[("/bind", "5001"), ("/bind_without_tls", "true")],
    ),
    ("container-proxies", &[], &[("/container_proxies", "true")]),
    (
        "dns",
        &["docker_dns_servers=[169.254.0.2]"],
        &[("/dns_servers", "[169.254.0.2]")],
    ),
    (
        "enable-tls",
        &["docker_bind=10.0.0.4:5001", "docker_names=[10.0.0.4]"],
        &[("/bind", "10.0.0.4:5001")],
    ),
    (
        "insecure-registry",
        &["insecure_registry=10.0.0.5:5000"],
        &[("/insecure-registries", "[10.0.0.5:5000]")],
    ),
    ("mtu", &["docker_mtu=1400"], &[("/mtu", "1400")]),
    (
        "persistent-disk",
        &["persistent_disk=4096"],
        &[("/../../../persistent_disk", "4096")],
    ),
    (
        "smoke-tests",
        &[],
        &[("/../../../jobs/name=smoke-tests/release", "containers")],
    ),
    (
        "refuse-volumes-without-disk",
        &[],
        &[("/volumes_without_persistent_disk", "refuse")],
    ),
    ("rollback", &[], &[("/rollback_on_failure", "true")]),
    (
        "proxy",
        &[
            "http_proxy=http://p.example:1",
            "https_proxy=http://p.example:2",
            "no_proxy=a.example",
        ],
        &[
            ("/env/http_proxy", "http://p.example:1"),
            ("/env/https_proxy", "http://p.example:2"),
            ("/env/no_proxy", "a.example"),
        ],
    ),
    (
        "registry-ca",
        &["registry_address=r.example:5000", "registry_ca_cert=PEM"],
        &[("/registries", "[{address: r.example:5000, ca_cert: PEM}]")],
    ),
    (
        "registry-client-certificate",
        &[],
        &[
            (
                "/registry_client/certificate",
                "((registry_client.certificate))",
            ),
            (
                "/registry_client/private_key",
                "((registry_client.private_key))",
            ),
        ],
    ),
    (
        "registry-login",
        &[
            "registry_address=r.example:5000",
            "registry_username=puller",
            "registry_password=secret",
        ],
        &[(
            "/registries",
            "[{address: r.example:5000, username: puller, password: secret}]",
        )],
    ),
    (
        "registry-mirror",
        &["registry_mirror=https://m.example"],
        &[("/registry_mirrors", "[https://m.example]")],
    ),
];

const REGISTRY: &str = "/instance_groups/name=registry/jobs/name=registry/properties";

/// What changes the registry of registry.yml, by the same form.
const REGISTRY_OPERATIONS: &[Operation] = &[
    (
        "registry-anonymous-pull",
        &["registry_anonymous_repositories=public"],
        &[("/anonymous", "[{repositories: public, rights: [pull]}]")],
    ),
    (
        "registry-cache",
        &["registry_cache_size=50G"],
        &[
            ("/upstreams", "[{host: docker.io}]"),
            ("/cache", "{max_size: 50G}"),
        ],
    ),
    (
        "registry-retention",
        &[
            "registry_retention_repositories=team/",
            "registry_retention_keep_tags=10",
            "registry_retention_keep_matching=[stable*]",
        ],
        &[
            (
                "/retention",
                "[{repositories: team/, keep_tags: 10, keep_matching: [stable*]}]",
            ),
            ("/collect/retention", "true"),
        ],
    ),
    (
        "registry-user",
        &["registry_user=ci", "registry_user_repositories=team"],
        &[(
            "/users/name=ci",
            "{name: ci, password: ((registry_user_password)), grants: [{repositories: team, rights: [pull, push]}]}",
        )],
    ),
];

fn files(directory: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(repository().join(directory))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// `interpolate` by bosh-solo; and by bosh, which must say the same.
fn interpolate(arguments: &[&str]) -> Value {
    let run = |program: &str| {
        Outcome::of(
            Command::new(program)
                .arg("interpolate")
                .args(arguments)
                .current_dir(repository().join("manifests")),
        )
    };
    let ours: Value =
        serde_yaml::from_str(&run(&program("bosh-solo").to_string_lossy()).ok()).unwrap();
    if Outcome::of(Command::new("sh").args(["-c", "command -v bosh"])).code == 0 {
        let theirs: Value = serde_yaml::from_str(&run("bosh").ok()).unwrap();
        assert_eq!(ours, theirs, "bosh interpolate {arguments:?}");
    }
    ours
}

fn at(document: &Value, path: &str) -> Value {
    path.split('/')
        .filter(|part| !part.is_empty())
        .fold(document.clone(), |value, part| match part.split_once('=') {
            Some((key, wanted)) => value
                .as_sequence()
                .unwrap()
                .iter()
                .find(|item| item[key].as_str() == Some(wanted))
                .unwrap()
                .clone(),
            None => value[part].clone(),
        })
}

#[test]
fn every_manifest_has_what_a_director_needs() {
    for name in files("manifests") {
        let manifest = interpolate(&[&format!("{name}.yml")]);
        assert_eq!(manifest["name"].as_str(), Some(&*name));
        for key in ["releases", "stemcells", "update", "instance_groups"] {
            assert!(
                manifest[key].is_sequence() || manifest[key].is_mapping(),
                "{name}: {key}"
            );
        }
        // the docker hosts beside a registry are there to push and pull by hand
        assert_eq!(
            at(&manifest, PROPERTIES)["recipe"].is_null(),
            name == "registry",
            "{name}: recipe"
        );
    }
}

#[test]
fn the_manifests_variables_are_all_declared() {
    for name in files("manifests") {
        let store = tempfile::tempdir().unwrap();
        let store = store.path().join("vars.yml");
        let manifest = Outcome::of(
            Command::new(program("bosh-solo"))
                .args([
                    "interpolate",
                    &format!("{name}.yml"),
                    "--var-errs",
                    "--vars-store",
                ])
                .arg(&store)
                .current_dir(repository().join("manifests")),
        );
        assert!(!manifest.ok().contains("(("), "{name}");
    }
}

#[test]
fn every_ops_file_does_what_it_says_to_every_manifest() {
    let all = OPERATIONS.iter().chain(REGISTRY_OPERATIONS);
    let mut tested: Vec<&str> = all.map(|(name, ..)| *name).collect();
    tested.sort_unstable();
    assert_eq!(
        files("manifests/operations"),
        tested,
        "an ops file without a test, or a test without its file"
    );
    for name in files("manifests") {
        for operation in OPERATIONS {
            assert_does(&name, operation, PROPERTIES);
        }
    }
    for operation in REGISTRY_OPERATIONS {
        assert_does("registry", operation, REGISTRY);
    }
}

/// An ops file does to a manifest's job with these properties what it says.
fn assert_does(name: &str, (operation, variables, wanted): &Operation, properties: &str) {
    let mut arguments = vec![
        format!("{name}.yml"),
        "-o".to_owned(),
        format!("operations/{operation}.yml"),
    ];
    arguments.extend(
        variables
            .iter()
            .flat_map(|variable| ["-v".to_owned(), (*variable).to_owned()]),
    );
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let manifest = interpolate(&arguments);
    for (path, value) in *wanted {
        let found = match path.strip_prefix("/../../..") {
            Some(path) => at(&at(&manifest, "/instance_groups/name=docker"), path),
            None => at(&at(&manifest, properties), path),
        };
        assert_eq!(
            found,
            serde_yaml::from_str::<Value>(value).unwrap(),
            "{name} with {operation}: {path}"
        );
    }
}

#[test]
fn the_registry_s_certificate_is_for_the_name_by_which_docker_hosts_know_it() {
    let manifest = interpolate(&["registry.yml"]);
    let names = &at(&manifest, "/variables/name=registry_tls/options")["alternative_names"];
    let names = names.as_sequence().unwrap();
    let alias = &at(&manifest, REGISTRY.trim_end_matches("/properties"))["provides"]["registry"]["aliases"]
        [0];
    let host = &at(&manifest, PROPERTIES)["registry_client"]["host"];
    assert_eq!(&alias["domain"], host);
    assert!(names.contains(host), "{names:?}");
    // what the link calls it where no name is given
    let name = manifest["name"].as_str().unwrap();
    let by_link = Value::from(format!("q-s0.registry.default.{name}.bosh"));
    assert!(names.contains(&by_link), "{names:?}");
    let client = at(&manifest, "/variables/name=registry_client/options");
    let login = at(&manifest, &format!("{REGISTRY}/users/name=docker"));
    assert_eq!(client["alternative_names"][0], login["certificate"]);
}

#[test]
fn the_topologies_are_those_of_upstream() {
    let services = |name: &str, operations: &[&str]| -> Vec<String> {
        let manifest = interpolate(&[&[name][..], operations].concat());
        let services = at(&manifest, PROPERTIES)["recipe"]["services"].clone();
        let keys = services.as_mapping().unwrap().keys();
        keys.map(|key| key.as_str().unwrap().to_owned()).collect()
    };
    for (name, wanted) in [
        ("shield", &["agent", "core", "demo", "vault", "webdav"][..]),
        (
            "anchore",
            &[
                "analyzer",
                "api",
                "catalog",
                "db",
                "policy-engine",
                "simplequeue",
            ],
        ),
    ] {
        let manifest = format!("{name}.yml");
        let on_debian = format!("../ci/fixtures/operations/{name}.yml");
        assert_eq!(services(&manifest, &[]), wanted);
        assert_eq!(services(&manifest, &["-o", &on_debian]), wanted);
    }
}

#[test]
fn the_client_certificate_is_signed_by_the_registrys_authority_for_a_name_that_is_a_login() {
    let manifest = interpolate(&[
        "vault.yml",
        "-o",
        "operations/registry-client-certificate.yml",
    ]);
    let options = |name: &str| at(&manifest, &format!("/variables/name={name}/options"));
    assert_eq!(options("registry_ca")["is_ca"], Value::Bool(true));
    let client = options("registry_client");
    let wanted = "{ca: registry_ca, common_name: docker.internal, alternative_names: [docker.internal], extended_key_usage: [client_auth]}";
    assert_eq!(client, serde_yaml::from_str::<Value>(wanted).unwrap());
}

#[test]
fn enable_tls_has_a_ca_a_server_and_a_client() {
    let manifest = interpolate(&[
        "vault.yml",
        "-o",
        "operations/enable-tls.yml",
        "-v",
        "docker_bind=1",
        "-v",
        "docker_names=[a]",
    ]);
    let variable = |name: &str| at(&manifest, &format!("/variables/name={name}/options"));
    assert_eq!(variable("docker_ca")["is_ca"], Value::Bool(true));
    assert_eq!(
        variable("docker_tls")["extended_key_usage"][0].as_str(),
        Some("server_auth")
    );
    assert_eq!(
        variable("docker_client_tls")["extended_key_usage"][0].as_str(),
        Some("client_auth")
    );
    let properties = at(&manifest, PROPERTIES);
    assert_eq!(properties["tls_cacert"].as_str(), Some("((docker_tls.ca))"));
}
