//! Addresses, MTU and resolvers of containers, with a real dockerd in a network namespace that stands for a VM's network;
//! dnsmasq plays BOSH DNS.

#![expect(
    clippy::unwrap_used,
    reason = "a test may fail by panicking, also in its helpers"
)]

mod support;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::containers::load_image;
use support::{Vm, inside, sh};

const NAME: &str = "q-s0.web.default.dep.bosh";

/// An interface with addresses, a route through a gateway, and one in a table of its own.
fn networks_of_the_vm() {
    sh(
        "ip link add eth9 type veth peer name eth8 && ip link set eth9 up && ip link set eth8 up \
        && ip address add 10.50.0.2/24 dev eth9 && ip address add fd50::2/64 dev eth9 nodad \
        && ip address add 169.254.0.2/32 dev lo \
        && ip route add 172.18.0.0/16 via 10.50.0.1 && ip route add 10.70.0.0/16 via 10.50.0.1 table 100 \
        && ip route add default via 10.50.0.1",
    );
}

fn subnet(vm: &Vm, network: &str) -> String {
    let format = "{{range .IPAM.Config}}{{.Subnet}} {{end}}";
    vm.docker(&["network", "inspect", "--format", format, network])
}

#[test]
fn addresses_that_the_vm_uses_are_refused_before_dockerd_starts() {
    if !inside("addresses_that_the_vm_uses_are_refused_before_dockerd_starts") {
        return;
    }
    networks_of_the_vm();
    let vm = Vm::with_engine();
    let pool = |base: &str, size: u8| json!([{"base": "10.201.0.0/16", "size": 24}, {"base": base, "size": size}]);
    let pools = "default_address_pools";
    for (property, value, wanted, found) in [
        (
            "bip",
            json!("10.50.0.129/25"),
            "`bip`: is 10.50.0.129/25",
            "10.50.0.2/24, an address on eth9",
        ),
        (
            "bip",
            json!("10.70.3.1/24"),
            "`bip`: is 10.70.3.1/24",
            "10.70.0.0/16, a route via 10.50.0.1 on eth9 in table 100",
        ),
        (
            pools,
            pool("10.48.0.0/14", 24),
            "`default_address_pools[1].base`: is 10.48.0.0/14",
            "10.50.0.2/24, an address on eth9",
        ),
        (
            pools,
            pool("172.16.0.0/12", 24),
            "`default_address_pools[1].base`: is 172.16.0.0/12",
            "172.18.0.0/16, a route via 10.50.0.1 on eth9",
        ),
        (
            pools,
            pool("fd50::/48", 64),
            "`default_address_pools[1].base`: is fd50::/48",
            "fd50::2/64, an address on eth9",
        ),
    ] {
        vm.set(&[(property, value)]);
        let start = vm.run(&["start"]);
        assert_eq!(start.code, 2, "{start:?}");
        let expected = format!("property {wanted}, which overlaps {found} of the VM");
        assert!(start.stderr.contains(&expected), "{expected}: {start:?}");
        assert!(start.stderr.contains("hint: choose a network"), "{start:?}");
        assert!(
            !vm.paths().log_file("dockerd").exists(),
            "dockerd was started"
        );
    }

    let good = [
        ("bip", json!("10.200.0.1/24")),
        (pools, pool("10.202.0.0/16", 28)),
    ];
    vm.set(&good);
    vm.run(&["start"]).ok();
    assert_eq!(subnet(&vm, "bridge"), "10.200.0.0/24");
    vm.docker(&["network", "create", "a"]);
    let named = "com.docker.network.bridge.name=mine";
    vm.docker(&["network", "create", "--opt", named, "b"]);
    assert_eq!(
        (subnet(&vm, "a").as_str(), subnet(&vm, "b").as_str()),
        ("10.201.0.0/24", "10.201.1.0/24")
    );

    // the bridges of this dockerd are in nobody's way; a route that came meanwhile is
    for _ in 0..2 {
        vm.run(&["drain", "job_changed", "hash_changed"]).ok();
        vm.run(&["stop"]).ok();
        vm.run(&["start"]).ok();
        assert!(!vm.paths().refused().exists());
    }
    sh("ip route add 10.202.7.0/24 via 10.50.0.1");
    vm.run(&["stop"]).ok();
    vm.run(&["start"]).ok();
    let wait = vm.run(&["wait"]);
    assert_eq!(wait.code, 2, "{wait:?}");
    assert!(
        wait.stderr.contains("10.202.0.0/16") && wait.stderr.contains("10.202.7.0/24"),
        "{wait:?}"
    );
    assert_eq!(
        subnet(&vm, "a"),
        "10.201.0.0/24",
        "dockerd runs on, on what worked last"
    );
    vm.run(&["stop"]).ok();
}

#[test]
fn pools_that_nobody_set_keep_off_routes_that_dockerd_does_not_see() {
    if !inside("pools_that_nobody_set_keep_off_routes_that_dockerd_does_not_see") {
        return;
    }
    networks_of_the_vm();
    let vm = Vm::with_engine();
    vm.run(&["start"]).ok();
    assert_eq!(subnet(&vm, "bridge"), "172.17.0.0/16");
    vm.docker(&["network", "create", "a"]);
    assert_eq!(subnet(&vm, "a"), "172.19.0.0/16");
    vm.run(&["stop"]).ok();
    // the default bridge moves into new pools, and back
    let pools = json!([{"base": "10.201.0.0/16", "size": 24}]);
    for (pools, expected) in [(pools, "10.201.0.0/24"), (Value::Null, "172.17.0.0/16")] {
        vm.set(&[("default_address_pools", pools)]);
        vm.run(&["start"]).ok();
        assert_eq!(subnet(&vm, "bridge"), expected);
        vm.run(&["stop"]).ok();
    }
}

