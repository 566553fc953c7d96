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

/// A job whose stop program outlives its process, and whose start program outlives the pidfile's appearance.
const SLOW: &str = r#"check process slow
  with pidfile /var/vcap/sys/run/slow.pid
  start program = "/bin/bash /var/vcap/data/slow start"
    with timeout 20 seconds
  stop program "/bin/bash /var/vcap/data/slow 'stop'" with timeout 15 seconds
  group vcap
"#;

const SLOW_PROGRAM: &str = r#"exec 3>>/var/vcap/data/slow.log
pidfile=/var/vcap/sys/run/slow.pid
echo "$1 begins" >&3
streams=$(readlink /proc/$$/fd/{0,1,2} | xargs)
case $1 in
start)
  { env; echo umask $(umask); echo nice $(($(ps -o ni= -p $$) - $(ps -o ni= -p 1))); echo parent $PPID
    echo streams $streams; grep SigIgn /proc/self/status; } >/var/vcap/data/slow.facts
  setsid sleep 321 >/dev/null 2>&1 </dev/null 3>&- &
  echo $! >$pidfile
  ;;
stop)
  sleep 1
  kill $(cat $pidfile)
  ;;
esac
sleep 5
echo "$1 ends" >&3
exit 1
"#;

fn install_slow(instance: &Instance) {
    let host = |path: &str| instance.host_path(path).unwrap();
    fs::write(host("/var/vcap/data/slow"), SLOW_PROGRAM).unwrap();
    fs::write(
        host("/var/vcap/monit/job/0000_slow.monitrc"),
        solo_instance::detach_programs(SLOW).unwrap(),
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
fn programs_run_as_under_monit_5_2_5_which_waits_for_the_process_and_not_for_them() {
    let deployment = Deployment::new("slow");
    let instance = deployment.boot(0);
    install_slow(&instance);
    eventually("slow runs", Duration::from_secs(30), || {
        toy_runs(&instance).is_some()
    });
    let log = instance.host_path("/var/vcap/data/slow.log").unwrap();
    let lines = || -> Vec<String> {
        let text = fs::read_to_string(&log).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    eventually("the start program ends", Duration::from_secs(10), || {
        lines() == ["start begins", "start ends"]
    });

    let facts = fs::read_to_string(instance.host_path("/var/vcap/data/slow.facts").unwrap());
    let facts = facts.unwrap();
    for fact in [
        "PATH=/bin:/usr/bin:/sbin:/usr/sbin",
        "MONIT_SERVICE=slow",
        "umask 0022\n",
        "nice -10\n",
        "parent 1\n",
        "streams /dev/null /dev/null /dev/null\n",
    ] {
        assert!(facts.contains(fact), "{fact:?} is not in\n{facts}");
    }
    assert!(!facts.contains("HOME="), "{facts}");
    let ignored = facts.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = u64::from_str_radix(ignored.unwrap().trim(), 16).unwrap();
    assert_eq!(ignored & 1, 0, "SIGHUP is ignored: {facts}");

    // The first start has ended with 1, which monit does not see.
    assert_eq!(instance.monit(&["restart", "slow"]).unwrap().code(), 0);
    eventually("both programs have run", Duration::from_secs(40), || {
        lines().len() == 6
    });
    assert_eq!(
        lines()[2..],
        ["stop begins", "start begins", "stop ends", "start ends"]
    );
    eventually("slow runs", Duration::from_secs(15), || {
        toy_runs(&instance).is_some()
    });
}

#[test]
fn a_process_whose_parent_changes_shows_as_failing_for_a_cycle() {
    let deployment = Deployment::new("adopted");
    let instance = deployment.boot(0);
    let host = |path: &str| instance.host_path(path).unwrap();
    // The process is the start program's child for longer than a cycle of monit.
    let program =
        "sleep 321 >/dev/null 2>&1 </dev/null &\necho $! >/var/vcap/sys/run/toy.pid\nsleep 14\n";
    fs::write(host("/var/vcap/data/toy"), program).unwrap();
    fs::write(
        host("/var/vcap/monit/job/0000_toy.monitrc"),
        solo_instance::detach_programs(TOY).unwrap(),
    )
    .unwrap();
    instance.monit_reload().unwrap();
    eventually("toy runs", Duration::from_secs(30), || {
        toy_runs(&instance).is_some()
    });
    eventually("toy fails", Duration::from_secs(30), || {
        instance.monit_status().unwrap().services[0].state == ServiceState::Failing
    });
    let log = fs::read_to_string(host("/var/vcap/monit/monit.log")).unwrap();
    assert!(log.contains("'toy' process PPID changed from"), "{log}");
    eventually("toy runs again", Duration::from_secs(15), || {
        toy_runs(&instance).is_some()
    });
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
