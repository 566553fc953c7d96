//! Port 53 of the VM: the recipe's, if it wants it, else the job's own name server's in internal networks.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    recipes::{sleeper, with, words},
    vm::{Vm, signal, until},
};

const NAME: &str = "q-s0.web.default.dep.bosh";

fn recipe(dns: &Value) -> Value {
    let on = |networks: Value, more: &Value| {
        with(with(sleeper(), &json!({ "networks": networks })), more)
    };
    json!({
        "services": {"dns": on(json!(["default", "back"]), dns), "db": on(json!(["back"]), &json!({}))},
        "networks": {"back": {"internal": true}},
    })
}

fn warnings(verdict: &Value) -> String {
    let warnings = verdict["warnings"].as_array().unwrap().iter();
    let warnings = warnings.map(|warning| warning["what"].as_str().unwrap());
    warnings.collect::<Vec<_>>().join("\n")
}

/// Who listens on port 53 on TCP and UDP, but for BOSH DNS.
fn listeners(vm: &Vm) -> String {
    vm.sh("ss -Hlntup 'sport = 53' | grep -v 169.254.0.2 || true")
}

fn answers(vm: &Vm) -> bool {
    let script = format!("busybox nslookup -type=a {NAME} 2>&1 || true");
    vm.exec("running-db-1", &["sh", "-c", &script])
        .contains("10.9.8.7")
}

#[test]
fn the_name_server_yields_to_a_service_that_publishes_port_53_and_comes_back_after_it() {
    let vm = Vm::start();
    let _dns = vm.bosh_dns(&[&format!("{NAME}/10.9.8.7")]);
    let deploy = |dns: &Value| {
        let verdict = vm.deploy(&recipe(dns), &json!({}));
        assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
        warnings(&verdict)
    };
    let assert_yields = |warnings: &str| {
        assert!(warnings.contains("service dns has port 53"), "{warnings}");
        let listeners = listeners(&vm);
        assert!(listeners.contains("docker-proxy"), "{listeners}");
        assert!(!listeners.contains("compose-runner"), "{listeners}");
    };
    assert_eq!(deploy(&json!({})), "");
    until(|| answers(&vm).then_some(())).unwrap_or_else(|| panic!("{}", vm.log()));
    assert!(listeners(&vm).contains("compose-runner"));

    // an address of its own is in nobody's way
    let own = json!({"ports": ["127.0.0.9:53:53/udp", "127.0.0.9:53:53/tcp"]});
    assert_eq!(deploy(&own), "");
    assert!(answers(&vm), "{}", vm.log());

    // every address is out of question here: BOSH DNS has one
    let format = "{{(index .IPAM.Config 0).Gateway}}";
    let output = vm.docker(&["network", "inspect", "--format", format, "running_back"]);
    let port = format!("{}:53:53", String::from_utf8_lossy(&output.stdout).trim());
    let wanted = json!({"ports": [format!("{port}/udp"), format!("{port}/tcp")]});
    assert_yields(&deploy(&wanted));
    assert_yields(&deploy(&wanted));
    // a runner that comes after one that died
    let killed = vm.runner_pid().unwrap();
    signal(killed, Signal::KILL);
    vm.wait_for_end(killed);
    std::fs::remove_file(vm.paths.verdict()).unwrap();
    vm.start_runner();
    assert_yields(&warnings(&vm.verdict()));
    // one that is refused for something else leaves it at that
    let verdict = vm.deploy(
        &json!({"services": {"x": {"image": "test:1", "bad": 1}}}),
        &json!({}),
    );
    assert_eq!(verdict["state"], "failed");
    assert!(!listeners(&vm).contains("compose-runner"));

    assert_eq!(deploy(&json!({})), "");
    assert!(
        until(|| answers(&vm).then_some(())).is_some(),
        "{}",
        vm.log()
    );
}

#[test]
fn a_first_deploy_with_port_53_of_all_addresses_is_up_and_one_in_the_host_s_network_is_told() {
    let vm = Vm::start();
    let ports = json!({"ports": ["53:53/udp", "53:53/tcp"]});
    for _ in 0..2 {
        let verdict = vm.deploy(&recipe(&ports), &json!({}));
        assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
        assert!(warnings(&verdict).contains("(db)"), "{verdict:#}");
    }
    let verdict = vm.deploy(&recipe(&ports), &json!({"internal_dns_domains": []}));
    assert_eq!(
        (&verdict["state"], warnings(&verdict).as_str()),
        (&json!("up"), "")
    );
    // what it declares is believed
    let script = "trap 'exit 0' TERM; busybox httpd -f -p 0.0.0.0:53 & wait";
    let host = |more: &Value| {
        let mut recipe = recipe(&json!({}));
        let service =
            json!({"image": "test:1", "command": ["sh", "-c", script], "network_mode": "host"});
        recipe["services"]["dns"] = with(service, more);
        recipe
    };
    let verdict = vm.deploy(&host(&json!({"ports": ["53:53"]})), &json!({}));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    assert!(listeners(&vm).contains("busybox"), "{}", listeners(&vm));
    // of one that declares nothing the error says what to set
    let verdict = vm.deploy(&recipe(&json!({})), &json!({}));
    assert_eq!(verdict["state"], "up", "{verdict:#}");
    assert!(listeners(&vm).contains("compose-runner"), "{}", vm.log());
    let silent =
        "busybox httpd -f -p 0.0.0.0:53 || { echo 'bind 0.0.0.0:53: Address in use'; exit 1; }";
    let verdict = vm.deploy(&host(&json!({"command": ["sh", "-c", silent]})), &json!({}));
    assert_eq!(verdict["state"], "failed", "{verdict:#}\n{}", vm.log());
    let error = &verdict["errors"][0];
    assert!(words(&verdict).contains("service dns"), "{verdict:#}");
    assert!(
        error["hint"]
            .as_str()
            .unwrap()
            .contains("internal_dns_domains: []"),
        "{verdict:#}"
    );
}
