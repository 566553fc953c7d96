//! The output of containers in the job's log directory, with a real dockerd: each line once, whatever happens.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    path::PathBuf,
    time::Instant,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use state_files::Marker;

use crate::{
    recipes::{sleeper, with},
    vm::{Vm, signal, until},
};

/// A service that writes numbered lines, so many every tenth of a second, until it has written all; then it rests.
fn writer(lines: u64, at_once: u64) -> Value {
    let program = format!(
        "BEGIN {{ for (i = 1; i <= {lines}; i++) {{ printf \"line %d of a service that writes a lot, and then some\\n\", i; \
         if (i % {at_once} == 0) {{ fflush(); system(\"busybox usleep 100000\") }} }} fflush() }}"
    );
    // $ would be Compose's.
    let script = format!(
        "trap 'echo last words; exit 0' TERM; busybox awk '{program}'; while :; do sleep 0.1; done"
    );
    json!({"image": "test:1", "command": ["sh", "-c", script], "logging": small_files()})
}

fn small_files() -> Value {
    json!({"driver": "json-file", "options": {"max-size": "1m", "max-file": "20"}})
}

/// The files of a service, the oldest first.
fn files(vm: &Vm, service: &str) -> Vec<PathBuf> {
    let rotated = |number| {
        vm.paths
            .log_dir()
            .join(format!("rotated.{service}.{number}.log"))
    };
    let mut files: Vec<_> = (1..10)
        .rev()
        .map(rotated)
        .filter(|path| path.exists())
        .collect();
    files.push(vm.paths.log_dir().join(format!("service.{service}.log")));
    files
}

fn text(vm: &Vm, service: &str) -> String {
    let read = |path: PathBuf| String::from_utf8(fs::read(path).unwrap_or_default()).unwrap();
    files(vm, service).into_iter().map(read).collect()
}

/// The numbers of the lines, in the order in which they are there.
fn numbers(text: &str) -> Vec<u64> {
    let number = |line: &str| {
        line.split_once(" stdout line ")?
            .1
            .split(' ')
            .next()?
            .parse()
            .ok()
    };
    text.lines().filter_map(number).collect()
}

/// Waits until the last line of each service is there, and sees that each of them is, once.
fn assert_each_once(vm: &Vm, services: &BTreeMap<String, u64>) {
    for (service, lines) in services {
        let end = format!(" stdout line {lines} of ");
        until(|| text(vm, service).contains(&end).then_some(())).unwrap_or_else(|| {
            panic!(
                "{service}: {} lines\n{}",
                numbers(&text(vm, service)).len(),
                vm.log()
            )
        });
        let text = text(vm, service);
        assert!(
            numbers(&text).into_iter().eq(1..=*lines),
            "{service}: {} lines of {lines}\n{}",
            numbers(&text).len(),
            vm.log()
        );
        assert!(!text.contains(" missing "), "{service}");
    }
}

/// A line and its time, container and stream.
fn line<'t>(text: &'t str, mark: &str) -> Vec<&'t str> {
    let found = text.lines().find(|line| line.contains(mark));
    found
        .unwrap_or_else(|| panic!("{mark} is not in:\n{text}"))
        .splitn(4, ' ')
        .collect()
}

fn resident(vm: &Vm) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", vm.runner_pid().unwrap())).unwrap();
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    kilobytes
        .trim()
        .trim_end_matches(" kB")
        .trim()
        .parse()
        .unwrap()
}

