//! `start`, `stop`, `restart`, `recreate` and `reboot`.

use super::{Environment, deploy};
use crate::cli::{Restart, Select};
use crate::engine::{self, Operation};
use crate::selector::select;
use crate::state::{Desired, InstanceRecord};
use anyhow::Result;

/// Does one of them to the selected instances.
pub fn run(
    environment: &Environment,
    select_arguments: &Select,
    operation: Operation,
) -> Result<()> {
    let host = environment.host()?;
    let mut deployment = environment.open(&host)?;
    let instances = select(&deployment.record, select_arguments.instance.as_deref())?;
    let (detached, present): (Vec<_>, Vec<_>) = instances
        .into_iter()
        .partition(|instance| instance.desired == Desired::Detached);
    let starts = matches!(operation, Operation::Start | Operation::Restart { .. });
    if starts && !detached.is_empty() {
        let names = detached.iter().map(InstanceRecord::name).collect();
        deploy::again(environment, &mut deployment, names, false)?;
    }
    engine::operate(&mut deployment, &present, operation)?;
    environment.progress.say("Succeeded");
    Ok(())
}

/// Recreates the selected instances; their disks stay.
pub fn recreate(environment: &Environment, arguments: &Restart) -> Result<()> {
    let host = environment.host()?;
    let mut deployment = environment.open(&host)?;
    let instances = select(&deployment.record, arguments.select.instance.as_deref())?;
    let names = instances.iter().map(InstanceRecord::name).collect();
    deploy::again(environment, &mut deployment, names, arguments.skip_drain)?;
    environment.progress.say("Succeeded");
    Ok(())
}
