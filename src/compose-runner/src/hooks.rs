//! The containers that Compose runs a service's `pre_start` hooks in: listened to while `up` runs, and removed.
//!
//! A hook gates its service: if it fails, so does `up`. Compose says no more of it than its exit code, and up to 5.5 has the
//! engine remove its container at its end, with what it said. So its output is read as it comes.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use docker_engine::{Engine, Event, Events, Filters, Output, Status};
use recipe::labels;

use crate::compose::PROJECT_LABEL;

mod report;

pub use report::{FailedHooks, post_start};

/// Between two looks whether `up` has ended.
const LOOK: Duration = Duration::from_millis(200);
/// After `up` has ended: events that are on their way come within this time.
const IDLE_TIMEOUT: Duration = Duration::from_millis(300);
/// Bytes of its last output that are kept of each hook.
const KEPT: usize = 64 << 10;

/// A hook that ran in this `up`, or was about to.
#[derive(Debug)]
struct HookRun {
    id: String,
    service: String,
    /// `pre_start`.
    kind: String,
    /// Its place in the recipe's list.
    index: usize,
    image: String,
    has_started: bool,
    out_of_memory: bool,
    exit_code: Option<i64>,
    /// What it said, read in two ways: attached to it, which comes too late if it is started at once, and from its log, which comes
    /// too late if it is removed at once.
    readers: Vec<Reader>,
}

/// The hooks of a project while `up` runs.
pub struct Hooks {
    engine: Engine,
    runs: Arc<Mutex<Vec<HookRun>>>,
    is_over: Arc<AtomicBool>,
    /// Nobody wants to know any more what hooks say.
    is_forgotten: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Hooks {
    /// Begins to listen. What cannot be listened to is told by Compose alone.
    pub fn listen(engine: &Engine, project: &str) -> Self {
        let runs = Arc::new(Mutex::new(Vec::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let is_forgotten = Arc::new(AtomicBool::new(false));
        let mut filters = Filters::default()
            .label(format!("{PROJECT_LABEL}={project}"))
            .with("type", "container");
        for event in ["create", "start", "oom", "die"] {
            filters = filters.with("event", event);
        }
        let listener = match engine.events(&filters, None) {
            Ok(events) => {
                let listening = Listening {
                    engine: engine.clone(),
                    runs: Arc::clone(&runs),
                    is_over: Arc::clone(&is_over),
                    is_forgotten: Arc::clone(&is_forgotten),
                };
                let name = thread::Builder::new().name("hooks".into());
                name.spawn(move || listening.run(events)).ok()
            }
            Err(error) => {
                tracing::warn!("what hooks say is not heard: {error}");
                None
            }
        };
        Self {
            engine: engine.clone(),
            runs,
            is_over,
            is_forgotten,
            listener,
        }
    }

    /// Forgets what ran so far: Compose is run again.
    pub fn forget(&self) {
        lock(&self.runs).clear();
    }

    /// Hears what is on its way, and no more.
    fn end(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(listener) = self.listener.take() {
            // one that panicked has said so
            let _ = listener.join();
        }
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.is_forgotten.store(true, Ordering::Relaxed);
    }
}

struct Listening {
    engine: Engine,
    runs: Arc<Mutex<Vec<HookRun>>>,
    is_over: Arc<AtomicBool>,
    is_forgotten: Arc<AtomicBool>,
}

impl Listening {
    fn run(self, mut events: Events) {
        loop {
            let is_over = self.is_over.load(Ordering::Relaxed);
            match events.next_within(if is_over { IDLE_TIMEOUT } else { LOOK }) {
                Ok(Some(event)) => self.on_event(&event),
                Ok(None) if is_over => return,
                Ok(None) => {}
                // an engine that has gone away is told by who waits for it
                Err(_) => return,
            }
        }
    }

    fn on_event(&self, event: &Event) {
        let attributes = &event.actor.attributes;
        let Some((service, kind)) = labels::hook(attributes) else {
            return;
        };
        let mut runs = lock(&self.runs);
        if event.action == "create" {
            let index = runs.iter().filter(|run| run.service == service).count();
            let id = event.actor.id.clone();
            let reader = Reader::start(self, &id, Engine::attach);
            runs.push(HookRun {
                id,
                service: service.to_owned(),
                kind: kind.to_owned(),
                index,
                image: attributes.get("image").cloned().unwrap_or_default(),
                has_started: false,
                out_of_memory: false,
                exit_code: None,
                readers: reader.into_iter().collect(),
            });
            return;
        }
        let Some(run) = runs.iter_mut().find(|run| run.id == event.actor.id) else {
            return;
        };
        match event.action.as_str() {
            "start" => {
                run.has_started = true;
                let reader = Reader::start(self, &run.id, Engine::follow_logs);
                run.readers.extend(reader);
            }
            "oom" => run.out_of_memory = true,
            "die" => {
                let code = attributes.get("exitCode");
                run.exit_code = code.and_then(|code| code.parse().ok());
            }
            _ => {}
        }
    }
}

/// Reads what a hook says, in a thread of its own.
#[derive(Debug)]
struct Reader {
    heard: Arc<Mutex<VecDeque<u8>>>,
    thread: JoinHandle<()>,
}

impl Reader {
    fn start(
        listening: &Listening,
        id: &str,
        open: fn(&Engine, &str) -> docker_engine::Result<Output>,
    ) -> Option<Self> {
        let (engine, id) = (listening.engine.clone(), id.to_owned());
        let is_forgotten = Arc::clone(&listening.is_forgotten);
        let heard = Arc::new(Mutex::new(VecDeque::new()));
        let ours = Arc::clone(&heard);
        let read = move || -> docker_engine::Result<()> {
            let mut output = open(&engine, &id)?;
            let hear = |bytes: &[u8]| {
                let mut heard = lock(&ours);
                heard.extend(bytes);
                let over = heard.len().saturating_sub(KEPT);
                heard.drain(..over);
            };
            while output.next_within(LOOK, hear)? && !is_forgotten.load(Ordering::Relaxed) {}
            Ok(())
        };
        let read = move || {
            // One that is gone already, or whose log driver cannot be read; there is another reader.
            if let Err(error) = read() {
                tracing::debug!("the output of a hook is not heard: {error}");
            }
        };
        let thread = thread::Builder::new().name("hook".into());
        let thread = thread.spawn(read).ok()?;
        Some(Self { heard, thread })
    }
}

/// Which containers of hooks are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All, also those that Compose keeps of hooks that failed.
    All,
    /// Those in which a hook still runs, though nobody waits for it.
    Running,
}

/// Removes containers of a project's hooks. Compose itself sees none of those that it was killed over, and would run the same
/// hook a second time beside it.
pub fn remove(engine: &Engine, project: &str, which: Which) -> docker_engine::Result<()> {
    let filters = Filters::all().label(format!("{PROJECT_LABEL}={project}"));
    for container in engine.containers(&filters)? {
        let Some((service, kind)) = labels::hook(&container.labels) else {
            continue;
        };
        let is_over = matches!(container.state, Status::Exited | Status::Dead);
        if container.state == Status::Removing || (which == Which::Running && is_over) {
            continue;
        }
        tracing::info!(
            service,
            hook = kind,
            container = container.name(),
            state = container.state.word(),
            "removing the container of a hook"
        );
        engine.remove_container(&container.id, true)?;
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
