use bosh_job::LogLevel;
use bosh_job::Secret;
use job_fixture::rendered;
use job_properties::{DaemonSource, JobConfig, TlsMaterial};

use super::*;

fn with(properties: &[(&str, Value)]) -> Daemon {
    let mut config = rendered();
    for (name, value) in properties {
        config["properties"][*name] = value.clone();
    }
    JobConfig::from_value(config).unwrap().daemon().unwrap()
}

fn daemon() -> Daemon {
    with(&[])
}

fn listen(access: TcpAccess) -> Daemon {
    Daemon {
        listen: Some(Listen {
            address: "[fd00::1]:2376".parse().unwrap(),
            access,
        }),
        ..daemon()
    }
}

fn json(daemon: &Daemon, tls: Option<&TlsFiles>) -> Value {
    serde_json::from_slice(
        &DaemonJson::new(&Paths::new("/r"), daemon, tls)
            .to_bytes()
            .unwrap(),
    )
    .unwrap()
}

#[test]
fn without_bind_it_listens_on_the_unix_socket_alone() {
    let json = json(&daemon(), None);
    assert_eq!(
        json["hosts"],
        json!(["unix:///r/sys/run/docker/docker.sock"])
    );
    assert_eq!(json["live-restore"], true);
    assert!(json.get("tls").is_none() && json.get("features").is_none());
}

#[test]
fn the_waiver_is_said_outright_and_mutual_tls_verifies() {
    let json_waived = json(&listen(TcpAccess::Anybody), None);
    assert_eq!(json_waived["tls"], false);
    assert_eq!(json_waived["hosts"][1], "tcp://[fd00::1]:2376");
    let secret = || Secret::new("hunter2");
    let files = TlsFiles {
        cacert: "/t/ca".into(),
        cert: "/t/c".into(),
        key: "/t/k".into(),
    };
    let access = TcpAccess::MutualTls(TlsMaterial {
        cacert: secret(),
        cert: secret(),
        key: secret(),
    });
    let json = json(&listen(access), Some(&files));
    assert_eq!(
        (&json["tlsverify"], &json["tlskey"]),
        (&json!(true), &json!("/t/k"))
    );
    assert!(!json.to_string().contains("hunter2"));
}

#[test]
fn knows_what_containers_cannot_be_carried_over() {
    let paths = Paths::new("/r");
    let old = DaemonJson::new(&paths, &daemon(), None);
    let louder = DaemonJson::new(
        &paths,
        &Daemon {
            log_level: LogLevel::Debug,
            ..daemon()
        },
        None,
    );
    assert_eq!(old.first_not_carried(&louder), None);
    let other_store = DaemonJson::new(
        &paths,
        &Daemon {
            image_store: Some(ImageStore::Containerd),
            ..daemon()
        },
        None,
    );
    assert_eq!(
        old.first_not_carried(&other_store),
        Some("containerd-snapshotter")
    );
    for (property, value, key) in [
        ("daemon", json!({"features": {"buildkit": true}}), None),
        (
            "daemon",
            json!({"userns-remap": "default"}),
            Some("userns-remap"),
        ),
        ("icc", json!(false), Some("icc")),
        ("userland_proxy", json!(false), None),
        ("log_driver", json!("local"), None),
    ] {
        let other = DaemonJson::new(&paths, &with(&[(property, value)]), None);
        assert_eq!(old.first_not_carried(&other), key, "{property}");
    }
    let slower = DaemonJson::new(&paths, &with_networks(), None);
    assert_eq!(old.first_not_carried(&slower), Some("bip"));
    assert!(slower.has_addresses_of(&with_networks().networks));
    assert!(!slower.has_addresses_of(&daemon().networks));
    assert!(old.has_addresses_of(&daemon().networks));
}

fn with_networks() -> Daemon {
    with(&[
        ("bip", json!("10.200.0.1/24")),
        (
            "default_address_pools",
            json!([{"base": "10.201.0.0/16", "size": 24}]),
        ),
        ("mtu", json!(1400)),
        ("dns_servers", json!(["169.254.0.2"])),
        ("dns_search", json!(["a.example"])),
        ("dns_options", json!(["timeout:2"])),
    ])
}

