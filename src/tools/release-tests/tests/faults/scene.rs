//! A recipe whose data is watched through the faults: a file in a named and one in an anonymous volume, and a service that
//! goes on appending numbered lines, each synced.

use std::cell::Cell;
use std::time::{Duration, Instant};

use release_tests::{Deployment, Outcome, sleeper};
use serde_json::{Value, json};

use crate::inventory::Inventory;

/// Monit's cycles, a start, and a machine that is busy with other things.
pub const LIMIT: Duration = Duration::from_secs(90);

/// Longest that a program which hangs on the instance is waited for.
const SSH: &str = "timeout 170";

const LIBRARY: &str = include_str!("instance.sh");

/// What the service `db` does: it is healthy two seconds after its start, so that there is a time in which Compose waits.
const WRITER: &str = "rm -f /tmp/ok; touch /data/lines; n=$(tail -n 1 /data/lines); n=${n:-0}; { sleep 2; touch /tmp/ok; } & \
    trap 'exit 0' TERM; while :; do n=$((n + 1)); \
    if echo $n >>/data/lines; then sync /data/lines; echo $n >/data/.synced && sync /data/.synced && mv /data/.synced /data/synced; \
    else n=$((n - 1)); fi; sleep 0.1; done";

/// A deployment with data to lose.
pub struct Scene {
    pub deployment: Deployment,
    anonymous: String,
    sums: String,
    lines: Cell<u64>,
    before: Inventory,
}

/// How the recipe came through a fault.
#[derive(Debug)]
enum Recovery {
    /// Back, without anybody's help.
    Back(Duration),
    /// Not back, and the runner or docker-ctl said why.
    Told(String),
}

/// The recipe, with a service `app` that an update of `round` changes, and that takes three seconds to stop.
pub fn recipe(round: &str) -> Value {
    let db = json!({
        "command": ["sh", "-c", WRITER.replace('$', "$$")], "volumes": ["data:/data", "/anonymous"], "stop_grace_period": "5s",
        "healthcheck": {"test": ["CMD", "test", "-e", "/tmp/ok"], "interval": "500ms", "timeout": "5s", "retries": 60},
    });
    let app = json!({
        "command": ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"], "stop_grace_period": "3s",
        "environment": {"ROUND": round}, "depends_on": {"db": {"condition": "service_healthy"}},
    });
    json!({"services": {"db": sleeper(db), "app": sleeper(app)}, "volumes": {"data": {}}})
}

impl Scene {
    /// Deploys, and fills the volumes.
    pub fn new(name: &str) -> Self {
        Self::of(Deployment::new(name))
    }

    /// The same of a deployment with further settings.
    pub fn of(deployment: Deployment) -> Self {
        let deployment = deployment
            .property("stable_seconds", json!(1))
            .recipe(recipe("0"));
        deployment.deploy_ok();
        let mut scene = Self {
            deployment,
            anonymous: String::new(),
            sums: String::new(),
            lines: Cell::new(0),
            before: Inventory::default(),
        };
        let volumes = scene.ok("docker inspect --format '{{range .Mounts}}{{.Name}} {{.Destination}}\n{{end}}' running-db-1");
        let anonymous = volumes
            .lines()
            .find_map(|line| line.strip_suffix(" /anonymous"));
        scene.anonymous = anonymous.unwrap_or_else(|| panic!("{volumes}")).into();
        scene.ok(&format!(
            "for volume in running_data {}; do head -c 4000000 /dev/urandom >$volumes/$volume/_data/precious; sync $volumes/$volume/_data/precious; done",
            scene.anonymous
        ));
        scene.sums = scene.sums();
        scene.before = scene.inventory();
        scene
    }

    /// Runs commands on the instance, with the functions of `instance.sh`.
    pub fn run(&self, commands: &str) -> Outcome {
        // no here-document: the shell would write it to /tmp, which may be full
        let script = format!("{LIBRARY}\n{commands}").replace('\'', "'\\''");
        self.deployment.ssh(&format!("{SSH} bash -c '{script}'"))
    }

    /// The same of commands that must succeed.
    pub fn ok(&self, commands: &str) -> String {
        let outcome = self.run(commands);
        assert_eq!(
            outcome.code,
            0,
            "{commands}: {}\n{}",
            outcome.text(),
            self.deployment.logs()
        );
        outcome.stdout
    }

