//! The recipe's networks, with a real dockerd and a real Compose: subnets, MTU, names.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    recipes::{sleeper, with, words},
    vm::{Vm, signal, until},
};

const NAME: &str = "q-s0.web.default.dep.bosh";

fn subnet(subnet: &str) -> Value {
    json!({"ipam": {"config": [{"subnet": subnet}]}})
}

#[test]
fn a_subnet_that_somebody_has_is_refused_before_anything_is_touched() {
    let vm = Vm::start();
    vm.sh(
        "ip link add eth9 type veth peer name eth8 && ip link set eth9 up && ip link set eth8 up \
        && ip address add 10.50.0.2/24 dev eth9 && ip address add fd50::2/64 dev eth9 nodad \
        && ip route add 10.70.0.0/16 via 10.50.0.1 table 100",
    );
    vm.docker(&["network", "create", "--subnet", "10.7.0.0/16", "theirs"]);
    let recipe = |back: Value| json!({"services": {"web": with(sleeper(), &json!({"networks": ["back"]}))}, "networks": {"back": back}});
    let good = recipe(subnet("10.5.0.0/16"));
    assert_eq!(vm.deploy(&good, &json!({}))["state"], "up");
    let started = vm.started_at("running-web-1");
    for (back, overlap) in [
        (
            subnet("10.50.0.128/25"),
            "10.50.0.128/25, which overlaps 10.50.0.2/24, an address on eth9 of the VM",
        ),
        (
            subnet("10.64.0.0/10"),
            "10.64.0.0/10, which overlaps 10.70.0.0/16, a route via 10.50.0.1 on eth9 in table 100 of the VM",
        ),
        (
            subnet("fd50::/56"),
            "fd50::/56, which overlaps fd50::2/64, an address on eth9 of the VM",
        ),
        (
            subnet("10.7.3.0/24"),
            "10.7.3.0/24, which overlaps 10.7.0.0/16, the subnet of docker network theirs",
        ),
    ] {
        let verdict = vm.deploy(&recipe(back), &json!({}));
        assert_eq!(
            (&verdict["state"], &verdict["exit_code"]),
            (&json!("failed"), &json!(2)),
            "{verdict:#}"
        );
        let expected = format!("network back of the recipe has subnet {overlap}");
        assert!(
            words(&verdict).contains(&expected),
            "{expected}: {verdict:#}"
        );
        assert_eq!(vm.started_at("running-web-1"), started);
    }
    // its own network is in nobody's way, and one that it no longer has makes room
    assert_eq!(vm.deploy(&good, &json!({}))["state"], "up");
    assert_eq!(vm.started_at("running-web-1"), started);
    let renamed = json!({"services": {"web": with(sleeper(), &json!({"networks": ["other"]}))}, "networks": {"other": subnet("10.5.0.0/16")}});
    let verdict = vm.deploy(&renamed, &json!({}));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    let moved = json!({"services": {"web": with(sleeper(), &json!({"networks": ["other"]}))}, "networks": {"other": subnet("10.6.0.0/16")}});
    assert_eq!(vm.deploy(&moved, &json!({}))["state"], "up", "{}", vm.log());
    assert!(
        vm.exec("running-web-1", &["busybox", "ip", "address"])
            .contains("10.6.0."),
        "{}",
        vm.log()
    );
}

