use super::{parse::duration, *};

/// What Compose 2.26.1 writes.
pub(crate) const CONFIG: &str = include_str!("../../tests/data/config-2.26.1.json");

pub(crate) fn model() -> Model {
    Model::parse(CONFIG.as_bytes()).unwrap()
}

#[test]
fn reads_what_compose_writes() {
    let model = model();
    assert_eq!(
        model.services.keys().collect::<Vec<_>>(),
        ["db", "one", "web"]
    );
    let web = &model.services["web"];
    assert_eq!(web.image.as_deref(), Some("bb:1"));
    assert_eq!(web.replicas, 1);
    let ports: Vec<_> = web
        .ports
        .iter()
        .map(|port| (port.host_ip.as_str(), port.first, port.protocol.as_str()))
        .collect();
    assert_eq!(
        ports,
        [
            ("", 18080, "tcp"),
            ("127.0.0.1", 19000, "udp"),
            ("127.0.0.1", 19001, "udp")
        ]
    );
    let mounts: Vec<_> = web
        .mounts
        .iter()
        .map(|mount| (mount.source.to_str().unwrap(), mount.read_only, mount.kind))
        .collect();
    assert_eq!(
        mounts,
        [
            ("/etc/hostname", false, MountKind::Volume),
            ("/srv/running/files/a", true, MountKind::Volume),
            ("/srv/running/files/a", true, MountKind::Config),
            ("/srv/running/files/d", false, MountKind::Volume),
            ("/srv/running/files/d/y", true, MountKind::Secret),
        ]
    );
}

#[test]
fn reads_ranges_numbers_and_dollars() {
    let model = Model::parse(
        br#"{"services":{"a":{"scale":3,"build":{},"pull_policy":"never","ports":[{"published":"8000-8010"},
            {"published":81},{"target":5},{"published":"0"},{"published":"x"},{"published":"9-8"},7],
            "volumes":[{"type":"bind","source":"/a$$b"},{"type":"bind","source":"relative"},{"type":"volume"}]},
            "b":{"deploy":{"replicas":0},"scale":4},"c":null}}"#,
    )
    .unwrap();
    let a = &model.services["a"];
    assert_eq!(
        (a.replicas, a.is_built(), a.pull_policy.as_deref()),
        (3, true, Some("never"))
    );
    assert_eq!(
        a.ports
            .iter()
            .map(|port| (port.first, port.last))
            .collect::<Vec<_>>(),
        [(8000, 8010), (81, 81)]
    );
    assert_eq!(
        a.mounts
            .iter()
            .map(|mount| mount.source.to_str().unwrap())
            .collect::<Vec<_>>(),
        ["/a$b"]
    );
    assert_eq!(model.services["b"].replicas, 0);
    assert!(!model.services.contains_key("c"));
}

#[test]
fn reads_the_volumes_whose_data_lies_on_the_vm() {
    let model = Model::parse(
        br#"{"services":{"a":{"tmpfs":["/t:size=1m"],"volumes":[{"type":"volume","source":"data","target":"/d"},{"type":"volume","target":"/anonymous"},
            {"type":"volume","source":"nfs","target":"/n"},{"type":"volume","source":"far","target":"/f"},{"type":"volume","source":"out","target":"/o"},
            {"type":"tmpfs","target":"/m"},{"type":"bind","source":"/x","target":"/b"},{"type":"volume","source":"x"},7]}},
            "volumes":{"data":null,"nfs":{"driver":"local","driver_opts":{"type":"nfs"}},"far":{"driver":"rexray"},"out":{"external":true,"driver_opts":{}}}}"#,
    )
    .unwrap();
    let volumes: Vec<_> = model.services["a"]
        .volumes
        .iter()
        .map(|volume| (volume.name.as_deref(), volume.target.to_str().unwrap()))
        .collect();
    assert_eq!(
        volumes,
        [
            (Some("data"), "/d"),
            (None, "/anonymous"),
            (Some("out"), "/o")
        ]
    );
    let targets: Vec<_> = model.services["a"]
        .targets
        .iter()
        .map(|target| target.to_str().unwrap())
        .collect();
    assert_eq!(
        targets,
        ["/anonymous", "/b", "/d", "/f", "/m", "/n", "/o", "/t"]
    );
}

#[test]
fn reads_when_health_checks_run() {
    let model = Model::parse(
        br#"{"services":{"a":{"healthcheck":{"test":["CMD","x"],"interval":"5m0s","start_period":"1m30.5s","start_interval":"500ms"}},
            "b":{"healthcheck":{"test":["NONE"],"interval":"1h0m0s"}},"c":{"healthcheck":{"disable":true}},"d":{},
            "e":{"healthcheck":{"interval":"odd"}}}}"#,
    )
    .unwrap();
    let check = |name: &str| model.services[name].healthcheck.clone();
    assert_eq!(
        check("a").unwrap(),
        Healthcheck {
            interval: 300_000_000_000,
            start_period: 90_500_000_000,
            start_interval: 500_000_000
        }
    );
    assert_eq!((check("b"), check("c"), check("d")), (None, None, None));
    assert_eq!(check("e"), Some(Healthcheck::default()));
    assert_eq!(duration("2h"), 7_200_000_000_000);
}

#[test]
fn reads_texts_and_volumes_in_all_spellings() {
    let model = Model::parse(
        br#"{"name":"p","services":{"a":{"configs":["c",{"source":"e","target":"/e"},"f"],"secrets":[{"source":"s"},"unknown"],
            "volumes":[{"type":"volume","source":"v","target":"/v","read_only":true},{"type":"volume","source":"w","target":"/w"}]}},
            "configs":{"c":{"name":"p_c","content":"a$$b"},"e":{"environment":"E"},"f":{"file":"/x"}},"secrets":{"s":{"environment":"S","content":"x"}},
            "volumes":{"v":{"name":"p_v","driver_opts":{"o":"rw,bind","device":"/srv/x"}},"w":null}}"#,
    )
    .unwrap();
    let a = &model.services["a"];
    let texts: Vec<_> = a
        .texts
        .iter()
        .map(|text| {
            let content = text.content.as_ref().map(Secret::reveal);
            (text.name.as_str(), content, text.variable.as_deref())
        })
        .collect();
    assert_eq!(
        texts,
        [
            ("c", Some("a$b"), None),
            ("e", None, Some("E")),
            ("s", Some("x"), Some("S"))
        ]
    );
    assert!(!format!("{model:?}").contains("a$b"));
    let named: Vec<_> = a
        .named_volumes
        .iter()
        .map(|(name, writes)| (name.as_str(), *writes))
        .collect();
    assert_eq!(named, [("v", false), ("w", true)]);
    assert_eq!(model.volumes["v"].bound_to(), Some("/srv/x".into()));
    assert_eq!(model.volumes["w"].name, "p_w");
    assert_eq!(model.volumes["w"].bound_to(), None);
}

#[test]
fn refuses_what_is_no_model() {
    for output in [
        "",
        "x",
        "[]",
        "null",
        "7",
        r#"{"services":[]}"#,
        r#"{"services":"x"}"#,
    ] {
        assert!(Model::parse(output.as_bytes()).is_err(), "{output}");
    }
    assert_eq!(Model::parse(b"{}").unwrap(), Model::default());
}
