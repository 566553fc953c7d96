//! Another dockerd on this data root, and containers that another one left running: those of the release that ran here before,
//! which had its own way of starting and stopping.
//!
//! The new dockerd cannot adopt them, since their shims answer on a socket that it does not know. It would take them for dead and
//! start each a second time, and then two databases would write to one volume.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context;
use bosh_job::{Paths, Process, ProcessInfo};
use tracing::warn;

use crate::{cleanup, dockerd};

/// How long another dockerd may take: it stops its containers itself.
const OTHER_DOCKERD: Duration = Duration::from_secs(40);
/// How long containers that nobody looks after may take to end, Docker's own default.
const CONTAINERS: Duration = Duration::from_secs(10);

/// Before a start: ends them. What a dockerd of this release left running stays, for the new one to adopt.
pub fn end(paths: &Paths) -> anyhow::Result<()> {
    for other in dockerd::others(paths) {
        let pid = other.pid().as_raw_nonzero();
        warn!(
            pid,
            arguments = other.info().cmdline.join(" "),
            "another dockerd has this data root; ending it and its containers"
        );
        anyhow::ensure!(
            other
                .end(OTHER_DOCKERD)
                .with_context(|| format!("ending another dockerd ({pid})"))?,
            "another dockerd ({pid}) has the data root and does not end, even by SIGKILL"
        );
    }
    let ids = cleanup::container_ids(paths);
    let adopted: BTreeSet<String> = cleanup::shims(paths)
        .iter()
        .filter_map(|shim| container_of(shim.info()).map(str::to_owned))
        .collect();
    let foreign_containers: BTreeSet<String> = ids.difference(&adopted).cloned().collect();
    let processes = cleanup::processes_of(&foreign_containers);
    let names: BTreeSet<&str> = processes
        .iter()
        .map(|process| process.info().program())
        .collect();
    if !processes.is_empty() {
        warn!(
            processes = processes.len(),
            programs = names.into_iter().collect::<Vec<_>>().join(", "),
            "containers run that no shim of this engine looks after; ending them, to avoid running twice"
        );
        cleanup::end_containers(&processes, CONTAINERS)?;
    }
    let is_stray = |info: &ProcessInfo| {
        info.program().starts_with("containerd-shim")
            && container_of(info).is_some_and(|id| foreign_containers.contains(id))
    };
    for shim in Process::find(is_stray) {
        cleanup::end(&shim, Duration::ZERO)?;
    }
    Ok(())
}

/// The container of a shim: `containerd-shim-runc-v2 -namespace moby -id ID -address SOCKET`.
fn container_of(shim: &ProcessInfo) -> Option<&str> {
    let mut arguments = shim.cmdline.iter();
    arguments.find(|argument| *argument == "-id")?;
    arguments.next().map(String::as_str)
}
