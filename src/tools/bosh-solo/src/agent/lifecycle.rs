//! The director's two sequences on one instance: stop and start (director: `stopper.rb`, `starter.rb`).

use super::{Drain, Machine, apply, drain, monit, scripts, start_stop};
use crate::plan::WatchTime;
use anyhow::Result;

/// Why an instance is stopped, as pre-stop scripts are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Everything stays.
    KeepVm,
    /// The VM goes, its disk stays.
    DeleteVm,
    /// The instance goes with its disk.
    DeleteInstance,
    /// The whole deployment goes.
    DeleteDeployment,
}

impl Intent {
    fn environment(self) -> [(&'static str, &'static str); 3] {
        let (vm, instance, deployment) = match self {
            Self::KeepVm => ("keep", "keep", "keep"),
            Self::DeleteVm => ("delete", "keep", "keep"),
            Self::DeleteInstance => ("delete", "delete", "keep"),
            Self::DeleteDeployment => ("delete", "delete", "delete"),
        };
        [
            ("BOSH_VM_NEXT_STATE", vm),
            ("BOSH_INSTANCE_NEXT_STATE", instance),
            ("BOSH_DEPLOYMENT_NEXT_STATE", deployment),
        ]
    }
}

/// pre-stop, drain, monit stop, post-stop. Without `drain` neither drain nor pre-stop runs.
pub fn stop(
    machine: &Machine,
    jobs: &[String],
    intent: Intent,
    drain: Option<&Drain>,
) -> Result<()> {
    if let Some(drain) = drain {
        scripts::run(machine, jobs, "pre-stop", &intent.environment())?;
        monit::unmonitor(machine)?;
        drain::run(machine, jobs, drain)?;
    } else {
        machine
            .progress
            .say(&format!("{}: L skipped pre-stop & drain", machine.name));
    }
    machine
        .progress
        .say(&format!("{}: L stopping jobs", machine.name));
    start_stop::stop_and_wait(machine)?;
    scripts::run(machine, jobs, "post-stop", &[])
}

/// pre-start, monit start, wait until everything runs, post-start.
pub fn start(machine: &Machine, jobs: &[String], watch: WatchTime) -> Result<()> {
    scripts::run(machine, jobs, "pre-start", &[])?;
    machine
        .progress
        .say(&format!("{}: L starting jobs", machine.name));
    apply::configure(machine, jobs)?;
    start_stop::start(machine)?;
    monit::wait_until_running(machine, watch)?;
    scripts::run(machine, jobs, "post-start", &[])
}

/// post-deploy, which comes when every instance is up.
pub fn post_deploy(machine: &Machine, jobs: &[String]) -> Result<()> {
    scripts::run(machine, jobs, "post-deploy", &[])
}
