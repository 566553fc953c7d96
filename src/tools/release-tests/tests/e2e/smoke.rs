//! The errand `smoke-tests` under BOSH's life cycle.

use std::time::Duration;

use release_tests::{Deployment, repository, wait_until};

use crate::sleepers;

const LIMIT: Duration = Duration::from_mins(1);

#[test]
fn the_errand_proves_the_vm_twice_leaves_nothing_and_names_what_is_broken() {
    let mut deployment = Deployment::new("e2e-smoke").recipe(sleepers(&["web"]));
    let ops = |name: &str| {
        let path = repository().join("manifests/operations").join(name);
        path.to_string_lossy().into_owned()
    };
    let (tls, smoke) = (ops("enable-tls.yml"), ops("smoke-tests.yml"));
    deployment.arguments(&[
        "-o",
        &tls,
        "-v",
        "docker_bind=5001",
        "-v",
        "docker_names=[127.0.0.1]",
        "-o",
        &smoke,
    ]);
    deployment.deploy_ok();
    let inventory = || {
        let mut all = inventory_of(&deployment);
        all.sort();
        all
    };
    let status = deployment
        .ssh(". /var/vcap/jobs/docker/envrc && docker-ctl status")
        .ok();
    for shown in [
        "recipe: up",
        "volumes",
        " free on /var/vcap/",
        "running-web-1  web      running",
    ] {
        assert!(status.contains(shown), "{shown}: {status}");
    }
    let before = inventory();
    for _ in 0..2 {
        let said = deployment.solo(&["run-errand", "smoke-tests"]).ok();
        for check in [
            "engine", "import", "network", "port", "volume", "logs", "tls", "cleanup",
        ] {
            assert!(
                said.contains(&format!(" ok      {check}")),
                "{check}: {said}"
            );
        }
        assert!(
            said.contains("Exit Code  0") && !said.contains("FAILED"),
            "{said}"
        );
        assert_eq!(inventory(), before);
    }
    deployment.ssh("monit stop docker").ok();
    wait_until("dockerd stops", LIMIT, || {
        deployment
            .ssh("test ! -e /var/vcap/sys/run/docker/docker.pid")
            .code
            == 0
    });
    let outcome = deployment.solo(&["run-errand", "smoke-tests"]);
    assert_eq!(outcome.code, 1, "{}", outcome.text());
    assert!(
        outcome.stdout.contains("Exit Code  1") && outcome.stdout.contains("FAILED  engine"),
        "{}",
        outcome.text()
    );
    assert!(
        outcome
            .stderr
            .contains("completed with error (exit code 1)"),
        "{}",
        outcome.text()
    );
}

/// Every container, image, volume and network, by ID or name.
fn inventory_of(deployment: &Deployment) -> Vec<String> {
    [
        "ps --all --no-trunc",
        "image ls --all --no-trunc",
        "volume ls",
        "network ls --no-trunc",
    ]
    .iter()
    .flat_map(|list| {
        let listed = deployment.docker(&format!("{list} --quiet")).ok();
        listed.lines().map(str::to_owned).collect::<Vec<_>>()
    })
    .collect()
}
