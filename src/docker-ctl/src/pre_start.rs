//! `docker-ctl pre-start`: what BOSH runs before it has monit start the job.
//!
//! post-start alone can tell the Director why a deploy fails, and it runs only where all processes came up. So settings that cannot work
//! are told here where there are no others to fall back to, and so is an engine that cannot be started on the data root. The marker keeps what fails in this deploy from showing before
//! post-start has said why.

use anyhow::Context;
use bosh_job::{Advise, Paths};
use job_properties::JobConfig;
use state_files::Marker;

use crate::daemon_json::DaemonJson;
use crate::{directories, image_store, settings};

/// Checks the engine, and the settings of a first start, and leaves the marker of a deploy.
pub fn run(paths: &Paths, config: anyhow::Result<JobConfig>) -> anyhow::Result<()> {
    directories::make_run_dir(paths)?;
    let deploying = Marker::new(paths.deploying());
    if let Err(error) = image_store::check_engine(paths, &config) {
        deploying
            .clear()
            .context("removing the marker of a deploy")?;
        return Err(error);
    }
    if DaemonJson::last_good(paths).is_none() {
        deploying
            .clear()
            .context("removing the marker of a deploy")?;
        directories::make(paths)?;
        settings::checked(paths, &config?)
            .context("checking dockerd's settings, before anything is started")
            .hint("set the properties right and deploy again; nothing was started")?;
    }
    deploying.set().context("leaving the marker of a deploy")
}
