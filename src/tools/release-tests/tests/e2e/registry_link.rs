//! The site's own registry beside a docker VM that knows it by the BOSH link: the VM pushes to it and pulls from it, and from Docker Hub
//! through it, with a client certificate that BOSH made, on either image store, and nothing but the manifest says how.

use release_tests::{Deployment, repository};
use serde_json::{Value, json};

use crate::sleeper;

const NAME: &str = "e2e-registry-link";
const CERTIFICATES: &str = "/etc/docker/certs.d";

/// Job `registry` with an image of Docker Hub's that a release brought, and the authority and certificate that it needs.
fn registry() -> (Value, Vec<Value>) {
    let grants = json!([{"rights": ["pull"]}, {"repositories": "team", "rights": ["push"]}]);
    let jobs = json!([{"name": "registry", "release": "containers", "properties": {
        "tls": {
            "certificate": "((registry_tls.certificate))", "private_key": "((registry_tls.private_key))",
            "ca": "((registry_tls.ca))", "client_ca": "((registry_ca.certificate))",
        },
        "users": [{"name": "docker", "certificate": "docker.internal", "grants": grants}],
    }}, {"name": "busybox-image", "release": "fixture-images"}]);
    let names = [format!("q-s0.registry.default.{NAME}.bosh")];
    let variables = vec![
        json!({"name": "registry_ca", "type": "certificate", "options": {"is_ca": true, "common_name": "registry-ca"}}),
        json!({"name": "registry_tls", "type": "certificate", "options": {
            "ca": "registry_ca", "common_name": "registry", "alternative_names": names,
            "extended_key_usage": ["server_auth"],
        }}),
    ];
    (jobs, variables)
}

fn assert_running(deployment: &Deployment) {
    for service in ["app", "hub"] {
        assert_eq!(deployment.containers(service).len(), 1, "{service}");
    }
}

#[test]
fn a_docker_vm_pulls_from_the_registry_of_the_link_with_the_certificate_that_bosh_gave_it() {
    let first = std::env::var("CONTAINERS_TEST_IMAGE_STORE").unwrap_or("graphdriver".to_owned());
    let second = if first == "graphdriver" {
        "containerd"
    } else {
        "graphdriver"
    };
    let (jobs, variables) = registry();
    let mut deployment = Deployment::new(NAME)
        .property("image_store", json!(first))
        .images(&[])
        .after("registry", jobs, variables);
    let operations = repository().join("manifests/operations/registry-client-certificate.yml");
    deployment.arguments(&["--ops-file", &operations.to_string_lossy()]);
    deployment.deploy_ok();
    let registry = format!("q-s0.registry.default.{NAME}.bosh:5000");
    let image = format!("{registry}/team/app:1");
    // there is no way to Docker Hub from here
    deployment.docker("pull fixture/busybox:1").ok();
    for line in ["tag fixture/busybox:1", "push", "rmi fixture/busybox:1"] {
        deployment.docker(&format!("{line} {image}")).ok();
    }

    deployment.set(
        "recipe",
        json!({"services": {
            "app": sleeper(json!({"image": image})),
            "hub": sleeper(json!({"image": "fixture/busybox:1"})),
        }}),
    );
    deployment.deploy_ok();
    assert_running(&deployment);
    let key = format!("{CERTIFICATES}/{registry}/bosh-job-docker.key");
    let mode = deployment.ssh(&format!("stat --format '%a %U' {key}"));
    assert_eq!(mode.ok(), "600 root");

    let version = deployment
        .docker("version --format '{{.Server.Version}}'")
        .ok();
    // 20.10 has one image store
    if !version.starts_with("20.") {
        deployment.set("image_store", json!(second));
        deployment.deploy_ok();
        assert_running(&deployment);
    }

    // without the certificate the registry lets nobody in; the authority stays
    deployment
        .ssh(&format!(
            "rm {CERTIFICATES}/{registry}/bosh-job-docker.cert {key}"
        ))
        .ok();
    let refused = deployment.docker(&format!("pull {image}"));
    assert!(refused.code != 0, "{}", refused.text());
}
