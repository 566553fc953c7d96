//! Whether containers outlive dockerd: always, but for a full stop, when dockerd shall stop them itself. It knows their
//! grace periods, and what it stops on its own end it starts again next time.

use std::time::{Duration, Instant};

use anyhow::Context;
use bosh_job::{Paths, Process, Signal};
use docker_engine::Engine;

use crate::daemon_json::DaemonJson;
use crate::settings;

/// Tells the running dockerd, and waits until it says so itself.
pub fn set(
    paths: &Paths,
    process: &Process,
    engine: &Engine,
    wanted: bool,
    limit: Duration,
) -> anyhow::Result<()> {
    let path = paths.daemon_json();
    let now = DaemonJson::read(&path).with_context(|| format!("reading {}", path.display()))?;
    settings::put_in_place(paths, &now.with_live_restore(wanted))?;
    process
        .signal(Signal::HUP)
        .context("having dockerd read its settings again")?;
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let enabled = engine
            .info_within(left.max(Duration::from_millis(100)))
            .map(|info| info.live_restore_enabled);
        if matches!(enabled, Ok(enabled) if enabled == wanted) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            enabled.context("asking dockerd for its settings")?;
            anyhow::bail!(
                "dockerd did not take live-restore={wanted} from {}",
                path.display()
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
