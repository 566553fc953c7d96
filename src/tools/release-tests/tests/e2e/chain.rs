//! A chain of services, db <- app <- web, of which one takes its time to stop, and what tells in which order they were
//! stopped and started.

use std::time::{Duration, Instant};

use release_tests::Deployment;
use serde_json::{Value, json};

use crate::sleeper;

/// In the order in which they start.
pub const SERVICES: [&str; 3] = ["db", "app", "web"];

const LIMIT: Duration = Duration::from_secs(90);

/// Ends some seconds after SIGTERM, as many as the file `/slow` says.
const APP: &str =
    "trap 'sleep $(cat /slow); exit 0' TERM; echo 3 >/slow; while :; do sleep 1 & wait $!; done";

/// Functions in front of the commands that run on the instance.
const LIBRARY: &str = r#"
. /var/vcap/jobs/docker/envrc
bin=/var/vcap/jobs/docker/bin
run=/var/vcap/sys/run/docker
# PIDs of program $1 whose first argument is $2
doing() { for pid in $(pidof "$1"); do [ "$(tr '\0' '\n' <"/proc/$pid/cmdline" | sed -n 2p)" = "$2" ] && echo "$pid"; done; :; }
composes() { for pid in $(pidof docker-compose); do grep -qz "^$1\$" "/proc/$pid/cmdline" && echo "$pid"; done; :; }
"#;

/// The deployment of the chain.
pub struct Chain {
    pub deployment: Deployment,
    containers: Vec<String>,
}

/// A service's one container.
struct Look {
    running: bool,
    started: String,
    finished: String,
}

/// One service always comes back, one never does by itself, and one unless it was stopped.
pub fn recipe() -> Value {
    let app = json!({
        "command": ["sh", "-c", APP.replace('$', "$$")], "stop_grace_period": "40s", "restart": "no",
        "depends_on": ["db"],
    });
    json!({"services": {
        "db": sleeper(json!({})),
        "app": sleeper(app),
        "web": sleeper(json!({"restart": "unless-stopped", "depends_on": ["app"]})),
    }})
}

impl Chain {
    pub fn deploy(name: &str) -> Self {
        let deployment = Deployment::new(name)
            .recipe(recipe())
            .property("stop_timeout", json!(60));
        deployment.deploy_ok();
        let mut chain = Self {
            deployment,
            containers: Vec::new(),
        };
        chain.containers = chain.all_containers();
        chain
    }

    /// Runs commands on the instance that must succeed.
    pub fn ok(&self, commands: &str) -> String {
        let outcome = self.deployment.ssh(&format!("{LIBRARY}\n{commands}"));
        assert_eq!(
            outcome.code,
            0,
            "{commands}: {}\n{}",
            outcome.text(),
            self.deployment.logs()
        );
        outcome.stdout.trim().to_owned()
    }

    /// Has `app` take so many seconds for its next stop.
    pub fn slow(&self, seconds: u32) {
        self.ok(&format!(
            "docker exec running-app-1 sh -c 'echo {seconds} >/slow'"
        ));
    }

    /// The instance's clock, as [`moment`].
    pub fn now(&self) -> String {
        moment(&self.ok("date --utc +%FT%T.%NZ"))
    }

    fn all_containers(&self) -> Vec<String> {
        let mut ids: Vec<String> = self
            .ok("docker ps --all --quiet --no-trunc")
            .lines()
            .map(str::to_owned)
            .collect();
        ids.sort();
        ids
    }