/// dnsmasq on 169.254.0.2, as BOSH DNS on a VM, and the VM's resolv.conf.
fn bosh_dns(vm: &Vm) -> Child {
    sh("ip address add 169.254.0.2/32 dev lo");
    let resolv_conf = vm.paths().root().join("resolv.conf");
    std::fs::write(&resolv_conf, "nameserver 169.254.0.2\n").unwrap();
    sh(&format!(
        "mount --bind {} /etc/resolv.conf",
        resolv_conf.display()
    ));
    let mut command = Command::new("dnsmasq");
    command
        .args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--pid-file",
            "--user=root",
            "--no-resolv",
            "--no-hosts",
        ])
        .args(["--bind-interfaces", "--listen-address=169.254.0.2"])
        .arg(format!("--address=/{NAME}/10.9.8.7"))
        .stdin(Stdio::null());
    let child = command.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !sh("ss -Hlnu 'sport = 53'").contains("169.254.0.2") {
        assert!(Instant::now() < deadline, "dnsmasq does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
    child
}

/// What a container on a network finds under the name.
fn look_up(vm: &Vm, network: &str) -> String {
    vm.docker(&[
        "run",
        "--rm",
        "--network",
        network,
        "sleeper:1",
        "/bin/busybox",
        "nslookup",
        "-type=a",
        NAME,
    ])
}

fn mtu(vm: &Vm, network: &str) -> String {
    vm.docker(&[
        "run",
        "--rm",
        "--network",
        network,
        "sleeper:1",
        "/bin/busybox",
        "cat",
        "/sys/class/net/eth0/mtu",
    ])
}

#[test]
fn containers_have_the_mtu_and_resolve_names_of_bosh_dns() {
    if !inside("containers_have_the_mtu_and_resolve_names_of_bosh_dns") {
        return;
    }
    let vm = Vm::with_engine();
    let mut dns = bosh_dns(&vm);
    let kinds = ["bridge", "own", "host"];
    // the VM's own resolver, then one by property
    for properties in [
        vec![],
        vec![
            ("dns_servers", json!(["169.254.0.2"])),
            ("dns_search", json!(["default.dep.bosh"])),
            ("dns_options", json!(["timeout:3"])),
            ("mtu", json!(1400)),
        ],
    ] {
        let is_set = !properties.is_empty();
        vm.set(&properties);
        let start = vm.run(&["start"]).ok();
        assert!(!start.stderr.contains("8.8.8.8"), "{start:?}");
        if !is_set {
            load_image(&vm);
            vm.docker(&["network", "create", "own"]);
        }
        for kind in kinds {
            let found = look_up(&vm, kind);
            assert!(found.contains("10.9.8.7"), "{kind}: {found}");
        }
        assert_eq!(mtu(&vm, "bridge"), if is_set { "1400" } else { "1500" });
        let file = vm.docker(&[
            "run",
            "--rm",
            "sleeper:1",
            "/bin/busybox",
            "cat",
            "/etc/resolv.conf",
        ]);
        assert_eq!(
            file.contains("timeout:3") && file.contains("search default.dep.bosh"),
            is_set,
            "{file}"
        );
        vm.run(&["stop"]).ok();
    }
    let file = vm.paths().root().join("resolv.conf");
    std::fs::write(file, "nameserver 127.0.0.1\n").unwrap();
    vm.set(&[]);
    let start = vm.run(&["start"]).ok();
    assert!(
        start.stderr.contains("`dns_servers`") && start.stderr.contains("8.8.8.8"),
        "{start:?}"
    );
    vm.run(&["stop"]).ok();
    dns.kill().unwrap();
    dns.wait().unwrap();
}

#[test]
fn a_change_of_the_resolvers_reaches_containers_that_were_running() {
    if !inside("a_change_of_the_resolvers_reaches_containers_that_were_running") {
        return;
    }
    let vm = Vm::with_engine();
    let mut dns = bosh_dns(&vm);
    vm.set(&[("dns_servers", json!(["10.255.255.1"]))]);
    vm.run(&["start"]).ok();
    load_image(&vm);
    let config = json!({"Image": "sleeper:1", "HostConfig": {"RestartPolicy": {"Name": "always"}, "Init": true}, "StopTimeout": 1});
    let id = vm
        .engine()
        .create_container(Some("sleeper"), config)
        .unwrap();
    vm.engine().start_container(&id).unwrap();
    let resolvers = || {
        vm.docker(&[
            "exec",
            "sleeper",
            "/bin/busybox",
            "grep",
            "^nameserver",
            "/etc/resolv.conf",
        ])
    };
    assert_eq!(resolvers(), "nameserver 10.255.255.1");
    vm.run(&["drain", "job_changed", "hash_changed"]).ok();
    vm.run(&["stop"]).ok();
    vm.set(&[
        ("dns_servers", json!(["169.254.0.2"])),
        ("mtu", json!(1400)),
    ]);
    vm.run(&["start"]).ok();
    assert_eq!(resolvers(), "nameserver 169.254.0.2");
    let status: Value = serde_json::from_str(&vm.run(&["status", "--json"]).ok().stdout).unwrap();
    assert_eq!(status["containers"][0]["state"], "running", "{status}");
    assert_eq!(
        vm.docker(&[
            "exec",
            "sleeper",
            "/bin/busybox",
            "cat",
            "/sys/class/net/eth0/mtu"
        ]),
        "1400"
    );
    vm.run(&["stop"]).ok();
    dns.kill().unwrap();
    dns.wait().unwrap();
}
