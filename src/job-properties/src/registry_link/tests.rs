use job_fixture::rendered;
use serde_json::json;

use super::*;
use crate::{Daemon, JobConfig};

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";
const OTHER: &str = "-----BEGIN CERTIFICATE-----\nREVG\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\n";
const NAME: &str = "q-s0.registry.default.site.bosh";

fn link() -> Value {
    json!({
        "address": NAME, "instances": ["10.0.0.5"], "port": 5000, "ca": CERTIFICATE,
        "upstreams": ["docker.io", "quay.io"], "frozen": null,
    })
}

/// The link, changed, and properties.
fn daemon(link: &Value, properties: &[(&str, Value)]) -> Result<Daemon, Problems> {
    let mut config = rendered();
    config["links"]["registry"] = link.clone();
    for (name, value) in properties {
        match name.split_once('.') {
            Some((map, name)) => config["properties"][map][name] = value.clone(),
            None => config["properties"][*name] = value.clone(),
        }
    }
    JobConfig::from_value(config).unwrap().daemon()
}

fn with(field: &str, value: &Value) -> Value {
    let mut link = link();
    link[field] = value.clone();
    link
}

fn addresses(registry: &LinkedRegistry) -> Vec<String> {
    let addresses = registry.addresses().into_iter();
    addresses
        .map(|address| address.as_str().to_owned())
        .collect()
}

#[test]
fn the_registry_is_known_by_its_name_its_addresses_and_a_name_of_the_site() {
    let found = daemon(&link(), &[]).unwrap().registries;
    let registry = found.linked().unwrap();
    assert_eq!(registry.url(), format!("https://{NAME}:5000"));
    assert_eq!(
        addresses(registry),
        [&format!("{NAME}:5000"), "10.0.0.5:5000"]
    );
    let mirrored: Vec<_> = registry
        .mirrored()
        .iter()
        .map(RegistryAddress::as_str)
        .collect();
    assert_eq!(mirrored, ["docker.io", "quay.io"]);
    assert_eq!(registry.client(), None);

    let name = [("registry_client.host", json!("registry.internal"))];
    let https = with("port", &json!(443));
    let found = daemon(&https, &name).unwrap().registries;
    let registry = found.linked().unwrap();
    assert_eq!(registry.url(), "https://registry.internal:443");
    let wanted = [
        "registry.internal:443",
        &format!("{NAME}:443"),
        "10.0.0.5:443",
        "registry.internal",
        NAME,
        "10.0.0.5",
    ];
    assert_eq!(addresses(registry), wanted);

    let ipv6 = with("address", &json!("fd00::5"));
    let found = daemon(&ipv6, &[]).unwrap().registries;
    assert_eq!(found.linked().unwrap().url(), "https://[fd00::5]:5000");
    assert_eq!(addresses(found.linked().unwrap())[0], "[fd00::5]:5000");
}

#[test]
fn its_authority_and_the_client_certificate_are_where_dockerd_looks_for_each_of_its_names() {
    let properties = [
        ("registry_client.certificate", json!(CERTIFICATE)),
        ("registry_client.private_key", json!(KEY)),
        (
            "registries",
            json!([{"address": "10.0.0.5:5000", "ca_cert": OTHER}]),
        ),
    ];
    let found = daemon(&link(), &properties).unwrap().registries;
    let authorities = found.authorities();
    assert_eq!(authorities[&format!("{NAME}:5000")], CERTIFICATE);
    assert_eq!(
        authorities["10.0.0.5:5000"],
        format!("{CERTIFICATE}{OTHER}")
    );
    assert_eq!(authorities.len(), 2);
    let clients = found.client_certificates();
    assert_eq!(clients.len(), 2);
    assert_eq!(clients[&format!("{NAME}:5000")].private_key.reveal(), KEY);
    // one whose certificate the stemcell vouches for
    let found = daemon(&with("ca", &Value::Null), &[]).unwrap().registries;
    assert!(found.authorities().is_empty() && found.client_certificates().is_empty());
}