    /// None while the engine is away.
    fn look(&self) -> Option<Vec<Look>> {
        let format = "{{.State.Running}} {{.State.StartedAt}} {{.State.FinishedAt}}";
        let names = SERVICES.map(|service| format!("running-{service}-1"));
        let outcome = self
            .deployment
            .docker(&format!("inspect --format '{format}' {}", names.join(" ")));
        let looks: Vec<Look> = outcome
            .stdout
            .lines()
            .filter_map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                let [running, started, finished] = words[..] else {
                    return None;
                };
                Some(Look {
                    running: running == "true",
                    started: moment(started),
                    finished: moment(finished),
                })
            })
            .collect();
        (looks.len() == SERVICES.len()).then_some(looks)
    }

    /// What speaks against: all services were stopped after `since`, dependants first; then all were started, dependants last;
    /// and all run.
    fn not_restarted(&self, since: &str) -> Option<String> {
        let Some(looks) = self.look() else {
            return Some("the engine does not answer".to_owned());
        };
        let mut moments: Vec<(&str, String)> = vec![(since, "the request".to_owned())];
        let named = |what: &str, service: &str| format!("{what} of {service}");
        for (look, service) in looks.iter().zip(SERVICES).rev() {
            moments.push((&look.finished, named("end", service)));
        }
        for (look, service) in looks.iter().zip(SERVICES) {
            if !look.running {
                return Some(format!("{service} does not run"));
            }
            moments.push((&look.started, named("start", service)));
        }
        moments
            .windows(2)
            .find(|pair| pair[0].0 >= pair[1].0)
            .map(|pair| {
                format!(
                    "{} ({}) is not before {} ({})",
                    pair[0].1, pair[0].0, pair[1].1, pair[1].0
                )
            })
    }

    /// Waits until all services have been stopped and started in order since then, and monit has nothing left to do.
    pub fn wait_until_restarted(&self, what: &str, since: &str) {
        self.wait(what, || {
            self.not_restarted(since).or_else(|| self.unsettled())
        });
        self.assert_once(what);
    }

    /// Waits until all services run.
    pub fn wait_until_up(&self, what: &str) {
        self.wait(what, || match self.look() {
            Some(looks) if looks.iter().all(|look| look.running) => self.unsettled(),
            _ => Some("not all services run".to_owned()),
        });
        self.assert_once(what);
    }

    /// Has monit start all until all is up: a newer monit forgets a start that it is asked for while it starts what the service
    /// depends on.
    pub fn start_until_up(&self, what: &str) {
        self.wait(what, || match self.look() {
            Some(looks) if looks.iter().all(|look| look.running) => self.unsettled(),
            _ => {
                if self.unsettled().is_none() {
                    self.ok("monit start all || :");
                }
                Some("not all services run".to_owned())
            }
        });
        self.assert_once(what);
    }

    /// Waits until the engine answers.
    pub fn wait_for_engine(&self) {
        self.wait("the engine", || {
            let silent = || "it does not answer".to_owned();
            self.look()
                .is_none()
                .then(silent)
                .or_else(|| self.unsettled())
        });
    }

    fn unsettled(&self) -> Option<String> {
        let summary = self.ok("monit summary --batch 2>&1");
        summary.contains("pending").then_some(summary)
    }

    /// Waits until neither the engine nor a program of the job runs.
    pub fn wait_until_down(&self, what: &str) {
        self.wait(what, || {
            let left = self.ok(
                "ps -C dockerd,containerd,compose-runner,docker-compose,docker-ctl -o args= || :",
            );
            (!left.is_empty()).then_some(left)
        });
    }

    /// The same containers as ever, and each program once.
    fn assert_once(&self, what: &str) {
        assert_eq!(self.all_containers(), self.containers, "{what}");
        for program in ["dockerd", "containerd", "compose-runner"] {
            self.wait(&format!("one {program} after {what}"), || {
                let pids = self.ok(&format!("pidof {program} || :"));
                (pids.split_whitespace().count() != 1).then_some(pids)
            });
        }
        let pidfiles = "[ $(cat $run/docker.pid) = $(pidof dockerd) ] && [ $(cat $run/compose.pid) = $(pidof compose-runner) ]";
        self.ok(pidfiles);
    }

    /// Waits until nothing speaks against it, waking monit, which of itself looks every ten seconds.
    fn wait(&self, what: &str, mut against: impl FnMut() -> Option<String>) {
        let end = Instant::now() + LIMIT;
        while let Some(reason) = against() {
            assert!(
                Instant::now() < end,
                "{what}: not within {} s: {reason}\n{}\n{}",
                LIMIT.as_secs(),
                self.ok("monit summary --batch; ps -e -o pid,ppid,etimes,args"),
                self.deployment.logs()
            );
            self.ok("monit >/dev/null 2>&1; sleep 0.3");
        }
    }
}

/// A moment of the engine or of `date`, so that moments sort as text: the engine leaves out zeros at the end.
fn moment(text: &str) -> String {
    let (seconds, fraction) = text
        .trim()
        .trim_end_matches('Z')
        .split_once('.')
        .unwrap_or((text.trim().trim_end_matches('Z'), ""));
    format!("{seconds}.{fraction:0<9}")
}
