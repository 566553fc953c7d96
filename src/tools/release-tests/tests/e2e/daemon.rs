//! Hard deaths of the processes, and stops with a dead daemon.

use std::time::{Duration, Instant};

use release_tests::{Deployment, wait_until};

use crate::sleepers;

const LIMIT: Duration = Duration::from_mins(1);

/// dockerd and containerd unpack gzip'd layers by the release's own `unpigz`, if they find it.
fn assert_finds_unpigz(deployment: &Deployment, program: &str) {
    let path = deployment
        .ssh(&format!(
            "tr '\\0' '\\n' </proc/$(pidof {program})/environ | sed -n 's/^PATH=//p'"
        ))
        .ok();
    assert_eq!(
        deployment
            .ssh(&format!("PATH={path} command -v unpigz"))
            .ok(),
        "/var/vcap/packages/containers/libexec/unpigz",
        "of {program}"
    );
}

#[test]
fn killed_processes_come_back_and_the_containers_run_through_it() {
    let deployment = Deployment::new("e2e-kill").recipe(sleepers(&["web"]));
    deployment.deploy_ok();
    let before = deployment.started_at("web");
    assert_finds_unpigz(&deployment, "dockerd");
    assert_finds_unpigz(&deployment, "containerd");

    deployment
        .ssh("kill -9 $(cat /var/vcap/sys/run/docker/docker.pid)")
        .ok();
    let took = wait_until("dockerd is back", Duration::from_secs(30), || {
        deployment.docker("ps").code == 0
    });
    println!("dockerd back after {} ms", took.as_millis());
    assert_eq!(
        deployment.started_at("web"),
        before,
        "after kill -9 of dockerd"
    );
    wait_until("both processes run", LIMIT, || {
        deployment.state(Some("compose")) == "running"
            && deployment.state(Some("docker")) == "running"
    });
    assert_eq!(
        deployment.started_at("web"),
        before,
        "after the runner's restart"
    );

    deployment.ssh("kill -9 $(pidof containerd)").ok();
    wait_until(
        "docker exec works after kill -9 of containerd",
        LIMIT,
        || deployment.docker("exec running-web-1 true").code == 0,
    );
    assert_eq!(
        deployment.started_at("web"),
        before,
        "after kill -9 of containerd"
    );

    let runner = "cat /var/vcap/sys/run/docker/compose.pid";
    let old = deployment.ssh(runner).ok();
    deployment.ssh(&format!("kill -9 {old}")).ok();
    wait_until(
        "the runner is back within two cycles of monit",
        Duration::from_secs(25),
        || {
            let new = deployment.ssh(runner).stdout.trim().to_owned();
            !new.is_empty() && new != old && deployment.ssh(&format!("kill -0 {new}")).code == 0
        },
    );
    assert_eq!(
        deployment.started_at("web"),
        before,
        "after kill -9 of compose-runner"
    );
}

#[test]
fn stop_with_a_dead_daemon_is_quick_and_spares_a_foreign_process() {
    let deployment = Deployment::new("e2e-dead").recipe(sleepers(&["web"]));
    deployment.deploy_ok();
    deployment.ssh("monit unmonitor all").ok();
    wait_until("monit lets go", LIMIT, || {
        deployment.state(Some("docker")) != "running"
    });
    let before = deployment
        .docker("inspect --format '{{.State.Pid}}' running-web-1")
        .ok();
    deployment
        .ssh("kill -9 $(cat /var/vcap/sys/run/docker/docker.pid)")
        .ok();
    // a stranger gets the daemon's old PID
    deployment
        .ssh("setsid sleep 600 >/dev/null 2>&1 </dev/null & echo $! > /var/vcap/sys/run/docker/docker.pid")
        .ok();
    let stranger = deployment.read("/var/vcap/sys/run/docker/docker.pid");

    for program in ["compose", "docker"] {
        let start = Instant::now();
        let outcome = deployment.ssh(&format!("/var/vcap/jobs/docker/bin/{program} stop"));
        assert_eq!(
            outcome.code,
            0,
            "{program} stop: {}\n{}",
            outcome.text(),
            deployment.logs()
        );
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "{program} stop took {:?}",
            start.elapsed()
        );
    }
    assert_eq!(
        deployment.ssh(&format!("kill -0 {stranger}")).code,
        0,
        "the stranger was killed"
    );
    assert_eq!(
        deployment.ssh(&format!("kill -0 {before}")).code,
        0,
        "a container was touched"
    );

    // the next start puts things right, with the stranger's PID in the pidfile again
    deployment
        .ssh(&format!(
            "echo {stranger} > /var/vcap/sys/run/docker/docker.pid"
        ))
        .ok();
    deployment
        .ssh("/var/vcap/jobs/docker/bin/docker start")
        .ok();
    deployment.solo(&["start"]).ok();
    assert_eq!(
        deployment.ssh(&format!("kill -0 {stranger}")).code,
        0,
        "the stranger was killed by start"
    );
    assert_eq!(
        deployment
            .docker("inspect --format '{{.State.Pid}}' running-web-1")
            .ok(),
        before
    );
    wait_until("BOSH sees it running", LIMIT, || {
        deployment.state(None) == "running"
    });
}
