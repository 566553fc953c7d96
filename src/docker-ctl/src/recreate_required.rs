//! Settings over which running containers cannot be carried: where data lies, which image store, which addresses. dockerd
//! would not find its containers again. So they are stopped first, on the settings under which they run.

use std::time::{Duration, Instant};

use bosh_job::Paths;
use tracing::{info, warn};

use crate::daemon_json::DaemonJson;
use crate::dockerd;
use crate::{cleanup, launch, project, settings, stop};
use state_files::AppliedProject;

/// How long the recipe's services may take to stop in order; monit's time for a start is what bounds it.
const IN_ORDER: Duration = Duration::from_secs(30);
/// How long dockerd may take to stop the rest.
const THE_REST: Duration = Duration::from_secs(20);

/// Stops the containers that run under `old`, if `new` cannot carry them.
pub fn stop_containers_if_needed(
    paths: &Paths,
    old: &DaemonJson,
    new: &DaemonJson,
    deadline: Instant,
) -> anyhow::Result<()> {
    let Some(setting) = old.first_not_carried(new) else {
        return Ok(());
    };
    if !cleanup::has_containers(paths) {
        return Ok(());
    }
    info!(
        setting,
        "running containers cannot be carried over a change of this setting; stopping them on the old one first"
    );
    settings::put_in_place(paths, old)?;
    let mut started = launch::start(paths)?;
    let up_by = (Instant::now() + Duration::from_secs(20)).min(deadline);
    if let Err(failure) = started.wait_until_up(paths, up_by) {
        let error = anyhow::Error::from(failure);
        warn!("dockerd does not come up on the old settings: {error:#}");
    } else if let Some(project) = AppliedProject::name(paths)
        && let Err(error) = project::compose(paths, &project, &["stop"], IN_ORDER)
    {
        warn!("cannot stop the recipe in order: {error:#}");
    }
    match dockerd::running(paths) {
        Some(process) => stop::full(paths, &process, Instant::now() + THE_REST),
        None => cleanup::end_all(paths, Duration::from_secs(10)),
    }
}