#[test]
fn networks_are_what_dockerd_calls_them() {
    let json = json(&with_networks(), None);
    assert_eq!(json["bip"], "10.200.0.1/24");
    assert_eq!(
        json["default-address-pools"],
        json!([{"base": "10.201.0.0/16", "size": 24}])
    );
    assert_eq!(
        (&json["mtu"], &json["dns"]),
        (&json!(1400), &json!(["169.254.0.2"]))
    );
    assert_eq!(
        (&json["dns-search"], &json["dns-opts"]),
        (&json!(["a.example"]), &json!(["timeout:2"]))
    );
}

#[test]
fn settings_of_all_kinds_come_together() {
    let json = json(
        &with(&[
            (
                "daemon",
                json!({"features": {"buildkit": true}, "init": true}),
            ),
            ("image_store", json!("containerd")),
            ("registry_mirrors", json!(["http://m.example"])),
            ("registries", json!([{"address": "r:1", "insecure": true}])),
            ("labels", json!(["a=b"])),
        ]),
        None,
    );
    assert_eq!(
        json["features"],
        json!({"buildkit": true, "containerd-snapshotter": true})
    );
    assert_eq!(
        json["log-opts"],
        json!({"max-size": "10m", "max-file": "3"})
    );
    assert_eq!(
        [
            &json["init"],
            &json["labels"],
            &json["registry-mirrors"],
            &json["insecure-registries"]
        ],
        [
            &json!(true),
            &json!(["a=b"]),
            &json!(["http://m.example"]),
            &json!(["r:1"])
        ]
    );
}

#[test]
fn each_key_that_is_written_is_in_the_table_with_its_type() {
    let mut daemon = with_networks();
    daemon.listen = listen(TcpAccess::MutualTls(TlsMaterial {
        cacert: Secret::new("x"),
        cert: Secret::new("x"),
        key: Secret::new("x"),
    }))
    .listen;
    let files = TlsFiles {
        cacert: "/t/ca".into(),
        cert: "/t/c".into(),
        key: "/t/k".into(),
    };
    let plain = with(&[
        ("default_gateway", json!("10.200.0.1")),
        ("default_gateway_v6", json!("fd00::1")),
        ("default_ulimits", json!(["nofile=1024"])),
        ("exec_options", json!(["a=b"])),
        ("icc", json!(false)),
        ("ip", json!("10.0.0.2")),
        ("ip_forward", json!(false)),
        ("ip_masq", json!(false)),
        ("iptables", json!(false)),
        ("ipv6", json!(true)),
        ("labels", json!(["a=b"])),
        ("selinux_enable", json!(true)),
        ("storage_driver", json!("overlay2")),
        ("storage_options", json!(["a=b"])),
        ("userland_proxy", json!(false)),
        ("registry_mirrors", json!(["http://m.example"])),
        ("registries", json!([{"address": "r:1", "insecure": true}])),
    ]);
    daemon.options = plain.options;
    daemon.registries = plain.registries;
    daemon.image_store = Some(ImageStore::Containerd);
    let json = DaemonJson::new(&Paths::new("/r"), &daemon, Some(&files));
    for (key, value) in &json.settings {
        let inner = |setting: &&DaemonSetting| {
            setting
                .key
                .split_once('.')
                .is_some_and(|(map, _)| map == key)
        };
        if DAEMON_SETTINGS.iter().any(|setting| inner(&setting)) {
            for name in value.as_object().unwrap().keys() {
                let setting = DaemonSetting::find(&format!("{key}.{name}")).unwrap();
                assert!(setting.value.is_type_of(&value[name]), "{key}.{name}");
            }
            continue;
        }
        let setting =
            DaemonSetting::find(key).unwrap_or_else(|| panic!("{key} is not in the table"));
        assert_eq!(setting.key, key, "dockerd passes over a flag's name");
        assert!(setting.value.is_type_of(value), "{key}: {value}");
    }
    // and each property's own setting is written
    for setting in DAEMON_SETTINGS {
        if let DaemonSource::Plain(property) = setting.source {
            assert!(json.settings.contains_key(setting.key), "{property}");
        }
    }
}
