//! A guard over containers that an update leaves running: it ends them if no start follows and the job leaves the instance.
//!
//! The agent says `job_changed` of such an update as of any other, names nothing that goes, and runs nothing of the job after its stop
//! (bosh-agent, `agent/script/drain`). By the time that the job's directory is gone so are dockerd and Compose, so the guard has noted
//! the order beforehand and ends the containers' processes itself.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use bosh_job::{ExitCode, Paths, Process, Signal, logging};
use docker_engine::{Container, Engine, Filters};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::project::PROJECT_LABEL;
use crate::{cleanup, dockerd, lock};

/// The labels of Compose that name a container's service, and those that it depends on (`db:service_started:false,…`).
const SERVICE_LABEL: &str = recipe::labels::SERVICE;
const DEPENDS_ON_LABEL: &str = "com.docker.compose.depends_on";
/// Between two looks for the next start.
const LOOK: Duration = Duration::from_secs(2);
/// The directory of a job is another one for a moment in each update; this often in a row it must be gone.
const GONE: u32 = 3;
/// Docker's default grace period.
const GRACE_SECONDS: u64 = 10;
/// The longest that all may take, as `stop_timeout` bounds every other stop.
const LONGEST: Duration = Duration::from_mins(3);

/// The containers that run, in the order in which they are to stop: those of one step at the same time.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopPlan {
    steps: Vec<Vec<PlannedStop>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct PlannedStop {
    id: String,
    name: String,
    /// Number of the signal that asks it to stop.
    signal: i32,
    grace_seconds: u64,
}

