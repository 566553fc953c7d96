//! The Compose project that runs, which may be another than the one that the properties ask for.

use std::time::Duration;

use bosh_job::command::Checked;
use bosh_job::{Advise, Paths};
use job_properties::Instance;
use recipe::{ProjectName, instance_environment};

/// The label that names a container's project.
pub const PROJECT_LABEL: &str = recipe::labels::PROJECT;

/// Runs a command of Compose that needs no recipe: it finds the containers by their labels, and no value of the instance matters.
pub fn compose(
    paths: &Paths,
    project: &ProjectName,
    args: &[&str],
    limit: Duration,
) -> anyhow::Result<()> {
    Checked::new(paths.compose_bin(), limit)
        .args(["-p", project.as_str()])
        .args(args)
        .envs(instance_environment(paths, &Instance::unknown()))
        // where no compose file can be found
        .current_dir(paths.cli_dir())
        .grace(Duration::from_secs(1))
        .run()
        .map(drop)
        .hint("see which containers are left with `docker ps -a`")
}
