//! `--check-config` names every property that is wrong, and shows no secret.

mod support;

use serde_json::{Value, json};
use support::Vm;

fn cert() -> Value {
    json!(include_str!("data/cert.pem"))
}

fn key() -> Value {
    json!(include_str!("data/key.pem"))
}

#[test]
fn the_defaults_and_every_property_set_well_pass() {
    let vm = Vm::new();
    vm.run(&["--check-config"]).ok();
    vm.set(&[
        ("recipe", json!({"services": {"web": {"image": "x"}}})),
        ("project_name", json!("shop")),
        ("variables", json!({"PW": "a$b"})),
        (
            "files",
            json!([{"a": "b"}, {"c/d": {"content": "e", "owner": "1:2", "mode": "0600"}}]),
        ),
        ("on_duplicate_files", json!("override")),
        ("prep", json!("#!/bin/sh\nexit 0\n")),
        ("bind", json!("127.0.0.1:2376")),
        ("tls_cacert", cert()),
        ("tls_cert", cert()),
        ("tls_key", key()),
        (
            "insecure-registries",
            json!(["registry.local:5000", "10.0.0.0/8"]),
        ),
        (
            "registries",
            json!([{"address": "r:1", "username": "u", "password": "p", "ca_cert": cert()}]),
        ),
        ("registry_mirrors", json!(["https://m.example"])),
        (
            "env",
            json!({"http_proxy": "http://p:1", "https_proxy": null, "no_proxy": "a,.b"}),
        ),
        ("container_proxies", json!(true)),
        ("log_driver", json!("local")),
        ("log_options", json!(["max-size=1m"])),
        ("daemon", json!({"init": true})),
        ("image_store", json!("containerd")),
        ("bip", json!("10.200.0.1/24")),
        (
            "default_address_pools",
            json!([{"base": "10.201.0.0/16", "size": 24}]),
        ),
        ("mtu", json!(1400)),
        ("dns_servers", json!(["169.254.0.2"])),
        ("dns_search", json!(["a.example"])),
        ("dns_options", json!(["ndots:2"])),
        ("stable_seconds", json!(0)),
        ("log_level", json!("debug")),
    ]);
    let run = vm.run(&["--check-config"]).ok();
    assert_eq!(run.stdout + &run.stderr, "");
}