#[test]
fn it_is_a_mirror_of_docker_hub_if_it_caches_it_or_has_frozen_images_and_is_asked_first() {
    let own = [("registry_mirrors", json!(["https://m.example"]))];
    let ours = format!("https://{NAME}:5000");
    let hub = daemon(&link(), &own).unwrap().registries;
    assert_eq!(hub.mirrors(), [&ours, "https://m.example"]);
    let mirrored = hub.mirrored();
    let quay = &mirrored[&RegistryAddress::parse("quay.io").unwrap()];
    assert_eq!(
        quay.iter().map(|mirror| &mirror.url).collect::<Vec<_>>(),
        [&ours]
    );

    let mut quay = with("upstreams", &json!(["quay.io"]));
    let frozen = daemon(&quay, &[]).unwrap().registries;
    assert_eq!(frozen.mirrors(), [ours.as_str()]);
    quay["frozen"] = json!(false);
    let quay = daemon(&quay, &own).unwrap().registries;
    assert_eq!(quay.mirrors(), ["https://m.example"]);
    // one that was set by hand before
    let by_hand = [("registry_mirrors", json!([ours]))];
    let once = daemon(&link(), &by_hand).unwrap().registries;
    assert_eq!(once.mirrors(), [ours]);
}

#[test]
fn it_is_reached_without_a_proxy() {
    let proxy = [("env.https_proxy", json!("http://p.example:1"))];
    let found = daemon(&link(), &proxy).unwrap().proxies;
    assert!(
        found.direct.ends_with(&format!(",{NAME},10.0.0.5")),
        "{found:?}"
    );
}

#[test]
fn refuses_what_the_link_cannot_mean_by_name() {
    for (field, value, wanted) in [
        ("address", json!(null), "address of link `registry`"),
        ("address", json!("r:5000"), "address of link `registry`"),
        (
            "instances",
            json!(["../x"]),
            "instances of link `registry`[0]",
        ),
        ("port", json!(null), "port of link `registry`"),
        ("port", json!("hunter2"), "port of link `registry`"),
        ("port", json!(0), "port of link `registry`"),
        ("ca", json!("hunter2"), "tls.ca of link `registry`"),
        (
            "upstreams",
            json!("docker.io"),
            "upstreams of link `registry`",
        ),
        (
            "upstreams",
            json!([null]),
            "upstreams of link `registry`[0]",
        ),
        (
            "upstreams",
            json!(["https://u:hunter2@r"]),
            "upstreams of link `registry`[0]",
        ),
        (
            "upstreams",
            json!(["10.0.0.5:5000"]),
            "upstreams of link `registry`",
        ),
        ("frozen", json!("yes"), "frozen of link `registry`"),
    ] {
        let problems = daemon(&with(field, &value), &[]).unwrap_err();
        let named: Vec<_> = problems.iter().map(|problem| &*problem.property).collect();
        assert_eq!(named, [wanted], "{value}");
        assert!(
            !format!("{problems:?}{problems}").contains("hunter2"),
            "{problems}"
        );
    }
}

#[test]
fn refuses_properties_that_do_not_go_with_the_link_or_with_each_other() {
    let pair = [
        ("registry_client.certificate", json!(CERTIFICATE)),
        ("registry_client.private_key", json!(KEY)),
    ];
    let network = json!(["10.0.0.0/8"]);
    for (link, properties, wanted) in [
        (link(), &pair[..1], "registry_client.private_key"),
        (link(), &pair[1..], "registry_client.certificate"),
        (
            link(),
            &[
                ("registry_client.certificate", json!("hunter2")),
                pair[1].clone(),
            ],
            "registry_client.certificate",
        ),
        (
            link(),
            &[
                pair[0].clone(),
                ("registry_client.private_key", json!("hunter2")),
            ],
            "registry_client.private_key",
        ),
        (
            link(),
            &[("registry_client.host", json!("r:5000"))],
            "registry_client.host",
        ),
        (
            link(),
            &[("insecure-registries", network)],
            "insecure-registries",
        ),
        (
            Value::Null,
            &[("registry_client.host", json!("r"))],
            "registry_client.host",
        ),
    ] {
        let problems = daemon(&link, properties).unwrap_err();
        let named: Vec<_> = problems.iter().map(|problem| &*problem.property).collect();
        assert_eq!(named, [wanted]);
        assert!(
            !format!("{problems:?}{problems}").contains("hunter2"),
            "{problems}"
        );
    }
    assert_eq!(daemon(&Value::Null, &pair).unwrap_err().iter().count(), 2);
}