    fn sums(&self) -> String {
        self.ok(&format!(
            "cd $volumes && sha256sum running_data/_data/precious {}/_data/precious",
            self.anonymous
        ))
    }

    /// Nothing in a volume has been lost: neither the files, nor a line that was synced.
    pub fn assert_data(&self, after: &str) {
        assert_eq!(
            self.sums(),
            self.sums,
            "after {after}: a volume has changed"
        );
        let lines: u64 = self
            .ok("count_lines $volumes/running_data/_data")
            .trim()
            .parse()
            .unwrap();
        assert!(
            lines >= self.lines.get(),
            "after {after}: {lines} lines, {} before",
            self.lines.get()
        );
        self.lines.set(lines);
    }

    pub fn inventory(&self) -> Inventory {
        Inventory::parse(&self.ok("inventory"))
    }

    /// Nothing is there that was not before the first fault. What is on its way out gets some time.
    pub fn assert_no_leak(&self, after: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let leaks = self.inventory().more_than(&self.before);
            if leaks.is_empty() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "after {after}: {leaks:?} have leaked\n{}",
                self.run("ps -e -o pid,ppid,stat,etimes,args; grep /var/vcap /proc/self/mounts; ls -la $run /var/vcap/data/docker/tmp").text()
            );
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// Waits until the recipe is healthy; monit's cycles come as quickly as they may.
    fn wait_until_well(&self, after: &str) -> Duration {
        let began = Instant::now();
        let outcome = self.run(&format!("within {} woken well", LIMIT.as_secs()));
        assert_eq!(
            outcome.code,
            0,
            "after {after}: the recipe is not back within {} s: {}\n{}\n{}",
            LIMIT.as_secs(),
            outcome.text(),
            self.run("monit summary; docker ps --all; cat $run/verdict.json; ps -e -o pid,ppid,stat,etimes,args").text(),
            self.deployment.logs()
        );
        began.elapsed()
    }

    /// Waits until the recipe is healthy, or the runner says why it is not.
    fn wait_until_settled(&self, after: &str) -> Recovery {
        let began = Instant::now();
        let outcome = self.run(&format!(
            "within {} woken settled && well && echo back",
            LIMIT.as_secs()
        ));
        if outcome.stdout.contains("back") {
            return Recovery::Back(began.elapsed());
        }
        let told = self.run("grep -h '\"what\"' $run/verdict.json $run/refused.json");
        assert!(
            told.stdout.contains("what"),
            "after {after}: not back within {} s, and nobody says why: {}\n{}\n{}",
            LIMIT.as_secs(),
            outcome.text(),
            self.run("monit summary; docker ps --all; cat $run/verdict.json; ps -e -o pid,ppid,stat,etimes,args").text(),
            self.deployment.logs()
        );
        Recovery::Told(told.stdout.trim().to_owned())
    }

    /// The recipe is back or it was said why not, and then one restart by monit brings it back; no byte and nothing else
    /// was lost or left.
    pub fn assert_recovers(&self, after: &str) {
        let recovery = self.wait_until_settled(after);
        let told = match &recovery {
            Recovery::Back(took) => format!("back after {} ms", took.as_millis()),
            Recovery::Told(why) => {
                self.ok("monit restart compose; sleep 1; wake_monit");
                let took = self.wait_until_well(after).as_millis();
                format!("told: {why}; back {took} ms after monit restart compose")
            }
        };
        println!("{after}: {told}");
        self.assert_data(after);
        self.assert_no_leak(after);
    }

    /// The same, and the recipe needs nobody's help.
    pub fn assert_heals(&self, after: &str) {
        let took = self.wait_until_well(after).as_millis();
        println!("{after}: well after {took} ms");
        self.assert_data(after);
        self.assert_no_leak(after);
    }

    /// A stop has left neither the engine nor a container.
    pub fn assert_nothing_runs(&self, after: &str) {
        let left = self.run("pidof dockerd containerd containerd-shim-runc-v2");
        assert_eq!(left.stdout, "", "left after {after}");
    }

    /// Stops both processes as an operator does.
    pub fn stop(&self) {
        self.ok(&format!(
            "monit stop all; sleep 0.5; within {} woken stopped",
            LIMIT.as_secs()
        ));
    }
}
