//! Addresses, MTU and names through deploys; dnsmasq plays BOSH DNS on the instance.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use release_tests::{Deployment, wait_until};
use serde_json::json;

use crate::sleeper;

const NAME: &str = "q-s0.web.default.dep.bosh";

/// This machine's dnsmasq in the instance's network, until it is dropped.
struct BoshDns(Child);

impl BoshDns {
    fn start(deployment: &Deployment) -> Self {
        let namespace = deployment
            .ssh("ip address replace 169.254.0.2/32 dev lo && readlink /proc/self/ns/net")
            .ok();
        let inside = std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .map(|process| process.path().join("ns/net"))
            .find(|link| std::fs::read_link(link).is_ok_and(|to| to.to_str() == Some(&namespace)))
            .unwrap();
        let child = Command::new("nsenter")
            .arg(format!("--net={}", inside.display()))
            .args([
                "--",
                "dnsmasq",
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--pid-file",
            ])
            .args([
                "--user=root",
                "--no-resolv",
                "--no-hosts",
                "--bind-interfaces",
                "--listen-address=169.254.0.2",
            ])
            .arg(format!("--address=/{NAME}/10.9.8.7"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for BoshDns {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn addresses_mtu_and_resolvers_reach_containers_and_an_overlap_changes_nothing() {
    let mut deployment = Deployment::new("e2e-networks")
        .recipe(json!({
            "services": {
                "web": sleeper(json!({})),
                "inner": sleeper(json!({"networks": ["back"]})),
                "host": sleeper(json!({"network_mode": "host"})),
                "bridge": sleeper(json!({"network_mode": "bridge"})),
            },
            "networks": {"back": {"internal": true}},
        }))
        .property("bip", json!("10.200.0.1/24"))
        .property(
            "default_address_pools",
            json!([{"base": "10.201.0.0/16", "size": 24}]),
        )
        .property("mtu", json!(1400))
        .property("dns_servers", json!(["169.254.0.2"]));
    deployment.deploy_ok();
    let services = ["web", "inner", "host", "bridge"];
    let exec = |deployment: &Deployment, service: &str, command: &str| {
        deployment.docker(&format!("exec running-{service}-1 busybox {command}"))
    };
    let dns = BoshDns::start(&deployment);
    for service in services {
        let mut said = String::new();
        wait_until("the name resolves", Duration::from_secs(30), || {
            said = exec(&deployment, service, &format!("nslookup -type=a {NAME}")).text();
            said.contains("10.9.8.7")
        });
    }
    let address = |deployment: &Deployment, service: &str| {
        exec(deployment, service, "ip address show eth0").ok()
    };
    for (service, network) in [
        ("web", "10.201."),
        ("inner", "10.201."),
        ("bridge", "10.200.0."),
    ] {
        let shown = address(&deployment, service);
        assert!(
            shown.contains(network) && shown.contains("mtu 1400"),
            "{service}: {shown}"
        );
    }

    deployment.set("mtu", json!(1300));
    deployment.deploy_ok();
    for service in ["web", "inner", "bridge"] {
        let shown = address(&deployment, service);
        assert!(shown.contains("mtu 1300"), "{service}: {shown}");
    }
    let inner = exec(&deployment, "inner", &format!("nslookup -type=a {NAME}"));
    assert!(inner.text().contains("10.9.8.7"), "{}", deployment.logs());

    let before = services.map(|service| deployment.started_at(service));
    let own = deployment
        .ssh("ip -4 -oneline address show eth0 | awk '{print $4}'")
        .ok();
    let bip = own.replace(".2/", ".77/");
    deployment.set("bip", json!(bip));
    let outcome = deployment.deploy();
    let expected =
        format!("property `bip`: is {bip}, which overlaps {own}, an address on eth0 of the VM");
    assert!(
        outcome.code != 0 && outcome.text().contains(&expected),
        "{expected}: {}",
        outcome.text()
    );
    assert_eq!(
        services.map(|service| deployment.started_at(service)),
        before
    );
    drop(dns);
}
