//! Containers whose process is gone and that the engine calls running all the same: it missed their end while it had no containerd.
//!
//! A signal to such a container has the engine notice (moby, `daemon/kill.go`: containerd knows no such task), after its grace period at
//! most. It then counts as stopped by hand, so it is started again here if its restart policy would have. A container without one is
//! started again if nobody knows how it ended: a one-shot that had done its work has no other way to say so. Where two signals that
//! the engine took change nothing, or the engine reaches no containerd for minutes, dockerd is restarted, once for each run of a container.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bosh_job::{Gone, ProcessInfo};
use docker_engine::{Engine, Status};
use jiff::Timestamp;

use crate::{
    cancel::Cancel,
    dockerd_restart::DockerdRestart,
    health::{ContainerSnapshot, Policy},
    observe,
    redact::Redactor,
};

/// Between two looks while `up` goes on.
const LOOK: Duration = Duration::from_secs(2);
/// How long a process must have been gone: the engine may be about to learn of it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Beyond a container's grace period, the engine notices within this time.
const BESIDE_GRACE: Duration = Duration::from_secs(5);
/// The engine's own grace period, and the longest that is waited for.
const GRACE: Duration = Duration::from_secs(10);
const LONGEST_GRACE: Duration = Duration::from_mins(2);
/// The exit code of an end that nobody knows (moby, `daemon/daemon.go`, `restore`).
const UNKNOWN: i64 = 255;
/// How long the engine may take to say whether it reaches its containerd.
const ANSWER: Duration = Duration::from_secs(5);
/// Between two tries that the engine did not take.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Signals that change nothing, and tries that the engine did not take, before dockerd is restarted; and starts that fail.
const SIGNALS: u32 = 2;
const REFUSALS: u32 = 8;
const STARTS: u32 = 4;

/// Sets the engine right about the containers of a recipe.
pub struct Healing<'a> {
    engine: &'a Engine,
    /// The last means, where it may be used.
    restart: Option<DockerdRestart>,
    patients: BTreeMap<String, Patient>,
}

/// Tells that something is over, however it ended.
#[derive(Default)]
struct Over(Cancel);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// What was done about one run of a container.
#[derive(Debug)]
struct Patient {
    started_at: Option<Timestamp>,
    /// When the next step is due.
    next: Instant,
    /// Signals that the engine took.
    signals: u32,
    /// Signals that it did not take.
    refusals: u32,
    /// Starts, since it has noticed.
    starts: u32,
    /// Nobody knows how it ended: the shim, which knew it, is gone as well.
    unknown_end: bool,
    /// Nothing more is tried.
    given_up: bool,
}

impl Patient {
    fn new(container: &ContainerSnapshot, now: Instant) -> Self {
        Self {
            started_at: container.started_at,
            next: now + PATIENCE,
            signals: 0,
            refusals: 0,
            starts: 0,
            unknown_end: false,
            given_up: false,
        }
    }
}

impl<'a> Healing<'a> {
    /// Nothing is wrong so far.
    pub fn new(engine: &'a Engine) -> Self {
        Self {
            engine,
            restart: Some(DockerdRestart::of(engine)),
            patients: BTreeMap::new(),
        }
    }

    /// The same, for a stop: dockerd is not restarted.
    pub fn without_restart(engine: &'a Engine) -> Self {
        Self {
            engine,
            restart: None,
            patients: BTreeMap::new(),
        }
    }

    /// Whether something is being done about containers.
    pub fn is_busy(&self) -> bool {
        self.patients.values().any(|patient| !patient.given_up)
    }

    /// Whether something is being done about a container.
    pub fn treats(&self, id: &str) -> bool {
        let patient = self.patients.get(id);
        patient.is_some_and(|patient| !patient.given_up)
    }

    /// Takes the next step for each container that needs one, and waits for none. An end that nobody knows gets the exit code that
    /// dockerd gives it at its own start.
    pub fn step(&mut self, seen: &mut [ContainerSnapshot], cancel: &Cancel) {
        let now = Instant::now();
        self.patients.retain(|id, patient| {
            seen.iter()
                .any(|one| one.id == *id && is_same(one, patient))
        });
        for container in seen {
            if container.gone.is_some() {
                self.patients
                    .entry(container.id.clone())
                    .or_insert_with(|| Patient::new(container, now));
            }
            let Some(patient) = self.patients.get_mut(&container.id) else {
                continue;
            };
            if patient.unknown_end && container.status == Status::Exited {
                container.exit_code = UNKNOWN;
            }
            if now < patient.next && container.gone.is_some() || patient.given_up || cancel.is_set()
            {
                continue;
            }
            if let Some(gone) = &container.gone {
                have_noticed(
                    self.engine,
                    self.restart.as_ref(),
                    (container, gone),
                    patient,
                );
            } else if patient.signals == 0 || start(self.engine, container, patient) {
                self.patients.remove(&container.id);
            }
        }
    }