#[test]
fn networks_get_the_mtu_and_are_made_anew_only_when_it_changes() {
    let vm = Vm::start();
    let recipe = json!({
        "services": {
            "web": with(sleeper(), &json!({"volumes": ["/data"], "depends_on": ["back"]})),
            "back": with(sleeper(), &json!({"networks": ["back"]})),
            "own": with(sleeper(), &json!({"networks": ["own"]})),
            "shared": with(sleeper(), &json!({"network_mode": "service:back"})),
        },
        "networks": {"back": {"internal": true}, "own": {"driver_opts": {"com.docker.network.driver.mtu": "1300"}}},
    });
    let services = ["web", "back", "own"];
    let deploy = |settings: &Value| {
        vm.daemon_json(settings);
        let verdict = vm.deploy(&recipe, &json!({}));
        assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
        services.map(|service| vm.started_at(&format!("running-{service}-1")))
    };
    let mtus = || {
        ["web", "back", "own", "shared"].map(|service| {
            let link = vm.exec(
                &format!("running-{service}-1"),
                &["busybox", "ip", "link", "show", "eth0"],
            );
            let mtu = link
                .split(" mtu ")
                .nth(1)
                .and_then(|rest| rest.split(' ').next());
            mtu.unwrap_or_default().to_owned()
        })
    };
    let first = deploy(&json!({}));
    assert_eq!(mtus(), ["1500", "1500", "1300", "1500"]);
    vm.exec("running-web-1", &["touch", "/data/kept"]);
    let second = deploy(&json!({"mtu": 1400}));
    assert_eq!(mtus(), ["1400", "1400", "1300", "1400"]);
    assert!(first[0] != second[0] && first[1] != second[1] && first[2] == second[2]);
    assert_eq!(deploy(&json!({"mtu": 1400})), second, "nothing changed");
    let bridge = vm.docker(&[
        "network",
        "inspect",
        "--format",
        "{{.Id}}",
        "running_default",
    ]);
    let bridge = String::from_utf8(bridge.stdout).unwrap();
    let link = vm.sh(&format!("ip link show br-{}", &bridge[..12]));
    assert!(link.contains("mtu 1400"), "{link}");

    vm.docker(&[
        "run",
        "--detach",
        "--name",
        "debug",
        "--network",
        "running_back",
        "test:1",
    ]);
    vm.daemon_json(&json!({}));
    let verdict = vm.deploy(&recipe, &json!({}));
    assert!(
        words(&verdict).contains("container debug, which is not of the recipe"),
        "{verdict:#}"
    );
    assert_eq!(
        services.map(|service| vm.started_at(&format!("running-{service}-1"))),
        second
    );
    vm.docker(&["rm", "--force", "debug"]);
    deploy(&json!({}));
    assert_eq!(mtus(), ["1500", "1500", "1300", "1500"]);

    // only a network that lies outside the pools moves
    let pools = |base: &str| json!({"default-address-pools": [{"base": base, "size": 24}]});
    let before = services.map(|service| vm.started_at(&format!("running-{service}-1")));
    assert_eq!(deploy(&pools("172.16.0.0/12")), before);
    let after = deploy(&pools("10.99.0.0/16"));
    assert!((0..3).all(|service| after[service] != before[service]));
    vm.stop();
    vm.docker(&["network", "prune", "--force"]);
    deploy(&json!({}));
    vm.exec("running-web-1", &["test", "-e", "/data/kept"]);
}

#[test]
fn names_of_bosh_dns_resolve_on_every_kind_of_network() {
    let vm = Vm::start();
    let _dns = vm.bosh_dns(&[&format!("{NAME}/10.9.8.7"), "outside.example/10.9.8.6"]);
    let on = |networks: Value| with(sleeper(), &json!({"networks": networks}));
    let recipe = json!({
        "services": {
            "web": sleeper(),
            "inner": on(json!(["back"])),
            "inmost": on(json!(["back", "store"])),
            "both": on(json!(["back", "default"])),
            "host": with(sleeper(), &json!({"network_mode": "host"})),
            "bridge": with(sleeper(), &json!({"network_mode": "bridge"})),
            "shared": with(sleeper(), &json!({"network_mode": "service:inner"})),
        },
        "networks": {"back": {"internal": true}, "store": {"internal": true, "ipam": {"config": [{"subnet": "10.77.0.0/24"}]}}},
    });
    let verdict = vm.deploy(&recipe, &json!({}));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    let look_up = |service: &str, name: &str| {
        vm.exec(
            &format!("running-{service}-1"),
            &[
                "sh",
                "-c",
                &format!("busybox nslookup -type=a {name} 2>&1 || true"),
            ],
        )
    };
    let all = ["web", "inner", "inmost", "both", "host", "bridge", "shared"];
    let assert_resolves = || {
        for service in all {
            let found = look_up(service, NAME);
            assert!(
                found.contains("10.9.8.7"),
                "{service}: {found}\n{}",
                vm.log()
            );
        }
    };
    assert_resolves();
    assert!(look_up("both", "outside.example").contains("10.9.8.6"));
    for service in ["inner", "inmost", "shared"] {
        let found = look_up(service, "outside.example");
        assert!(!found.contains("10.9.8.6"), "it leaks: {service}: {found}");
    }
    assert!(
        look_up("inner", "inmost").contains("Address: "),
        "services know each other"
    );

    // neither an update that changes nothing, nor a runner that dies, nor a recipe that is refused changes it
    let started = || all.map(|service| vm.started_at(&format!("running-{service}-1")));
    let before = started();
    assert_eq!(vm.deploy(&recipe, &json!({}))["state"], "up");
    assert_eq!(started(), before);
    let killed = vm.runner_pid().unwrap();
    signal(killed, Signal::KILL);
    vm.wait_for_end(killed);
    assert!(
        !look_up("inner", NAME).contains("10.9.8.7"),
        "somebody else answers"
    );
    for bad in [json!({"services": {}}), json!(["x"])] {
        vm.deploy(&bad, &json!({}));
        let answers = || look_up("inner", NAME).contains("10.9.8.7").then_some(());
        until(answers).unwrap_or_else(|| panic!("{}", vm.log()));
    }
    let closed = vm.deploy(&recipe, &json!({"internal_dns_domains": []}));
    assert_eq!(closed["state"], "up");
    assert!(!look_up("inner", NAME).contains("10.9.8.7"));
    assert_eq!(started(), before);
}
