//! Stops, starts and restarts by monit, which waits for the process of the pidfile and not for the program that it runs.

use std::thread;
use std::time::Duration;

use release_tests::wait_until;

use crate::chain::Chain;

#[test]
fn restarts_stop_all_services_in_order_before_any_starts_again_no_matter_who_asks_and_how_often() {
    let chain = Chain::deploy("e2e-restarts");
    for commands in [
        "monit restart compose",
        "monit restart compose; sleep 1; monit restart compose",
        "monit restart docker; sleep 1; monit restart compose",
        "monit restart all",
    ] {
        let since = chain.now();
        chain.ok(commands);
        chain.wait_until_restarted(commands, &since);
    }

    // beside monit, in both orders
    chain.ok("monit unmonitor all; sleep 1");
    for commands in [
        "$bin/compose stop & sleep 1; $bin/compose start; wait",
        "$bin/compose stop; $bin/docker stop & sleep 0.3; $bin/docker start; wait; $bin/compose start",
    ] {
        let since = chain.now();
        chain.ok(commands);
        chain.wait_until_restarted(commands, &since);
    }
    for commands in [
        "$bin/compose stop; $bin/compose start & sleep 0.3; $bin/compose stop; wait; $bin/docker stop",
        "$bin/docker start & sleep 0.3; $bin/docker stop; wait",
    ] {
        chain.ok(commands);
        chain.wait_until_down(commands);
    }
    chain.ok("monit start all");
    chain.wait_until_up("a start after a stop that met a start");
}

#[test]
fn a_stop_keeps_the_reverse_order_and_long_grace_periods_and_survives_a_reboot() {
    let chain = Chain::deploy("e2e-stops");
    chain.slow(35);
    let events = "docker events --filter event=die --format '{{.Time}} {{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}}'";
    chain.ok(&format!(
        "setsid {events} >/var/vcap/data/deaths 2>/dev/null </dev/null & sleep 1; monit stop all"
    ));
    chain.wait_until_down("monit stop all");
    let deaths = chain.ok("cat /var/vcap/data/deaths");
    let deaths: Vec<Vec<&str>> = deaths
        .lines()
        .map(|line| line.split(' ').collect())
        .collect();
    let names: Vec<&str> = deaths.iter().map(|death| death[1]).collect();
    assert_eq!(names, ["running-web-1", "running-app-1", "running-db-1"]);
    assert_eq!(deaths[1][2], "0", "app has not ended by itself");
    let time = |death: &[&str]| death[0].parse::<u64>().unwrap();
    assert!(time(&deaths[1]) - time(&deaths[0]) >= 33, "{deaths:?}");
    chain.ok("monit start all");
    chain.wait_until_up("monit start all");

    chain.slow(20);
    chain.ok("monit stop all");
    wait_until(
        "the services are being stopped",
        Duration::from_secs(20),
        || !chain.ok("composes stop").is_empty(),
    );
    chain.deployment.solo(&["reboot", "docker/0"]).ok();
    // monit keeps in mind what was to be stopped, which was compose alone.
    chain.wait_for_engine();
    chain.start_until_up("a reboot in the middle of a stop");
}

#[test]
fn a_stop_ends_and_a_start_brings_the_same_back_whichever_process_dies_in_the_middle() {
    let chain = Chain::deploy("e2e-stop-deaths");
    let services = "composes stop";
    for (victim, moment, pids) in [
        ("the runner", services, "cat $run/compose.pid"),
        ("the stop program", services, "doing compose-runner stop"),
        ("docker-compose", services, "composes stop"),
        ("dockerd", services, "pidof dockerd"),
        (
            "docker-ctl",
            "doing docker-ctl stop",
            "doing docker-ctl stop",
        ),
    ] {
        let what = format!("kill -9 of {victim} in a stop");
        chain.slow(6);
        chain.ok("monit stop all");
        chain.ok(&format!(
            "for n in $(seq 600); do [ -z \"$({moment})\" ] || break; sleep 0.05; done; sleep 0.3; kill -9 $({pids})"
        ));
        thread::sleep(Duration::from_secs(1));
        chain.wait_until_down(&what);
        chain.ok("monit start all");
        chain.wait_until_up(&what);
    }
}
