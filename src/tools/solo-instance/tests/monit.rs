//! Real monit inside an instance. Needs root.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no test functions to clippy"
)]

mod common;

use std::fs;
use std::time::Duration;

use common::{Deployment, eventually, sh};
use solo_instance::{Instance, ServiceState};

const TOY: &str = r#"check process toy
  with pidfile /var/vcap/sys/run/toy.pid
  start program "/bin/bash /var/vcap/data/toy" with timeout 20 seconds
  stop program "/bin/bash -c 'kill $(cat /var/vcap/sys/run/toy.pid)'"
  group vcap
"#;

const PROGRAM: &str = "env | sort > /var/vcap/data/toy.env\n\
                       setsid sleep 321 > /dev/null 2>&1 < /dev/null &\n\
                       echo $! > /var/vcap/sys/run/toy.pid\n";

fn install(instance: &Instance) {
    fs::write(instance.host_path("/var/vcap/data/toy").unwrap(), PROGRAM).unwrap();
    fs::write(
        instance
            .host_path("/var/vcap/monit/job/0000_toy.monitrc")
            .unwrap(),
        TOY,
    )
    .unwrap();
    instance.monit_reload().unwrap();
}

fn toy_runs(instance: &Instance) -> Option<i32> {
    let status = instance.monit_status().unwrap();
    let toy = status.services.first()?;
    (toy.state == ServiceState::Running)
        .then_some(toy.pid)
        .flatten()
}

#[test]
fn monit_runs_a_process_and_brings_it_back() {
    let deployment = Deployment::new("toy");
    let instance = deployment.boot(0);
    let empty = instance.monit_status().unwrap();
    assert_eq!((empty.services.len(), empty.agent_state()), (0, "running"));

    install(&instance);
    eventually("toy runs", Duration::from_secs(30), || {
        toy_runs(&instance).is_some()
    });
    let first = toy_runs(&instance).unwrap();
    assert_eq!(instance.monit_status().unwrap().agent_state(), "running");
    let environment =
        fs::read_to_string(instance.host_path("/var/vcap/data/toy.env").unwrap()).unwrap();
    let own = [
        "PATH=/bin:/usr/bin:/sbin:/usr/sbin",
        "PWD=/",
        "SHLVL=",
        "_=",
    ];
    for line in environment.lines() {
        assert!(
            line.starts_with("MONIT_") || own.iter().any(|known| line.starts_with(known)),
            "{line}"
        );
    }

    sh(&instance, &format!("kill -9 {first}"));
    eventually("toy is back", Duration::from_secs(30), || {
        toy_runs(&instance).is_some_and(|pid| pid != first)
    });

    assert_eq!(instance.monit(&["stop", "toy"]).unwrap().code(), 0);
    eventually("toy is stopped", Duration::from_secs(30), || {
        let status = instance.monit_status().unwrap();
        let toy = &status.services[0];
        !toy.monitored
            && !toy.pending
            && toy.state == ServiceState::Unmonitored
            && status.agent_state() == "failing"
    });
    instance.reboot(true).unwrap();
    assert_eq!(sh(&instance, "cat /var/vcap/monit/job/*"), TOY.trim_end());
}

#[test]
fn a_monit_file_with_an_error_is_shown_and_can_be_put_right() {
    let deployment = Deployment::new("badmonit");
    let instance = deployment.boot(0);
    let file = instance
        .host_path("/var/vcap/monit/job/0000_bad.monitrc")
        .unwrap();
    fs::write(&file, "check process x with pidfle /x\n").unwrap();
    let error = instance.monit_reload().unwrap_err().to_string();
    assert!(
        error.contains("0000_bad.monitrc") && error.contains("pidfle"),
        "{error}"
    );
    fs::remove_file(file).unwrap();
    instance.monit_reload().unwrap();
}

#[test]
fn monit_that_is_killed_comes_back() {
    let deployment = Deployment::new("monitdies");
    let instance = deployment.boot(0);
    sh(&instance, "kill -9 $(cat /var/vcap/monit/monit.pid)");
    eventually("monit answers", Duration::from_secs(10), || {
        instance.monit_status().is_ok()
    });
}
