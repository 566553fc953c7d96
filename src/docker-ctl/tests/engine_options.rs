//! The settings of dockerd that are properties, and the `daemon` map, in a real dockerd.

#![expect(clippy::unwrap_used, reason = "it serves tests only")]

mod support;

use std::process::Command;

use docker_engine::ImageStore;
use engine_fixture::engine_directory;
use job_properties::DAEMON_SETTINGS;
use serde_json::{Value, json};
use support::{Vm, inside, run};

/// What dockerd says of itself.
fn info(vm: &Vm) -> Value {
    let mut command = Command::new(vm.paths().docker_bin("docker"));
    let host = format!("unix://{}", vm.paths().socket().display());
    command
        .env_clear()
        .args(["--host", &host, "info", "--format", "{{json .}}"]);
    serde_json::from_str(&run(&mut command).ok().stdout).unwrap()
}

/// What dockerd prints, without being started.
fn printed(option: &str) -> String {
    run(Command::new(engine_directory().join("dockerd")).arg(option))
        .ok()
        .stdout
}

#[test]
fn dockerd_has_the_flag_of_each_setting_from_its_first_engine_on() {
    // `proxies` is three flags' key, and `graph` is hidden where it still is
    const WITHOUT_FLAG: [&str; 2] = ["proxies", "graph"];
    let of = |version: &str| -> (u32, u32) {
        let mut numbers = version.split('.').map_while(|number| number.parse().ok());
        (numbers.next().unwrap(), numbers.next().unwrap())
    };
    let said = printed("--version");
    let engine = of(said.split_once("version ").unwrap().1);
    let help = printed("--help");
    let flags: Vec<&str> = help
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("--"))
        .collect();
    for setting in DAEMON_SETTINGS {
        if setting.key.contains('.') || WITHOUT_FLAG.contains(&setting.key) {
            continue;
        }
        let has_flag = flags.contains(&setting.flag.unwrap_or(setting.key));
        let is_there = engine >= of(setting.since);
        assert_eq!(has_flag, is_there, "{} in {said}", setting.key);
    }
}

#[test]
fn dockerd_takes_every_property_of_docker_boshrelease_at_once() {
    if !inside("dockerd_takes_every_property_of_docker_boshrelease_at_once") {
        return;
    }
    let vm = Vm::with_engine();
    vm.set(&[
        ("image_store", json!("graphdriver")),
        ("default_gateway", json!("172.17.0.2")),
        ("default_gateway_v6", json!("fd00:5::2")),
        ("default_ulimits", json!(["nofile=1024:2048", "core=0"])),
        ("exec_options", json!(["native.cgroupdriver=cgroupfs"])),
        ("icc", json!(false)),
        ("insecure_registries", json!(["10.0.0.6:5000"])),
        ("ip", json!("127.0.0.1")),
        ("ip_forward", json!(true)),
        ("ip_masq", json!(false)),
        ("iptables", json!(true)),
        ("ipv6", json!(true)),
        ("labels", json!(["site=vienna"])),
        ("log_driver", json!("local")),
        ("log_options", json!(["max-size=1m"])),
        ("registry_mirrors", json!(["http://mirror.example:5000"])),
        ("selinux_enable", json!(false)),
        ("storage_driver", json!("overlay2")),
        ("userland_proxy", json!(false)),
        ("daemon", json!({"fixed-cidr-v6": "fd00:5::/64", "max-concurrent-downloads": 6, "features": {"buildkit": true}})),
    ]);
    vm.run(&["start"]).ok();
    assert!(!vm.paths().refused().exists());
    let info = info(&vm);
    assert_eq!(
        [
            &info["Labels"],
            &info["LoggingDriver"],
            &info["Driver"],
            &info["CgroupDriver"]
        ],
        [
            &json!(["site=vienna"]),
            &json!("local"),
            &json!("overlay2"),
            &json!("cgroupfs")
        ]
    );
    assert_eq!(
        info["RegistryConfig"]["Mirrors"],
        json!(["http://mirror.example:5000/"])
    );
    vm.run(&["stop"]).ok();
}

#[test]
fn a_daemon_map_that_dockerd_refuses_leaves_the_one_that_works() {
    if !inside("a_daemon_map_that_dockerd_refuses_leaves_the_one_that_works") {
        return;
    }
    let vm = Vm::with_engine();
    vm.set(&[("labels", json!(["good=1"]))]);
    vm.run(&["start"]).ok();
    // without effect on the containerd store, where dockerd says nothing
    let storage = match vm.engine().info().unwrap().image_store() {
        ImageStore::Containerd => "`storage_options`",
        ImageStore::GraphDriver => "nonesuch",
    };
    for (bad, named) in [
        (("daemon", json!({"labels-of-none": 1})), "labels-of-none"),
        (
            ("daemon", json!({"hosts": ["tcp://0.0.0.0:2375"]})),
            "`bind`",
        ),
        // these pass `--validate`, and dockerd ends as it starts
        (("storage_options", json!(["overlay2.nonesuch=1"])), storage),
        (
            ("log_options", json!(["no-such-option=1"])),
            "no-such-option",
        ),
    ] {
        vm.run(&["drain", "job_changed", "hash_changed"]).ok();
        vm.run(&["stop"]).ok();
        vm.set(&[bad]);
        vm.run(&["start"]).ok();
        let wait = vm.run(&["wait"]);
        assert!(wait.code != 0 && wait.stderr.contains(named), "{wait:?}");
        assert_eq!(info(&vm)["Labels"], json!(["good=1"]), "{named}");
    }
    vm.run(&["stop"]).ok();
}
