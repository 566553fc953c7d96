//! Restarting dockerd, which the containers run through: the last means against an engine that takes dead containers for living ones.
//! At its start it asks containerd for each (moby, `daemon/daemon.go`, `restore`).
//!
//! dockerd is told to end; monit finds it gone, and starts it again. That ends this runner, too, so that what was done is kept in a
//! file beside the socket: never twice for the same run of a container, and not again for a while.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use bosh_job::{FileLock, Paths, Pidfile, atomic_write};
use docker_engine::Engine;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Between two restarts.
const BETWEEN: u64 = 600;
/// How long dockerd may take to end: its containers live on.
const END: Duration = Duration::from_secs(25);
/// How long it may take to say whether they do.
const ANSWER: Duration = Duration::from_secs(5);

/// The restarts of one dockerd.
pub struct DockerdRestart {
    pidfile: Pidfile,
    /// Held by starts and stops of dockerd.
    lock: PathBuf,
    done: PathBuf,
    /// Whether containers outlive it, as it said when it was well: one whose containerd hangs does not answer that.
    live_restore: Option<bool>,
}

/// For what dockerd was restarted since the VM booted: the file's directory is emptied then.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Done {
    /// When that was last, in seconds since the boot.
    uptime: u64,
    /// Containers with the times of their starts.
    runs: BTreeSet<String>,
}

impl DockerdRestart {
    /// Of the dockerd behind an engine's socket.
    pub fn of(engine: &Engine) -> Self {
        let info = engine.info_within(ANSWER).ok();
        Self {
            live_restore: info.map(|info| info.live_restore_enabled),
            ..Self::beside(engine.socket())
        }
    }

    fn beside(socket: &Path) -> Self {
        Self {
            live_restore: None,
            pidfile: Pidfile::new(Paths::dockerd_pidfile_beside(socket)),
            lock: socket.with_file_name("docker.lock"),
            done: socket.with_file_name("dockerd-restarts.json"),
        }
    }

    /// Ends dockerd for a container that it takes for running, so that monit starts it again.
    pub fn run(
        &self,
        engine: &Engine,
        container: &str,
        started_at: Option<Timestamp>,
    ) -> anyhow::Result<()> {
        let mut done = self.done()?;
        let run = match started_at {
            Some(time) => format!("{container} {time}"),
            None => container.to_owned(),
        };
        if done.runs.contains(&run) {
            bail!("it was, and that did not help");
        }
        let now = uptime()?;
        if !done.runs.is_empty() && now.saturating_sub(done.uptime) < BETWEEN {
            bail!("it was less than {} minutes ago", BETWEEN / 60);
        }
        if FileLock::is_held(&self.lock) {
            bail!("it is being started or stopped just now");
        }
        let live_restore = match (engine.info_within(ANSWER), self.live_restore) {
            (Ok(info), _) => info.live_restore_enabled,
            (Err(_), Some(earlier)) => earlier,
            (Err(error), None) => {
                return Err(error).context("asking dockerd whether containers outlive it");
            }
        };
        if !live_restore {
            bail!("its containers would end with it");
        }
        let dockerd = self.pidfile.living(|info| info.program() == "dockerd");
        let dockerd = dockerd.with_context(|| {
            format!(
                "no dockerd runs under the number in {}",
                self.pidfile.path().display()
            )
        })?;
        done.uptime = now;
        done.runs.insert(run);
        let text = serde_json::to_vec(&done)?;
        atomic_write(&self.done, &text, 0o600)
            .with_context(|| format!("writing {}", self.done.display()))?;
        let pid = dockerd.pid().as_raw_nonzero().get();
        tracing::warn!(
            pid,
            "ending dockerd, for monit to start it again; the containers run on"
        );
        let ended = dockerd.end(END).context("ending dockerd")?;
        if !ended {
            bail!("dockerd ({pid}) does not end");
        }
        Ok(())
    }

    fn done(&self) -> anyhow::Result<Done> {
        match fs::read(&self.done) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("reading {}", self.done.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Done::default()),
            Err(error) => Err(error).with_context(|| format!("reading {}", self.done.display())),
        }
    }
}

/// Seconds since the boot, by the clock that nobody sets.
fn uptime() -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/uptime").context("reading /proc/uptime")?;
    let seconds = text.split(['.', ' ']).next().unwrap_or_default();
    seconds
        .parse()
        .with_context(|| format!("/proc/uptime says {text:?}"))
}

#[cfg(test)]
mod tests {
    use docker_engine::fake::{FakeEngine, FakeReply};

    use super::*;

    #[test]
    fn dockerd_is_restarted_once_for_a_run_of_a_container_and_only_if_containers_outlive_it() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        let live = directory.path().join("live");
        let file = live.clone();
        let _fake = FakeEngine::start(&socket, move |_| {
            let live = file.exists();
            FakeReply::json(&format!(
                r#"{{"Driver":"overlay2","LiveRestoreEnabled":{live}}}"#
            ))
        });
        let engine = Engine::new(&socket);
        let restart = DockerdRestart::beside(&socket);
        let started = Some(Timestamp::from_second(7).unwrap());
        let refused = |id: &str| restart.run(&engine, id, started).unwrap_err().to_string();
        assert_eq!(refused("a"), "its containers would end with it");
        fs::write(live, "").unwrap();
        assert!(refused("a").starts_with("no dockerd runs under the number in "));
        let dockerd = directory.path().join("dockerd");
        let copied = std::process::Command::new("cp")
            .arg("/bin/sleep")
            .arg(&dockerd)
            .status();
        assert!(copied.unwrap().success());
        let mut dockerd = std::process::Command::new(&dockerd)
            .arg("60")
            .spawn()
            .unwrap();
        let pid = rustix::process::Pid::from_child(&dockerd);
        Pidfile::new(directory.path().join("dockerd.pid"))
            .write(pid)
            .unwrap();
        restart.run(&engine, "a", started).unwrap();
        assert!(!dockerd.wait().unwrap().success(), "SIGTERM ended it");
        assert_eq!(refused("a"), "it was, and that did not help");
        assert_eq!(refused("b"), "it was less than 10 minutes ago");
        // what it said when it was well counts while it does not answer
        let known = DockerdRestart::of(&engine);
        assert_eq!(known.live_restore, Some(true));
    }
}