impl StopPlan {
    /// The plan for what runs now.
    pub fn of(engine: &Engine) -> anyhow::Result<Self> {
        let mut containers = Vec::new();
        for summary in engine.containers(&Filters::default())? {
            match engine.inspect_container(&summary.id) {
                Ok(container) => containers.push(container),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self::new(&containers))
    }

    fn new(containers: &[Container]) -> Self {
        let steps_of_services = steps_of_services(containers);
        let mut steps: BTreeMap<usize, Vec<PlannedStop>> = BTreeMap::new();
        for container in containers {
            let step = key(container).and_then(|key| steps_of_services.get(&key));
            let planned = PlannedStop {
                id: container.id.clone(),
                name: container.name().to_owned(),
                signal: signal_number(&container.config.stop_signal),
                grace_seconds: grace_seconds(container.config.stop_timeout),
            };
            let step = step.copied().unwrap_or_default();
            steps.entry(step).or_default().push(planned);
        }
        Self {
            steps: steps.into_values().collect(),
        }
    }

    fn ids(&self) -> BTreeSet<String> {
        let all = self.steps.iter().flatten();
        all.map(|container| container.id.clone()).collect()
    }
}

/// Project and service.
type Key = (String, String);

fn key(container: &Container) -> Option<Key> {
    let label = |name: &str| container.config.labels.get(name).cloned();
    Some((label(PROJECT_LABEL)?, label(SERVICE_LABEL)?))
}

/// The step of each service: behind all that depend on it.
fn steps_of_services(containers: &[Container]) -> BTreeMap<Key, usize> {
    let mut steps: BTreeMap<Key, usize> = containers
        .iter()
        .filter_map(key)
        .map(|key| (key, 0))
        .collect();
    // As many rounds as there can be steps, so that labels which depend on each other in a circle end, too.
    for _ in 0..steps.len() {
        for container in containers {
            let Some(own) = key(container) else { continue };
            let behind = steps[&own] + 1;
            let depends_on = container.config.labels.get(DEPENDS_ON_LABEL);
            for name in depends_on.iter().flat_map(|list| list.split(',')) {
                let name = name.split(':').next().unwrap_or_default();
                if let Some(step) = steps.get_mut(&(own.0.clone(), name.to_owned())) {
                    *step = behind.max(*step);
                }
            }
        }
    }
    steps
}

fn grace_seconds(configured: Option<i64>) -> u64 {
    let Some(seconds) = configured else {
        return GRACE_SECONDS;
    };
    u64::try_from(seconds).unwrap_or(LONGEST.as_secs())
}

/// The number of a signal that an image or a recipe names: `SIGINT`, `INT`, `2`; SIGTERM if it names none, or one that has no number here.
fn signal_number(name: &str) -> i32 {
    let known = [
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
        ("KILL", Signal::KILL),
        ("ALRM", Signal::ALARM),
        ("WINCH", Signal::WINCH),
        ("PWR", Signal::POWER),
    ];
    let upper = name.to_ascii_uppercase();
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    let by_name = known.iter().find(|(known, _)| *known == short);
    let by_number = || Signal::from_named_raw(short.parse().ok()?);
    by_name
        .map(|(_, signal)| *signal)
        .or_else(by_number)
        .unwrap_or(Signal::TERM)
        .as_raw()
}

/// Begins to guard. The guard outlives this program, and the package that it comes from.
pub fn begin(paths: &Paths, plan: &StopPlan) -> anyhow::Result<()> {
    if plan.steps.is_empty() {
        return Ok(());
    }
    let log = logging::open_log(&paths.log_file("docker-ctl"))
        .map_or_else(|_| Stdio::null(), Stdio::from);
    let mut child = Command::new(std::env::current_exe().context("finding this program")?)
        .arg("--root")
        .arg(paths.root())
        .arg("guard")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("starting the guard of the containers")?;
    let mut stdin = child.stdin.take().context("the guard has no input")?;
    stdin
        .write_all(&serde_json::to_vec(plan)?)
        .context("telling the guard which containers run")
}

/// The guard itself.
pub fn run(paths: &Paths) -> anyhow::Result<ExitCode> {
    rustix::process::setsid().context("starting a session")?;
    let mut text = Vec::new();
    std::io::stdin().lock().read_to_end(&mut text)?;
    let plan: StopPlan =
        serde_json::from_slice(&text).context("reading the containers to guard")?;
    let ids = plan.ids();
    let is_gone = || !paths.job_dir().exists();
    let mut gone = 0;
    while gone < GONE {
        std::thread::sleep(LOOK);
        if dockerd::running(paths).is_some() {
            return Ok(ExitCode::Ok);
        }
        gone = if is_gone() { gone + 1 } else { 0 };
    }
    let _lock = lock::take(paths, Duration::from_mins(2))?;
    if !is_gone() || dockerd::running(paths).is_some() {
        return Ok(ExitCode::Ok);
    }
    warn!(
        containers = ids.len(),
        "the job has left this instance; ending the containers that its last update left running"
    );
    let deadline = Instant::now() + LONGEST;
    for step in &plan.steps {
        end_step(step, deadline)?;
    }
    cleanup::end_all(paths, Duration::ZERO)?;
    info!("the containers have ended; images, volumes and networks stay");
    Ok(ExitCode::Ok)
}

/// Asks the containers of a step to stop, and kills each after its grace period.
fn end_step(step: &[PlannedStop], deadline: Instant) -> anyhow::Result<()> {
    let begun = Instant::now();
    let processes: Vec<(&PlannedStop, Vec<Process>)> = step
        .iter()
        .map(|container| {
            let ids = BTreeSet::from([container.id.clone()]);
            (container, cleanup::processes_of(&ids))
        })
        .collect();
    for (container, processes) in &processes {
        let signal = Signal::from_named_raw(container.signal).unwrap_or(Signal::TERM);
        for first in cleanup::first_of(processes) {
            first.signal(signal)?;
        }
    }
    for (container, processes) in &processes {
        let by = (begun + Duration::from_secs(container.grace_seconds)).min(deadline);
        let firsts = cleanup::first_of(processes);
        let left = || by.saturating_duration_since(Instant::now());
        let ended = firsts.iter().all(|first| first.wait_until_gone(left()));
        info!(
            container = container.name,
            ended, "a container was asked to stop"
        );
        for process in processes {
            cleanup::end(process, Duration::ZERO)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn container(name: &str, depends_on: &str) -> Container {
        let labels =
            json!({PROJECT_LABEL: "running", SERVICE_LABEL: name, DEPENDS_ON_LABEL: depends_on});
        let value = json!({"Id": name, "Name": format!("/{name}"), "State": {}, "Config": {"Labels": labels}});
        serde_json::from_value(value).unwrap()
    }

    fn order(containers: &[Container]) -> Vec<Vec<String>> {
        let steps = StopPlan::new(containers).steps.into_iter();
        steps
            .map(|step| step.into_iter().map(|container| container.name).collect())
            .collect()
    }

    #[test]
    fn those_that_others_depend_on_stop_after_them() {
        let containers = [
            container("db", ""),
            container("app", "db:service_healthy:false,cache:service_started"),
            container("cache", ""),
            container("web", "app:service_started:true,gone:service_started:true"),
            container("alone", ""),
        ];
        assert_eq!(
            order(&containers),
            [vec!["web", "alone"], vec!["app"], vec!["db", "cache"]]
        );
    }

    #[test]
    fn a_circle_and_a_container_of_no_project_are_planned_too() {
        let foreign: Container =
            serde_json::from_value(json!({"Id": "x", "Name": "/x", "State": {}, "Config": {"StopSignal": "SIGINT", "StopTimeout": 3}}))
                .unwrap();
        let containers = [container("a", "b"), container("b", "a"), foreign];
        let plan = StopPlan::new(&containers);
        assert_eq!(plan.ids().len(), 3);
        let planned = plan.steps.iter().flatten().find(|stop| stop.id == "x");
        let planned = planned.unwrap();
        assert_eq!((planned.signal, planned.grace_seconds), (2, 3));
    }

    #[test]
    fn signals_are_read_by_name_and_number() {
        for (name, number) in [
            ("", 15),
            ("SIGTERM", 15),
            ("int", 2),
            ("SIGQUIT", 3),
            ("9", 9),
            ("SIGRTMIN+3", 15),
        ] {
            assert_eq!(signal_number(name), number, "{name}");
        }
    }
}
