//! The engine answers.

use std::time::Duration;

use bosh_job::Advise;
use docker_engine::ImageStore;

use super::Seen;
use super::bench::Bench;

pub const NAME: &str = "engine";

/// Its version, the API that is spoken with it, its image store.
pub fn check(bench: &Bench) -> anyhow::Result<Seen> {
    let answers = bench.engine.ping(Duration::from_secs(10));
    let api = answers.or_else(|error| {
        let hint = error.hint().unwrap_or("see docker-ctl.log and dockerd.log");
        Err(error).hint(hint)
    })?;
    let info = bench.engine.info()?;
    let store = match info.image_store() {
        ImageStore::Containerd => "containerd",
        ImageStore::GraphDriver => "graphdriver",
    };
    Ok(Seen::Proved(format!(
        "{} answers with API {api}, {store} image store ({}), cgroup v{}, {} containers run",
        info.server_version, info.driver, info.cgroup_version, info.containers_running
    )))
}
