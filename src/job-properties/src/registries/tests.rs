use serde_json::json;

use super::super::tests::with;
use super::*;

const PEM: &str = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";
const OTHER: &str = "-----BEGIN CERTIFICATE-----\nREVG\n-----END CERTIFICATE-----\n";

fn parsed(properties: &[(&str, Value)]) -> Registries {
    with(properties).daemon().unwrap().registries
}

fn refused(properties: &[(&str, Value)]) -> Problems {
    with(properties).daemon().unwrap_err()
}

fn named(problems: &Problems) -> Vec<&str> {
    problems
        .iter()
        .map(|problem| problem.property.as_str())
        .collect()
}

fn insecure_names(registries: &Registries) -> Vec<&str> {
    let insecure = registries.insecure().iter();
    insecure.map(InsecureRegistry::as_str).collect()
}

#[test]
fn takes_hosts_ports_and_networks_as_insecure_registries() {
    let all = [
        "registry",
        "registry.local:5000",
        "10.0.0.4:5000",
        "10.0.0.0/8",
        "[fd00::4]:5000",
        "[fd00::4]",
        "fd00::/8",
    ];
    let hyphen = parsed(&[("insecure-registries", json!(all))]);
    assert_eq!(insecure_names(&hyphen), all);
    let both = parsed(&[
        ("insecure-registries", json!(["a:1", "b:1"])),
        ("insecure_registries", json!(["b:1", "c:1"])),
        (
            "registries",
            json!([{"address": "d:1", "insecure": true}, {"address": "a:1", "insecure": true}]),
        ),
    ]);
    assert_eq!(insecure_names(&both), ["a:1", "b:1", "c:1", "d:1"]);
}

#[test]
fn refuses_other_registries_by_position_without_showing_them() {
    let bad = [
        "",
        "http://r",
        "u:hunter2@r",
        "r:0",
        "r:x",
        "a b",
        "10.0.0.0/33",
        "r/x",
        "[fd00::4",
        "fd00::4",
    ];
    let problems = refused(&[("insecure-registries", json!(bad))]);
    let expected: Vec<_> = (0..bad.len())
        .map(|position| format!("insecure-registries[{position}]"))
        .collect();
    assert_eq!(named(&problems), expected);
    assert!(!problems.to_string().contains("hunter2"));
}

#[test]
fn entries_for_one_registry_add_up() {
    let registries = parsed(&[
        (
            "registries",
            json!([
                {"address": "r.example:5000", "username": "u", "password": "hunter2"},
                {"address": "r.example:5000", "ca_cert": PEM},
                {"address": "r.example:5000", "ca_cert": OTHER, "username": "u", "password": "hunter2"},
                {"address": "index.docker.io", "username": "hub", "password": "hunter2", "ca_cert": ""},
            ]),
        ),
        (
            "registry_ca_cert",
            json!([{"domain_name": " s.example\n", "ca_cert": PEM}]),
        ),
    ]);
    let logins: Vec<_> = registries
        .logins()
        .map(|(address, login)| (address.login_key(), login.username.as_str()))
        .collect();
    assert_eq!(
        logins,
        [
            ("https://index.docker.io/v1/", "hub"),
            ("r.example:5000", "u")
        ]
    );
    let authorities = registries.authorities();
    assert_eq!(authorities["r.example:5000"], format!("{PEM}{OTHER}"));
    assert_eq!(authorities["s.example"], PEM);
    assert_eq!(authorities.len(), 2);
    assert!(!format!("{registries:?}").contains("hunter2"));
}

#[test]
fn the_authority_of_a_mirror_is_found_under_docker_hubs_name_too() {
    let registries = parsed(&[
        (
            "registry_mirrors",
            json!(["https://m.example:5000", "http://n.example/hub"]),
        ),
        (
            "registries",
            json!([{"address": "m.example:5000", "ca_cert": PEM}]),
        ),
    ]);
    assert_eq!(
        registries.mirrors(),
        ["https://m.example:5000", "http://n.example/hub"]
    );
    let names: Vec<_> = registries.authorities().into_keys().collect();
    assert_eq!(names, ["docker.io", "m.example:5000"]);
    let hub = parsed(&[(
        "registries",
        json!([{"address": "docker.io", "ca_cert": PEM}]),
    )]);
    let names: Vec<_> = hub.authorities().into_keys().collect();
    assert_eq!(names, ["docker.io", "registry-1.docker.io"]);
}

#[test]
fn refuses_what_makes_no_sense_by_name_without_showing_it() {
    for (property, value, wanted) in [
        ("registries", json!("hunter2"), "registries"),
        ("registries", json!(["hunter2"]), "registries[0]"),
        (
            "registries",
            json!([{"username": "u", "password": "hunter2"}]),
            "registries[0].address",
        ),
        (
            "registries",
            json!([{"address": "https://u:hunter2@r"}]),
            "registries[0].address",
        ),
        (
            "registries",
            json!([{"address": "r", "pass": "hunter2"}]),
            "registries[0].pass",
        ),
        (
            "registries",
            json!([{"address": "r", "password": "hunter2"}]),
            "registries[0].username",
        ),
        (
            "registries",
            json!([{"address": "r", "username": "hunter2"}]),
            "registries[0].password",
        ),
        (
            "registries",
            json!([{"address": "r", "username": "u", "password": 7}]),
            "registries[0].password",
        ),
        (
            "registries",
            json!([{"address": "r", "username": "u:hunter2", "password": "x"}]),
            "registries[0].username",
        ),
        (
            "registries",
            json!([{"address": "r", "insecure": "hunter2"}]),
            "registries[0].insecure",
        ),
        (
            "registries",
            json!([{"address": "docker.io", "insecure": true}]),
            "registries[0].insecure",
        ),
        (
            "registries",
            json!([{"address": "r", "ca_cert": "hunter2"}]),
            "registries[0].ca_cert",
        ),
        (
            "registries",
            json!([{"address": "r", "ca_cert": PEM, "insecure": true}]),
            "registries",
        ),
        (
            "registries",
            json!([{"address": "r", "username": "u", "password": "hunter2"}, {"address": "r", "username": "u", "password": "x"}]),
            "registries[1]",
        ),
        (
            "registry_ca_cert",
            json!([{"domain_name": "r"}]),
            "registry_ca_cert[0].ca_cert",
        ),
        (
            "registry_ca_cert",
            json!([{"ca_cert": PEM}]),
            "registry_ca_cert[0].domain_name",
        ),
        ("registry_mirrors", json!("hunter2"), "registry_mirrors"),
        (
            "registry_mirrors",
            json!(["hunter2"]),
            "registry_mirrors[0]",
        ),
        (
            "registry_mirrors",
            json!(["https://u:hunter2@m"]),
            "registry_mirrors[0]",
        ),
    ] {
        let problems = refused(&[(property, value.clone())]);
        assert_eq!(named(&problems), [wanted], "{value}");
        assert!(
            !format!("{problems:?}{problems}").contains("hunter2"),
            "{problems}"
        );
    }
}
