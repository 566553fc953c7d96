use super::super::tests::with;
use super::*;
use serde_json::{Map, json};

fn options(properties: &[(&str, Value)]) -> Map<String, Value> {
    let options = with(properties).daemon().unwrap().options;
    let json = |(key, value)| (key, json!(value));
    options.into_iter().map(json).collect()
}

#[test]
fn each_property_becomes_dockerds_key_and_an_unset_one_nothing() {
    let set = [
        (
            "default_gateway",
            json!("172.17.0.1"),
            "default-gateway",
            json!("172.17.0.1"),
        ),
        (
            "default_gateway_v6",
            json!("fd00::1"),
            "default-gateway-v6",
            json!("fd00::1"),
        ),
        (
            "default_ulimits",
            json!(["nofile=1024:2048", "core=-1"]),
            "default-ulimits",
            json!({
                "nofile": {"Name": "nofile", "Soft": 1024, "Hard": 2048},
                "core": {"Name": "core", "Soft": -1, "Hard": -1},
            }),
        ),
        ("exec_options", json!(["a=b"]), "exec-opts", json!(["a=b"])),
        ("icc", json!(false), "icc", json!(false)),
        ("ip", json!("10.0.0.2"), "ip", json!("10.0.0.2")),
        ("ip_forward", json!(false), "ip-forward", json!(false)),
        ("ip_masq", json!(false), "ip-masq", json!(false)),
        ("iptables", json!(false), "iptables", json!(false)),
        ("ipv6", json!(true), "ipv6", json!(true)),
        ("labels", json!(["a=b=c"]), "labels", json!(["a=b=c"])),
        (
            "selinux_enable",
            json!(true),
            "selinux-enabled",
            json!(true),
        ),
        (
            "storage_driver",
            json!("overlay2"),
            "storage-driver",
            json!("overlay2"),
        ),
        (
            "storage_options",
            json!(["dm.x=1"]),
            "storage-opts",
            json!(["dm.x=1"]),
        ),
        (
            "userland_proxy",
            json!(false),
            "userland-proxy",
            json!(false),
        ),
    ];
    assert_eq!(set.len(), DaemonSetting::plain().count());
    let unset = options(&[]);
    for (property, value, key, wanted) in set {
        assert!(!unset.contains_key(key), "{key}");
        assert_eq!(options(&[(property, value)])[key], wanted, "{property}");
    }
}

#[test]
fn refuses_other_values_by_name() {
    for (property, value, named) in [
        ("icc", json!("no"), "icc"),
        ("ip", json!("eth0"), "ip"),
        ("default_gateway", json!("fd00::1"), "default_gateway"),
        (
            "default_gateway_v6",
            json!("10.0.0.1"),
            "default_gateway_v6",
        ),
        ("labels", json!("a=b"), "labels"),
        ("labels", json!(["a=b", "a"]), "labels[1]"),
        ("exec_options", json!(["=b"]), "exec_options[0]"),
        ("storage_driver", json!(["overlay2"]), "storage_driver"),
        ("default_ulimits", json!(["nofile"]), "default_ulimits[0]"),
        ("default_ulimits", json!(["nofile=x"]), "default_ulimits[0]"),
        (
            "default_ulimits",
            json!(["nofile=2:1"]),
            "default_ulimits[0]",
        ),
        ("default_ulimits", json!({"nofile": 1}), "default_ulimits"),
        ("vm", json!({"max_map_count": "many"}), "vm.max_map_count"),
    ] {
        let problems = with(&[(property, value)]).daemon().unwrap_err();
        assert_eq!(problems.iter().next().unwrap().property, named);
    }
}

#[test]
fn takes_the_number_of_mappings_or_leaves_it() {
    let mappings = |value: Value| {
        let vm = json!({"max_map_count": value});
        with(&[("vm", vm)]).daemon().unwrap().max_map_count
    };
    assert_eq!(mappings(json!(262_144)), Some(262_144));
    // docker-boshrelease's default
    assert_eq!(mappings(json!("")), None);
}
