use std::net::{TcpListener, UdpSocket};

use docker_engine::ContainerSummary;

use super::*;
use crate::{compose::PROJECT_LABEL, model::Service};

fn model(services: &[(&str, usize, &str, &str, u16, u16)]) -> Model {
    let service =
        |(name, replicas, protocol, host_ip, first, last): &(&str, usize, &str, &str, u16, u16)| {
            let port = PublishedPort {
                host_ip: (*host_ip).into(),
                first: *first,
                last: *last,
                protocol: (*protocol).into(),
                target: None,
            };
            (
                (*name).to_owned(),
                Service {
                    replicas: *replicas,
                    ports: vec![port],
                    ..Service::default()
                },
            )
        };
    Model {
        services: services.iter().map(service).collect(),
        ..Model::default()
    }
}

fn container(project: &str, port: u16) -> ContainerSummary {
    serde_json::from_value(serde_json::json!({
        "Id": "0123", "Names": ["/theirs"], "State": "running", "Labels": {PROJECT_LABEL: project},
        "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": port, "Type": "tcp"}, {"PrivatePort": 90, "Type": "tcp"}]
    }))
    .unwrap()
}

fn words(model: &Model, containers: &[ContainerSummary]) -> Vec<String> {
    let holders = Holders {
        containers,
        projects: &["running", "old"],
        engine: None,
    };
    check(model, &holders)
        .into_iter()
        .map(|error| error.what)
        .collect()
}

#[test]
fn names_service_port_and_process_in_the_way() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for host_ip in ["", "0.0.0.0", "127.0.0.1"] {
        let found = words(&model(&[("web", 1, "tcp", host_ip, port, port)]), &[]);
        assert_eq!(found.len(), 1, "{host_ip}");
        assert!(
            found[0].starts_with("service web publishes port "),
            "{found:?}"
        );
        assert!(
            found[0].contains(&format!(
                "{port}/tcp, which process {} (",
                std::process::id()
            )),
            "{found:?}"
        );
    }
    assert!(words(&model(&[("web", 1, "tcp", "127.0.0.2", port, port)]), &[]).is_empty());
    assert!(words(&model(&[("web", 0, "tcp", "", port, port)]), &[]).is_empty());
}

#[test]
fn udp_has_ports_of_its_own() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    assert_eq!(
        words(&model(&[("dns", 1, "udp", "127.0.0.1", port, port)]), &[]).len(),
        1
    );
}

#[test]
fn a_free_port_and_a_range_with_a_free_port_are_fine() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (first, last) = if port > 60000 {
        (port - 20, port)
    } else {
        (port, port + 20)
    };
    assert!(words(&model(&[("web", 1, "tcp", "", first, last)]), &[]).is_empty());
    drop(listener);
    assert!(words(&model(&[("web", 1, "tcp", "", port, port)]), &[]).is_empty());
}

#[test]
fn a_container_of_another_project_is_named_and_one_of_ours_is_no_hindrance() {
    let wanted = model(&[("web", 1, "tcp", "", 47_113, 47_113)]);
    assert_eq!(
        words(&wanted, &[container("else", 47_113)]),
        ["service web publishes port 47113/tcp, which container theirs holds"]
    );
    assert!(words(&wanted, &[container("running", 47_113)]).is_empty());
    assert!(words(&wanted, &[container("old", 47_113)]).is_empty());
    assert!(words(&wanted, &[container("else", 47_114)]).is_empty());
}

#[test]
fn an_address_that_the_machine_lacks_is_named() {
    let found = words(
        &model(&[("web", 1, "tcp", "192.0.2.1", 47_115, 47_115)]),
        &[],
    );
    assert_eq!(
        found,
        [
            "service web publishes port 192.0.2.1:47115/tcp, on an address that this machine does not have"
        ]
    );
}

#[test]
fn a_port_taken_twice_in_the_recipe_is_found() {
    let found = words(
        &model(&[
            ("a", 1, "tcp", "", 47_116, 47_116),
            ("b", 1, "tcp", "127.0.0.1", 47_116, 47_116),
        ]),
        &[],
    );
    assert_eq!(
        found,
        ["services a and b both publish port 127.0.0.1:47116/tcp"]
    );
    let found = words(&model(&[("a", 2, "tcp", "", 47_117, 47_117)]), &[]);
    assert_eq!(
        found,
        ["service a has 2 containers, which cannot all publish port 47117/tcp"]
    );
    let apart = [
        ("a", 1, "tcp", "127.0.0.1", 47_118, 47_118),
        ("b", 1, "tcp", "127.0.0.2", 47_118, 47_118),
    ];
    assert!(words(&model(&apart), &[]).is_empty());
    assert!(
        words(
            &model(&[
                ("a", 1, "tcp", "", 47_119, 47_119),
                ("b", 1, "udp", "", 47_119, 47_119)
            ]),
            &[]
        )
        .is_empty()
    );
}