/// A property, a value that is wrong, and what names it.
fn wrong_properties() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("recipe", json!(["hunter2"]), "`recipe`"),
        ("project_name", json!("Running"), "`project_name`"),
        ("variables", json!({"PW": ["hunter2"]}), "`variables.PW`"),
        ("variables", json!({"PATH": "hunter2"}), "`variables.PATH`"),
        ("files", json!({"../x": "hunter2"}), "`files[\"../x\"]`"),
        (
            "files",
            json!({"x": {"content": "hunter2", "mode": "rw"}}),
            "`files[\"x\"].mode`",
        ),
        (
            "files",
            json!({"x": {"content": "hunter2", "owner": "a b"}}),
            "`files[\"x\"].owner`",
        ),
        (
            "files",
            json!([{"x": "hunter2"}, {"x": "hunter2"}]),
            "array set #2",
        ),
        (
            "files",
            json!({"docker-compose.yml": "hunter2"}),
            "the recipe itself",
        ),
        ("on_duplicate_files", json!("merge"), "`on_duplicate_files`"),
        ("prep", json!(["hunter2"]), "`prep`"),
        ("bind", json!(0), "`bind`"),
        ("bind", json!(2375), "operations/enable-tls.yml"),
        ("bind", json!(2375), "bind_without_tls: true"),
        ("bind_without_tls", json!("yes"), "`bind_without_tls`"),
        ("tls_key", json!("hunter2"), "`tls_cacert`"),
        ("tls_key", json!("hunter2"), "`tls_key`"),
        (
            "insecure-registries",
            json!(["https://u:hunter2@r"]),
            "`insecure-registries[0]`",
        ),
        (
            "registries",
            json!([{"address": "u:hunter2@r", "insecure": true}]),
            "`registries[0].address`",
        ),
        (
            "registries",
            json!([{"address": "r", "password": "hunter2"}]),
            "`registries[0].username`",
        ),
        (
            "registry_mirrors",
            json!(["https://u:hunter2@m"]),
            "`registry_mirrors[0]`",
        ),
        (
            "env",
            json!({"http_proxy": "hunter2", "https_proxy": null, "no_proxy": null}),
            "`env.http_proxy`",
        ),
        ("env", json!("hunter2"), "`env`"),
        ("log_options", json!(["hunter2"]), "`log_options[0]`"),
        ("daemon", json!({"hosts": "hunter2"}), "set `bind` instead"),
        (
            "daemon",
            json!({"live-restore": "hunter2"}),
            "the job's own",
        ),
        ("image_store", json!("zfs"), "`image_store`"),
        ("bip", json!("10.200.0.0/24"), "`bip`"),
        (
            "default_address_pools",
            json!([{"base": "10.200.0.1/16", "size": 24}]),
            "`default_address_pools[0].base`",
        ),
        ("mtu", json!(1), "`mtu`"),
        ("dns_servers", json!(["127.0.0.53"]), "`dns_servers[0]`"),
        ("dns_search", json!(["a b"]), "`dns_search[0]`"),
        ("dns_options", json!([7]), "`dns_options[0]`"),
        (
            "internal_dns_domains",
            json!(["."]),
            "`internal_dns_domains[0]`",
        ),
        ("stable_seconds", json!(-1), "`stable_seconds`"),
        ("start_timeout", json!(0), "`start_timeout`"),
        ("stop_timeout", json!(181), "`stop_timeout`"),
        (
            "restart_limit",
            json!({"restarts": 1}),
            "`restart_limit.seconds`",
        ),
        ("log_level", json!("loud"), "`log_level`"),
    ]
}

#[test]
fn each_wrong_property_is_named_and_its_value_is_not_shown() {
    let vm = Vm::new();
    for (name, bad, named) in wrong_properties() {
        vm.set(&[(name, bad)]);
        let run = vm.run(&["--check-config"]);
        assert_eq!(run.code, 2, "{name}: {run:?}");
        assert!(
            run.stderr.starts_with("error: ") && run.stderr.contains(named),
            "{name}: {}",
            run.stderr
        );
        assert!(!run.stderr.contains("hunter2"), "{name}: {}", run.stderr);
    }
}

#[test]
fn several_wrong_properties_are_all_said() {
    let vm = Vm::new();
    vm.set(&[
        ("bind", json!("x")),
        ("recipe", json!(1)),
        ("stable_seconds", json!("x")),
    ]);
    let run = vm.run(&["--check-config"]);
    assert_eq!(
        run.stderr
            .lines()
            .filter(|line| line.starts_with("error: "))
            .count(),
        3,
        "{}",
        run.stderr
    );
}

#[test]
fn what_is_no_configuration_is_refused() {
    let vm = Vm::new();
    for bytes in [
        &b""[..],
        b"{",
        b"[]",
        b"{}",
        b"{\"properties\": \"hunter2\", \"instance\": {}}",
        b"\xff",
    ] {
        vm.render(bytes);
        let run = vm.run(&["--check-config"]);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(
            run.stderr.contains("config.json") && !run.stderr.contains("hunter2"),
            "{}",
            run.stderr
        );
    }
    std::fs::remove_file(vm.paths().job_config()).unwrap();
    assert_eq!(vm.run(&["--check-config"]).code, 2);
}

#[test]
fn another_configuration_is_read_when_named() {
    let vm = Vm::new();
    let other = vm.paths().root().join("other.json");
    std::fs::write(&other, "{").unwrap();
    assert_eq!(
        vm.run(&["--config", other.to_str().unwrap(), "--check-config"])
            .code,
        2
    );
}

#[test]
fn wrong_usage_exits_with_2() {
    let vm = Vm::new();
    assert_eq!(vm.run(&["begin"]).code, 2);
    assert_eq!(vm.run(&[]).code, 2);
}