/// Ten services, 100,000 lines a second if the machine is up to it. What must hold does not depend on the rate.
#[test]
fn each_line_of_ten_busy_services_is_there_once_over_kills_of_the_runner() {
    let vm = Vm::start();
    let (lines, at_once) = (40_000, 1000);
    let services: BTreeMap<String, u64> = (0..10)
        .map(|number| (format!("busy{number}"), lines))
        .collect();
    let recipe: Value = services
        .iter()
        .map(|(name, lines)| (name.clone(), writer(*lines, at_once)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    vm.configure(
        &json!({"services": recipe}),
        &json!({"service_log_size_mb": 2, "service_log_files": 10}),
    );
    vm.start_runner();
    let began = Instant::now();
    let seen = |lines: usize| until(|| (numbers(&text(&vm, "busy0")).len() > lines).then_some(()));
    for kills in 0..3 {
        seen(3000 + 10_000 * kills).unwrap_or_else(|| panic!("{}", vm.log()));
        let runner = vm.runner_pid().unwrap();
        signal(runner, Signal::KILL);
        vm.wait_for_end(runner);
        vm.start_runner();
    }
    assert_each_once(&vm, &services);
    let rate = 10.0 * 40_000.0 / began.elapsed().as_secs_f64();
    println!(
        "{rate:.0} lines a second, kills included; {} kB resident at most",
        resident(&vm)
    );
    assert!(resident(&vm) < 32 << 10, "{} kB", resident(&vm));
    for service in services.keys() {
        assert!(files(&vm, service).len() > 1);
        for file in files(&vm, service) {
            assert!(fs::metadata(file).unwrap().len() <= 2 << 20);
        }
    }
    assert_eq!(
        vm.verdict_that(|verdict| verdict["state"] == "up")["state"],
        "up"
    );
}

#[test]
fn lines_say_when_and_who_and_other_people_may_touch_the_file() {
    let mut vm = Vm::start();
    let script = "echo out; echo err >&2; printf begin; busybox awk 'BEGIN { for (i = 0; i < 40000; i++) printf \"long\"; print \"\" }'; exec sleep 1000000";
    let recipe = json!({"services": {
        "dockerd": {"image": "test:1", "command": ["sh", "-c", script], "scale": 2},
        "quiet": with(sleeper(), &json!({"logging": {"driver": "none"}})),
    }});
    assert_eq!(
        vm.deploy(&recipe, &json!({}))["state"],
        "up",
        "{}",
        vm.log()
    );
    let file = vm.paths.log_dir().join("service.dockerd.log");
    let copied = || fs::read_to_string(&file).unwrap_or_default();
    until(|| (copied().matches("longlong\n").count() == 2).then_some(()))
        .unwrap_or_else(|| panic!("{} bytes", copied().len()));
    let text = copied();
    for replica in ["running-dockerd-1", "running-dockerd-2"] {
        let own: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.splitn(4, ' ').collect())
            .filter(|line: &Vec<&str>| line[1] == replica)
            .collect();
        let created: jiff::Timestamp = vm.container(replica).created.parse().unwrap();
        assert!(
            own[0][0].parse::<jiff::Timestamp>().unwrap() >= created && own[0][0].len() == 30,
            "{}",
            own[0][0]
        );
        assert!(
            own.iter().any(|line| line[2..] == ["stdout", "out"])
                && own.iter().any(|line| line[2..] == ["stderr", "err"])
        );
        // The pieces are joined, unless the other replica came between two of them.
        let long = own
            .iter()
            .filter(|line| line[2].starts_with("stdout") && line[3] != "out");
        assert_eq!(
            long.map(|line| line[3].len()).sum::<usize>(),
            "begin".len() + 160_000
        );
    }
    // dockerd's own log is another file, and a driver without files is told of once.
    assert!(
        fs::metadata(vm.paths.log_file("dockerd"))
            .unwrap()
            .is_file()
    );
    until(|| (vm.log().matches("its output is not collected").count() == 1).then_some(())).unwrap();
    // As the stemcell's logrotate does it, and as people do.
    for touch in [
        |file: &PathBuf| {
            OpenOptions::new()
                .write(true)
                .open(file)
                .unwrap()
                .set_len(0)
                .unwrap();
        },
        |file: &PathBuf| fs::remove_file(file).unwrap(),
    ] {
        touch(&file);
        vm.docker(&[
            "exec",
            "running-dockerd-1",
            "sh",
            "-c",
            "echo after that >/proc/1/fd/1",
        ]);
        until(|| (copied().matches("stdout after that").count() == 1).then_some(()))
            .unwrap_or_else(|| panic!("{}", copied()));
        assert_eq!(copied().lines().count(), 1);
    }
    // Without dockerd, what was written before it went is copied; with it again, collecting goes on.
    vm.end_dockerd();
    vm.start_dockerd();
    vm.docker(&[
        "exec",
        "running-dockerd-2",
        "sh",
        "-c",
        "echo back again >/proc/1/fd/2",
    ]);
    until(|| {
        copied()
            .contains("running-dockerd-2 stderr back again")
            .then_some(())
    })
    .unwrap_or_else(|| panic!("{}", copied()));
}

#[test]
fn last_words_are_there_after_failures_updates_stops_and_removals() {
    let vm = Vm::start();
    let crashing = json!({"services": {"web": {"image": "test:1", "restart": "always", "command": ["sh", "-c", "printf I.cannot; exit 7"]}}});
    let more = &json!({"restart_limit": {"restarts": 2, "seconds": 300}});
    assert_eq!(vm.deploy(&crashing, more)["state"], "failed");
    let last_words = || {
        text(&vm, "web")
            .matches("running-web-1 stdout I.cannot\n")
            .count()
    };
    until(|| (last_words() >= 2).then_some(())).unwrap_or_else(|| panic!("{}", text(&vm, "web")));

    let talker = |version: u32| {
        let script = format!(
            "trap 'echo end of {version}; exit 0' TERM; echo start of {version}; while :; do sleep 0.1; done"
        );
        json!({"services": {"web": {"image": "test:1", "command": ["sh", "-c", script]}}})
    };
    assert_eq!(
        vm.deploy(&talker(1), &json!({}))["state"],
        "up",
        "{}",
        vm.log()
    );
    // Compose removes the old container in the update.
    assert_eq!(
        vm.deploy(&talker(2), &json!({}))["state"],
        "up",
        "{}",
        vm.log()
    );
    until(|| {
        text(&vm, "web")
            .contains(" stdout end of 1\n")
            .then_some(())
    })
    .unwrap_or_else(|| panic!("{}", text(&vm, "web")));
    vm.stop();
    assert_eq!(line(&text(&vm, "web"), "end of 2")[1], "running-web-1");
    vm.start_runner();
    assert_eq!(vm.verdict()["state"], "up", "{}", vm.log());
    // While nobody collects, and then permanently.
    let runner = vm.runner_pid().unwrap();
    signal(runner, Signal::KILL);
    vm.wait_for_end(runner);
    vm.docker(&[
        "exec",
        "running-web-1",
        "sh",
        "-c",
        "echo nobody listens >/proc/1/fd/1",
    ]);
    Marker::new(vm.paths.deleting()).set().unwrap();
    vm.stop();
    let text = text(&vm, "web");
    for once in ["start of 1", "end of 1", "nobody listens"] {
        assert_eq!(
            text.matches(&format!(" {once}\n")).count(),
            1,
            "{once}: {text}"
        );
    }
    assert_eq!(text.matches(" end of 2\n").count(), 2, "{text}");
    assert!(!text.contains(" missing "), "{text}");
    let positions = fs::read_to_string(vm.paths.service_logs_dir().join("positions.json")).unwrap();
    let positions: Value = serde_json::from_str(&positions).unwrap();
    assert_eq!(
        positions["containers"],
        json!({}),
        "containers that are gone are forgotten"
    );
}

#[test]
fn output_that_was_rotated_away_while_the_runner_was_down_is_told_as_missing() {
    let vm = Vm::start();
    let writes = "echo first; while [ ! -e /go ]; do sleep 0.1; done; busybox seq 1 200000; echo last; exec sleep 1000000";
    let logging = json!({"driver": "json-file", "options": {"max-size": "1m", "max-file": "2"}});
    let recipe = json!({"services": {"web": {"image": "test:1", "command": ["sh", "-c", writes], "logging": logging}}});
    assert_eq!(
        vm.deploy(&recipe, &json!({}))["state"],
        "up",
        "{}",
        vm.log()
    );
    until(|| text(&vm, "web").contains(" first\n").then_some(())).unwrap();
    let runner = vm.runner_pid().unwrap();
    signal(runner, Signal::TERM);
    vm.wait_for_end(runner);
    vm.exec("running-web-1", &["touch", "/go"]);
    let last = || {
        String::from_utf8_lossy(&vm.docker(&["logs", "--tail", "1", "running-web-1"]).stdout)
            .contains("last")
    };
    until(|| last().then_some(())).unwrap();
    vm.start_runner();
    until(|| text(&vm, "web").contains(" last\n").then_some(()))
        .unwrap_or_else(|| panic!("{}", vm.log()));
    let text = text(&vm, "web");
    assert_eq!(
        text.matches("running-web-1 missing output between 2")
            .count(),
        1
    );
    let numbers: Vec<u64> = text
        .lines()
        .filter_map(|line| line.splitn(4, ' ').nth(3)?.parse().ok())
        .collect();
    assert!(
        numbers.len() < 200_000 && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "one hole, at the beginning"
    );
}