#[test]
fn sctp_and_addresses_that_cannot_be_read_are_left_to_the_engine() {
    assert!(
        words(
            &model(&[
                ("a", 1, "sctp", "", 47_120, 47_120),
                ("b", 1, "tcp", "nonsense", 47_121, 47_121)
            ]),
            &[]
        )
        .is_empty()
    );
}

fn clashes(ports: &[(&str, usize, &str, &str, u16, u16)]) -> Vec<String> {
    words(&model(ports), &[])
}

#[test]
fn an_address_is_every_address_however_it_is_spelled() {
    for (a, b) in [
        ("0.0.0.0", "127.0.0.1"),
        ("", "0.0.0.0"),
        ("[::]", "::1"),
        ("", "[::1]"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
    ] {
        let found = clashes(&[
            ("a", 1, "tcp", a, 47_122, 47_122),
            ("b", 1, "tcp", b, 47_122, 47_122),
        ]);
        assert_eq!(found.len(), 1, "{a} and {b}: {found:?}");
        assert!(
            found[0].starts_with("services a and b both publish port "),
            "{found:?}"
        );
    }
    let apart = [
        ("a", 1, "tcp", "0.0.0.0", 47_123, 47_123),
        ("b", 1, "tcp", "[::]", 47_123, 47_123),
    ];
    assert!(clashes(&apart).is_empty(), "the families are apart");
}

#[test]
fn a_service_without_containers_wants_no_port() {
    let ports = [
        ("a", 1, "tcp", "", 47_124, 47_124),
        ("b", 0, "tcp", "", 47_124, 47_124),
        ("c", 0, "tcp", "", 47_124, 47_130),
    ];
    assert!(clashes(&ports).is_empty());
}

#[test]
fn a_range_needs_a_port_for_each_container_beside_those_that_others_have() {
    let fixed = ("a", 1, "tcp", "", 47_132, 47_132);
    assert!(clashes(&[fixed, ("b", 2, "tcp", "", 47_131, 47_133)]).is_empty());
    assert_eq!(
        clashes(&[fixed, ("b", 3, "tcp", "127.0.0.1", 47_131, 47_133)]),
        ["service b needs 3 of the ports 127.0.0.1:47131-47133/tcp, and the recipe leaves it 2"]
    );
    // each has its own if the narrower one chooses first
    let ranges = [
        ("a", 2, "udp", "", 47_131, 47_134),
        ("b", 2, "udp", "", 47_131, 47_132),
    ];
    assert!(clashes(&ranges).is_empty());
    let too_few = [
        ("a", 2, "udp", "", 47_131, 47_133),
        ("b", 2, "udp", "", 47_131, 47_133),
    ];
    assert_eq!(clashes(&too_few).len(), 1);
}

#[test]
fn all_that_is_wrong_with_ports_is_said_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let found = clashes(&[
        ("a", 1, "tcp", "127.0.0.1", port, port),
        ("b", 1, "tcp", "", port, port),
        ("c", 2, "tcp", "", 47_135, 47_135),
    ]);
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found.contains(&format!("services a and b both publish port {port}/tcp")));
}

#[test]
fn one_port_for_two_of_a_container_is_refused_and_the_same_twice_is_not() {
    let output = |ports: &str| {
        let text = format!(r#"{{"services":{{"a":{{"ports":[{ports}]}}}}}}"#);
        words(&Model::parse(text.as_bytes()).unwrap(), &[])
    };
    let port = |host_ip: &str, target: u16| {
        format!(
            r#"{{"host_ip":"{host_ip}","target":{target},"published":"47136","protocol":"tcp"}}"#
        )
    };
    assert_eq!(
        output(&[port("", 80), port("0.0.0.0", 81)].join(",")),
        ["service a publishes port 0.0.0.0:47136/tcp for two ports of its container"]
    );
    assert!(output(&[port("", 80), port("0.0.0.0", 80)].join(",")).is_empty());
}

#[test]
fn what_the_host_s_network_discards_is_no_port() {
    for mode in ["host", "none"] {
        let text = format!(
            r#"{{"services":{{"a":{{"network_mode":"{mode}","ports":[{{"target":80,"published":"47137"}}]}},
                "b":{{"ports":[{{"target":80,"published":"47137"}}]}}}}}}"#
        );
        let model = Model::parse(text.as_bytes()).unwrap();
        assert!(words(&model, &[]).is_empty(), "{mode}");
        assert_eq!(model.services["a"].network_mode.as_deref(), Some(mode));
    }
}

#[test]
fn a_paused_container_of_another_project_holds_its_ports_too() {
    let mut paused = container("else", 47_138);
    paused.state = docker_engine::Status::Paused;
    let wanted = model(&[("web", 1, "tcp", "", 47_138, 47_138)]);
    assert_eq!(
        words(&wanted, &[paused.clone()]),
        ["service web publishes port 47138/tcp, which container theirs holds"]
    );
    let mut one_off = container("running", 47_138);
    one_off
        .labels
        .insert("com.docker.compose.oneoff".into(), "True".into());
    assert_eq!(words(&wanted, &[one_off]).len(), 1, "`up` leaves it alone");
}
