//! `files`, `variables`, `prep`.

use release_tests::Deployment;
use serde_json::json;

use crate::sleeper;

#[test]
fn files_have_the_owner_and_mode_that_the_manifest_says() {
    let volumes = json!({"volumes": ["$PWD/secret.key:/secret.key:ro"], "user": "1234:1234"});
    let deployment = Deployment::new("e2e-files").recipe(json!({"services": {"web": sleeper(volumes)}})).property(
        "files",
        json!([
            {"plain.conf": "plain\n", "deep/er/file": "x"},
            {"secret.key": {"content": "s3cr3t-in-a-file", "owner": "1234:1234", "mode": "0600"}},
            {"plain.conf": "overridden\n"},
        ]),
    );
    let deployment = deployment.property("on_duplicate_files", json!("override"));
    deployment.deploy_ok();
    let stat = deployment.ssh("cd /var/vcap/data/docker/running && stat -c '%n %u:%g %a' . plain.conf deep deep/er/file secret.key").ok();
    assert_eq!(
        stat,
        ". 0:0 700\nplain.conf 0:0 644\ndeep 0:0 755\ndeep/er/file 0:0 644\nsecret.key 1234:1234 600"
    );
    assert_eq!(
        deployment.read("/var/vcap/data/docker/running/plain.conf"),
        "overridden"
    );
    assert_eq!(
        deployment.docker("exec running-web-1 cat /secret.key").ok(),
        "s3cr3t-in-a-file"
    );
    assert_ne!(deployment.ssh("setpriv --reuid 1000 --regid 1000 --clear-groups cat /var/vcap/data/docker/running/plain.conf").code, 0);
    assert_eq!(
        deployment
            .ssh("grep -rl s3cr3t-in-a-file /var/vcap/sys/log")
            .stdout,
        ""
    );

    let mut deployment = deployment;
    deployment.set("files", json!({"plain.conf": "only this"}));
    deployment.set("recipe", json!({"services": {"web": sleeper(json!({}))}}));
    deployment.deploy_ok();
    assert_eq!(
        deployment
            .ssh("cd /var/vcap/data/docker/running && find . -type f | sort")
            .ok(),
        "./docker-compose.yml\n./plain.conf"
    );
}

#[test]
fn a_dollar_in_a_variable_reaches_the_container_and_no_log() {
    let recipe = "services:\n  web:\n    image: fixture/busybox:1\n    init: true\n    command: ['sleep', '100000']\n    \
                  environment:\n      PASSWORD: ${PW}\n      PRICE: 5$$\n      HERE: $PWD\n      INDEX: ${BOSH_INDEX}\n      ON: on\n      VERSION: '3.10'\n";
    let password = "a$b$$c${d}'\"\\e f";
    let deployment = Deployment::new("e2e-dollar")
        .property("recipe", json!(recipe))
        .property("variables", json!({"PW": password}))
        .property(
            "prep",
            json!("#!/bin/sh\nset -eu\npwd > where\necho prepared\n"),
        );
    deployment.deploy_ok();
    let environment = deployment.docker("exec running-web-1 env").ok();
    let print = |name: &str| {
        let line = environment
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.unwrap_or_else(|| panic!("no {name} in {environment}"))
            .to_owned()
    };
    assert_eq!(print("PASSWORD"), password);
    assert_eq!(print("PRICE"), "5$");
    assert_eq!(print("HERE"), "/var/vcap/data/docker/running");
    assert_eq!(print("INDEX"), "0");
    assert_eq!(
        print("VERSION"),
        "3.10",
        "a recipe as a string reaches Compose exactly"
    );
    assert_eq!(
        deployment.read("/var/vcap/data/docker/running/where"),
        "/var/vcap/data/docker/running"
    );
    assert_eq!(
        deployment.read("/var/vcap/data/docker/running/docker-compose.yml"),
        recipe.trim()
    );
    let logs = deployment
        .ssh("grep -rlF 'a$b$$c' /var/vcap/sys/log")
        .stdout;
    assert_eq!(logs, "", "the password is in a log");
}
