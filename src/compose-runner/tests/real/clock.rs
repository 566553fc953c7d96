//! The VM's clock is set while the runner lives. libfaketime sets it for the runner alone, as it sees it: the machine's own clock
//! stays as it is.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    recipes::{sleeper, with},
    vm::{Vm, until},
};

/// From Debian's package `libfaketime`, which ci/setup installs.
fn library() -> PathBuf {
    let places = fs::read_dir("/usr/lib").unwrap().flatten();
    places
        .map(|place| place.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.is_file())
        .expect("libfaketime is not installed; ci/setup installs it")
}

struct Clock {
    vm: Vm,
    file: PathBuf,
}

impl Clock {
    fn new() -> Self {
        let vm = Vm::start();
        let file = vm.root().join("clock");
        let clock = Self { vm, file };
        clock.set("+0");
        clock
    }

    fn set(&self, offset: &str) {
        // whole at once: the runner reads it at each look at the clock
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{offset}\n")).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    fn start_runner(&self) {
        let environment = [
            ("LD_PRELOAD", library().display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            // what nobody sets
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        self.vm.start_runner_with(&environment);
    }

    fn recipe(&self, recipe: &Value, stable_seconds: u64) {
        self.vm
            .configure(recipe, &json!({"stable_seconds": stable_seconds}));
        self.start_runner();
    }

    /// When the container is seen running first.
    fn running(&self, name: &str) -> Instant {
        let runs = || {
            let container = self.vm.engine().inspect_container(name).ok()?;
            (container.state.status == docker_engine::Status::Running).then(Instant::now)
        };
        until(runs).unwrap_or_else(|| panic!("{name} does not run\n{}", self.vm.log()))
    }
}

#[test]
fn a_clock_that_is_set_forward_makes_nothing_stable_before_its_time() {
    let clock = Clock::new();
    clock.recipe(&json!({"services": {"web": sleeper()}}), 6);
    let began = clock.running("running-web-1");
    clock.set("+3600");
    let verdict = clock.vm.verdict();
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", clock.vm.log());
    // The look at the container came a little after its start.
    assert!(
        began.elapsed() > Duration::from_secs(4),
        "up after {:?}\n{}",
        began.elapsed(),
        clock.vm.log()
    );
    // The runner has seen the jump, or this test shows nothing.
    let since: jiff::Timestamp = verdict["since"].as_str().unwrap().parse().unwrap();
    assert!(since.duration_since(jiff::Timestamp::now()) > jiff::SignedDuration::from_mins(30));
}

#[test]
fn a_clock_that_is_set_back_and_forth_is_no_news_and_a_death_still_is() {
    let clock = Clock::new();
    let mortal = json!({"image": "test:1", "restart": "no", "command": ["sh", "-c", "while ! test -e /die; do sleep 0.1; done; exit 7"]});
    let recipe = json!({"services": {"web": sleeper(), "mortal": with(sleeper(), &mortal)}});
    clock.recipe(&recipe, 3);
    clock.running("running-web-1");
    clock.set("-7200");
    let up = clock.vm.verdict();
    assert_eq!(up["state"], "up", "{up:#}\n{}", clock.vm.log());
    for offset in ["+86400", "-86400", "+0"] {
        clock.set(offset);
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(clock.vm.verdict(), up, "{offset}");
        assert!(clock.vm.health().is_some(), "{offset}");
    }
    clock.set("-7200");
    clock.vm.exec("running-mortal-1", &["touch", "/die"]);
    let failed = clock
        .vm
        .verdict_that(|verdict| verdict["state"] == "failed");
    assert!(
        failed.to_string().contains("exited with 7"),
        "{failed:#}\n{}",
        clock.vm.log()
    );
}
