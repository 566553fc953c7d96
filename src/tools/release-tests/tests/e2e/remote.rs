//! Docker over TCP: mutual TLS, or a waiver that somebody has written down.

use std::path::Path;

use release_tests::{Deployment, repository};

use crate::sleepers;

/// The client's options once it has its certificate.
pub const TLS: &str = "--tlsverify --tlscacert /root/tls/ca.pem --tlscert /root/tls/cert.pem --tlskey /root/tls/key.pem";

/// A part of a certificate in a store of variables.
fn pem(store: &Path, variable: &str, part: &str) -> String {
    let variables: serde_yaml::Value =
        serde_yaml::from_str(&std::fs::read_to_string(store).unwrap()).unwrap();
    variables[variable][part]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Puts the certificate that `enable-tls.yml` has made for clients on the instance.
pub fn hand_over_client_certificate(deployment: &Deployment, store: &Path) {
    for (name, variable, part) in [
        ("ca", "docker_ca", "certificate"),
        ("cert", "docker_client_tls", "certificate"),
        ("key", "docker_client_tls", "private_key"),
    ] {
        let text = pem(store, variable, part);
        let write = format!(
            "mkdir -p -m 0700 /root/tls && cat > /root/tls/{name}.pem <<'PEM'\n{text}\nPEM"
        );
        deployment.ssh(&write).ok();
    }
}

#[test]
fn remote_docker_needs_a_client_certificate() {
    let mut deployment = Deployment::new("e2e-tls").recipe(sleepers(&["web"]));
    let store = repository().join("tmp/manifests/e2e-tls-vars.yml");
    let ops = repository().join("manifests/operations/enable-tls.yml");
    let (store_path, ops_path) = (store.to_string_lossy(), ops.to_string_lossy());
    deployment.arguments(&[
        "-o",
        &ops_path,
        "-v",
        "docker_bind=5001",
        "-v",
        "docker_names=[127.0.0.1]",
        "--vars-store",
        &store_path,
    ]);
    deployment.deploy_ok();
    hand_over_client_certificate(&deployment, &store);
    let pem = |variable: &str, part: &str| pem(&store, variable, part);
    let remote = |options: &str, command: &str| {
        deployment.ssh(&format!(
            "unset DOCKER_HOST; /var/vcap/packages/docker/bin/docker -H tcp://127.0.0.1:5001 {options} {command}"
        ))
    };
    assert_eq!(
        remote(TLS, "ps --format '{{.Names}}'").ok(),
        "running-web-1"
    );
    assert_eq!(remote(TLS, "exec running-web-1 echo hello").ok(), "hello");
    assert_ne!(
        remote("--tlsverify --tlscacert /root/tls/ca.pem", "ps").code,
        0,
        "without a client certificate"
    );
    assert_ne!(remote("", "ps").code, 0, "without TLS");
    let key_line = pem("docker_tls", "private_key")
        .lines()
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    let grep = deployment.ssh(&format!(
        "grep -rlF '{key_line}' /var/vcap/sys/log; ps axww | grep -F '{key_line}' | grep -v grep"
    ));
    assert_eq!(
        grep.stdout.trim(),
        "",
        "the key is in a log or in the process list"
    );
    assert_eq!(
        deployment
            .ssh("find /var/vcap/data/docker/tls -type f -printf '%m\\n'")
            .ok()
            .lines()
            .filter(|&mode| mode != "600")
            .count(),
        0
    );

    // the waiver
    let ops = repository().join("manifests/operations/bind.yml");
    deployment.arguments(&["-o", &ops.to_string_lossy(), "-v", "docker_bind=5001"]);
    let before = deployment.started_at("web");
    deployment.deploy_ok();
    let plain = deployment.ssh(
        "/var/vcap/packages/docker/bin/docker -H tcp://127.0.0.1:5001 ps --format '{{.Names}}'",
    );
    assert_eq!(plain.ok(), "running-web-1");
    assert_eq!(
        deployment.started_at("web"),
        before,
        "a new daemon setting leaves the containers alone"
    );
}
