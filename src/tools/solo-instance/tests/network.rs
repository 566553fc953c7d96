//! The network of deployments. Needs root.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no test functions to clippy"
)]

mod common;

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::Duration;

use common::{Deployment, code, eventually, sh};
use solo_instance::{Error, Instance, IptablesVariant, NetworkSpec};

/// Has the instance greet anyone who connects to port 9000.
fn greet(instance: &Instance, word: &str) {
    let script = format!("while :; do echo {word} | nc -l -p 9000 -q 0; done");
    sh(
        instance,
        &format!("setsid bash -c '{script}' > /dev/null 2>&1 < /dev/null &"),
    );
}

fn ask(address: Ipv4Addr) -> String {
    let mut word = String::new();
    eventually("it answers", Duration::from_secs(5), || {
        word.clear();
        TcpStream::connect_timeout(&(address, 9000).into(), Duration::from_secs(1))
            .and_then(|mut stream| stream.read_to_string(&mut word))
            .is_ok_and(|count| count > 0)
    });
    word.trim_end().to_owned()
}

#[test]
fn instances_are_reached_from_this_machine_and_from_each_other() {
    let deployment = Deployment::new("reach");
    let (first, second) = (deployment.boot(0), deployment.boot(1));
    greet(&first, "first");
    greet(&second, "second");
    assert_eq!(ask(first.address()), "first");
    assert_eq!(ask(second.address()), "second");
    assert_eq!(
        sh(
            &first,
            &format!("nc -w 3 {} 9000 < /dev/null", second.address())
        ),
        "second"
    );
}

#[test]
fn there_is_no_way_out() {
    let deployment = Deployment::new("nowayout");
    let instance = deployment.boot(0);
    assert_eq!(sh(&instance, "ip route show default"), "");
    assert_eq!(sh(&instance, "ip -6 route show default"), "");
    assert_ne!(
        code(
            &instance,
            "timeout 5 bash -c 'echo > /dev/tcp/192.0.2.1/80'"
        ),
        0
    );
    let gateway = deployment
        .host
        .network("nowayout", &NetworkSpec::default())
        .unwrap()
        .gateway();
    assert_eq!(
        sh(&instance, "cat /etc/resolv.conf"),
        format!("nameserver {gateway}")
    );
    // Names fail at once, not after a resolver's timeout.
    assert_ne!(
        code(
            &instance,
            "timeout 3 getent hosts example.com; test $? -eq 124"
        ),
        0
    );
}

#[test]
fn nat_gives_a_way_out_and_is_taken_back() {
    let forwarding = || fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap();
    let rules = || {
        let saved = Command::new("iptables-save").output().unwrap().stdout;
        let saved = String::from_utf8_lossy(&saved).into_owned();
        let ours = |l: &&str| {
            l.contains("bosh-solo:nat-") && (l.contains("MASQUERADE") || l.contains("ctstate"))
        };
        saved.lines().filter(ours).count()
    };
    let before = forwarding();
    let deployment = Deployment::new("nat");
    deployment
        .host
        .network(
            "nat",
            &NetworkSpec {
                nat: true,
                subnet: None,
            },
        )
        .unwrap();
    let instance = deployment.boot(0);
    assert!(sh(&instance, "ip route show default").starts_with("default via 10.244."));
    assert_eq!(rules(), 2);
    assert_eq!(forwarding(), "1\n");
    deployment
        .host
        .network("nat", &NetworkSpec::default())
        .unwrap();
    assert_eq!(rules(), 0);
    assert_eq!(forwarding(), before);
}

#[test]
fn deployments_live_side_by_side() {
    let (left, right) = (Deployment::new("side-a"), Deployment::new("side-b"));
    let (a, b) = (left.boot(0), right.boot(0));
    greet(&a, "left");
    greet(&b, "right");
    assert_ne!(a.address().octets()[..3], b.address().octets()[..3]);
    assert_eq!(
        (ask(a.address()), ask(b.address())),
        ("left".to_owned(), "right".to_owned())
    );
    assert_ne!(
        code(&a, &format!("nc -w 2 {} 9000 < /dev/null", b.address())),
        0
    );
    drop(left);
    assert_eq!(ask(b.address()), "right");
}

#[test]
fn addresses_and_subnets_are_those_asked_for_or_refused() {
    let deployment = Deployment::new("static");
    let network = deployment
        .host
        .network("static", &NetworkSpec::default())
        .unwrap();
    let wanted = Ipv4Addr::from(u32::from(network.gateway()) + 41);
    let mut spec = deployment.spec(0);
    spec.ip = Some(wanted);
    let instance = deployment.boot_with(spec);
    assert_eq!(instance.address(), wanted);
    assert!(sh(&instance, "ip -4 -o addr show eth0").contains(&format!("{wanted}/24")));
    let mut spec = deployment.spec(1);
    spec.ip = Some(wanted);
    assert!(matches!(
        deployment.host.create(spec),
        Err(Error::Address { .. })
    ));

    let other = Deployment::new("static-b");
    let taken = NetworkSpec {
        subnet: Some(network.subnet()),
        nat: false,
    };
    let error = other
        .host
        .network("static-b", &taken)
        .unwrap_err()
        .to_string();
    assert!(error.contains("overlaps"), "{error}");
}

#[test]
fn both_kinds_of_iptables_work_inside() {
    let deployment = Deployment::new("iptables");
    for (index, variant, word) in [
        (0, IptablesVariant::Legacy, "legacy"),
        (1, IptablesVariant::Nft, "nf_tables"),
    ] {
        let mut spec = deployment.spec(index);
        spec.iptables = Some(variant);
        let instance = deployment.boot_with(spec);
        assert!(sh(&instance, "iptables -V").contains(word));
        sh(
            &instance,
            "iptables -t nat -A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE && iptables-save | grep MASQUERADE",
        );
    }
}
