//! What the checks work with: the engine, containers of the smoke test's own image, and the time that is left.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bosh_job::{Advise, Paths};
use docker_engine::{Engine, Status};
use job_properties::JobConfig;
use serde_json::{Value, json};

use super::settings::Settings;

/// Label of everything that a smoke test makes; what carries it may be removed.
pub const LABEL: &str = "containers.smoke-test";
/// The image of its containers.
pub const IMAGE: &str = "containers/smoke-test:own";
/// Prefix of the names of its containers, networks and volumes.
const PREFIX: &str = "containers-smoke-test";
/// Lines of output that an error shows.
const TAIL: usize = 10;

/// The place where the checks are made.
pub struct Bench {
    /// Where everything lies.
    pub paths: Paths,
    /// The configuration of the job `docker`.
    pub config: JobConfig,
    /// The smoke test's own.
    pub settings: Settings,
    /// The engine.
    pub engine: Engine,
    deadline: Instant,
    cancelled: Arc<AtomicBool>,
}

impl Bench {
    /// From here on the time runs, and SIGTERM ends the test in order.
    pub fn new(paths: &Paths, config: JobConfig, settings: Settings) -> anyhow::Result<Self> {
        let cancelled = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&cancelled))
                .context("preparing to be told to end")?;
        }
        Ok(Self {
            paths: paths.clone(),
            config,
            engine: Engine::new(paths.socket()),
            deadline: Instant::now() + settings.timeout,
            settings,
            cancelled,
        })
    }

    /// The name of something of the smoke test's.
    pub fn name(what: &str) -> String {
        format!("{PREFIX}-{what}")
    }

    /// The labels of everything that is made.
    pub fn labels() -> Value {
        json!({LABEL: "1"})
    }

    /// Fails when the time is over or somebody wants the test to end.
    pub fn go_on(&self) -> anyhow::Result<()> {
        if self.cancelled.load(Ordering::SeqCst) {
            bail!("the test was told to end");
        }
        if Instant::now() >= self.deadline {
            return Err(anyhow::anyhow!(
                "the test took longer than {} s (`timeout`)",
                self.settings.timeout.as_secs()
            ))
            .hint("raise `timeout` if the VM is only slow");
        }
        Ok(())
    }

    /// The time that is left, up to `most`.
    pub fn left(&self, most: Duration) -> Duration {
        self.deadline
            .saturating_duration_since(Instant::now())
            .min(most)
    }

    /// Starts a container that runs a probe. `more` is merged into the container's configuration.
    pub fn start(&self, name: &str, probe: &[&str], more: &Value) -> anyhow::Result<String> {
        let mut config =
            json!({"Image": IMAGE, "Cmd": probe, "Labels": Self::labels(), "HostConfig": {}});
        merge(&mut config, more);
        let id = self
            .engine
            .create_container(Some(&Self::name(name)), config)
            .with_context(|| format!("making container `{}`", Self::name(name)))?;
        self.engine
            .start_container(&id)
            .with_context(|| format!("starting container `{}`", Self::name(name)))?;
        Ok(id)
    }

    /// Runs a probe in a container to its end, removes the container, and returns what it printed.
    pub fn run(&self, name: &str, probe: &[&str], more: &Value) -> anyhow::Result<Vec<String>> {
        let id = self.start(name, probe, more)?;
        let code = self.wait(&id)?;
        let lines = self.engine.logs_tail(&id, TAIL)?;
        self.engine.remove_container(&id, true)?;
        if code != 0 {
            bail!(
                "`docker-ctl probe {}` in container `{}` ended with {code}: {}",
                probe.join(" "),
                Self::name(name),
                lines.join("; ")
            );
        }
        Ok(lines)
    }

    /// Waits for the end of a container, and returns its exit code.
    pub fn wait(&self, id: &str) -> anyhow::Result<i64> {
        loop {
            let container = self.engine.inspect_container(id)?;
            match container.state.status {
                Status::Exited | Status::Dead => return Ok(container.state.exit_code),
                _ => self.go_on().with_context(|| {
                    format!("waiting for the end of container `{}`", container.name())
                })?,
            }
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// A directory that only root enters, for the files of one check.
    pub fn directory(&self) -> anyhow::Result<Scratch> {
        let path = self.paths.tmp().join("smoke-test");
        bosh_job::make_dir(&path, 0o700)?;
        Ok(Scratch(path))
    }
}

/// A directory that goes when it is dropped.
pub struct Scratch(std::path::PathBuf);

impl Scratch {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed lies in root's own temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more.clone(),
    }
}
