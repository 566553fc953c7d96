use super::*;

fn network() -> Network {
    let addresses = [("web/0".to_owned(), Ipv4Addr::new(10, 244, 0, 2))].into();
    let record = Record {
        bridge: "bs-x".into(),
        subnet: "10.244.0.0/24".parse().unwrap(),
        nat: false,
        addresses,
    };
    Network {
        file: PathBuf::new(),
        tag: "x".into(),
        record,
    }
}

#[test]
fn an_instance_keeps_its_address_and_another_gets_the_next() {
    assert_eq!(
        network().pick("web/0", None).unwrap(),
        Ipv4Addr::new(10, 244, 0, 2)
    );
    assert_eq!(
        network().pick("web/1", None).unwrap(),
        Ipv4Addr::new(10, 244, 0, 3)
    );
    let wanted = Ipv4Addr::new(10, 244, 0, 77);
    assert_eq!(network().pick("web/0", Some(wanted)).unwrap(), wanted);
}

#[test]
fn an_address_that_cannot_be_given_is_refused_with_the_reason() {
    for (address, why) in [
        ([10, 244, 0, 2], "instance web/0 has it"),
        (
            [10, 244, 1, 2],
            "outside the deployment's subnet 10.244.0.0/24",
        ),
        ([10, 244, 0, 1], "this machine's"),
        ([10, 244, 0, 255], "broadcast"),
    ] {
        let error = network()
            .pick("web/1", Some(Ipv4Addr::from(address)))
            .unwrap_err()
            .to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn loopback_nameservers_are_of_no_use_to_an_instance() {
    assert_eq!(
        usable_nameservers("nameserver 127.0.0.53\nnameserver 192.0.2.7\nsearch x\n"),
        ["192.0.2.7"]
    );
}