    /// Does something that may wait for containers to end, and meanwhile heals them.
    pub fn during<T>(&mut self, project: &str, cancel: &Cancel, work: impl FnOnce() -> T) -> T {
        let over = Over::default();
        let told = over.0.clone();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while !told.sleep(LOOK) {
                    // an engine that does not answer is the work's to tell
                    if let Ok(mut seen) =
                        observe::containers(self.engine, project, &Redactor::default())
                    {
                        self.step(&mut seen, cancel);
                    }
                }
            });
            let over = over;
            let done = work();
            drop(over);
            done
        })
    }

    /// Has the engine notice all ends that it missed, for as long as `limit`, and starts nothing. `true` if it is time to end.
    pub fn settle(
        &mut self,
        project: &str,
        cancel: &Cancel,
        limit: Duration,
    ) -> docker_engine::Result<bool> {
        let deadline = Instant::now() + limit;
        loop {
            let mut seen = observe::containers(self.engine, project, &Redactor::default())?;
            seen.retain(|container| container.gone.is_some());
            self.step(&mut seen, cancel);
            if !self.is_busy() {
                return Ok(false);
            }
            if Instant::now() >= deadline {
                tracing::warn!(
                    "the engine still takes containers for running whose process is gone"
                );
                return Ok(false);
            }
            if cancel.sleep(Duration::from_millis(500)) {
                return Ok(true);
            }
        }
    }
}

/// Whether something is still to be done about the run of the container that something was done about.
fn is_same(container: &ContainerSnapshot, patient: &Patient) -> bool {
    match container.status {
        Status::Exited => container.started_at == patient.started_at,
        _ => container.gone.is_some() && container.started_at == patient.started_at,
    }
}

/// Has the engine notice that the process is gone.
fn have_noticed(
    engine: &Engine,
    restart: Option<&DockerdRestart>,
    (container, gone): (&ContainerSnapshot, &Gone),
    patient: &mut Patient,
) {
    let name = container.name.as_str();
    if patient.signals >= SIGNALS || patient.refusals >= REFUSALS {
        patient.given_up = true;
        tracing::error!(container = name, why = %gone, "the engine does not notice that the container is dead");
        let Some(restart) = restart else {
            return;
        };
        if let Err(error) = restart.run(engine, &container.id, container.started_at) {
            tracing::error!(
                container = name,
                "dockerd is not restarted for it: {error:#}; `monit restart docker` stops all containers and starts them again"
            );
        }
        return;
    }
    patient.unknown_end = !has_shim(&container.id);
    let wait = if let Err(why_not) = ask_to_look(engine, &container.id) {
        patient.refusals += 1;
        let pause = pause(patient.refusals);
        tracing::warn!(
            container = name, why = %gone,
            "the container is dead, and the engine cannot notice it yet; it is asked again in {} s: {why_not}",
            pause.as_secs()
        );
        pause
    } else {
        patient.signals += 1;
        let wait = grace(engine, &container.id) + BESIDE_GRACE;
        tracing::warn!(
            container = name, why = %gone,
            "the container is dead, and the engine missed it; it has been asked to look, and has {} s",
            wait.as_secs()
        );
        wait
    };
    patient.next = Instant::now() + wait;
}

/// Sends a signal to a container whose process is gone; why not, if the engine does not take it. One whose containerd hangs gets none:
/// it would hold the container's lock until that answers, and no list of containers would come any more.
fn ask_to_look(engine: &Engine, id: &str) -> Result<(), String> {
    match engine.info_within(ANSWER) {
        Ok(info) if info.reaches_containerd() => {}
        Ok(_) => return Err("it does not reach its containerd".to_owned()),
        Err(error) => return Err(error.to_string()),
    }
    match engine.kill_container(id, "TERM") {
        Err(error) if !matches!(error.status(), Some(404 | 409)) => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// Starts a container again that the engine would have started if it had not missed its end, or whose end nobody knows; `true` if
/// nothing is to be done. One that was started has another start at the next look.
fn start(engine: &Engine, container: &ContainerSnapshot, patient: &mut Patient) -> bool {
    let wanted = match container.policy {
        Policy::Always => true,
        Policy::OnFailure => container.exit_code != 0,
        Policy::No => patient.unknown_end,
    };
    let (name, exit_code) = (container.name.as_str(), container.exit_code);
    if patient.starts == 0 {
        tracing::info!(
            container = name,
            exit_code,
            "the engine has noticed that the container is dead"
        );
        // It noticed before its time was over.
        patient.next = Instant::now();
    }
    if !wanted {
        return true;
    }
    if Instant::now() < patient.next {
        return false;
    }
    patient.starts += 1;
    match engine.start_container(&container.id) {
        Ok(()) => {
            patient.next = Instant::now() + PATIENCE;
            let why = match container.policy {
                Policy::No => "nobody knows how it ended",
                Policy::Always | Policy::OnFailure => "its restart policy says so",
            };
            tracing::info!(container = name, why, "started again");
        }
        Err(error) if patient.starts >= STARTS => {
            patient.given_up = true;
            tracing::error!(container = name, "cannot be started again: {error}");
        }
        Err(error) => {
            patient.next = Instant::now() + pause(patient.starts);
            tracing::warn!(container = name, "cannot be started again yet: {error}");
        }
    }
    false
}

/// Whether the shim of a container lives.
fn has_shim(id: &str) -> bool {
    let is_its_shim =
        |info: &ProcessInfo| info.program().starts_with("containerd-shim") && info.has_argument(id);
    ProcessInfo::all().iter().any(is_its_shim)
}

fn grace(engine: &Engine, id: &str) -> Duration {
    let container = engine.inspect_container(id);
    let seconds = container.ok().and_then(|one| one.config.stop_timeout);
    let grace = seconds.map_or(GRACE, |seconds| {
        u64::try_from(seconds).map_or(LONGEST_GRACE, Duration::from_secs)
    });
    grace.min(LONGEST_GRACE)
}

fn pause(tries: u32) -> Duration {
    let doubled = SHORTEST_PAUSE * 2_u32.pow(tries.min(10));
    doubled.min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests;
