//! Which instances run an errand, and which job of theirs (director: `errand/errand_provider.rb`).

use super::{Deployment, Errand};
use crate::hint::Hint;
use crate::plan::{GroupPlan, Plan};
use crate::selector;
use crate::state::{Desired, InstanceRecord};
use anyhow::{Context, Result, anyhow, bail};

/// An instance and the job whose `bin/run` it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The instance's group.
    pub group: String,
    /// Its place in the group.
    pub index: usize,
    /// The job.
    pub job: String,
    /// Whether the group is an errand, whose machine has to be made first.
    pub errand: bool,
}

/// The names by which errands can be run.
pub fn errand_names(plan: &Plan) -> Vec<String> {
    let jobs = plan
        .groups
        .iter()
        .flat_map(|group| &group.jobs)
        .filter(|job| job.job.is_errand())
        .map(|job| job.job.name.clone());
    let groups = plan
        .groups
        .iter()
        .filter(|group| group.errand)
        .map(|group| group.name.clone());
    let mut names: Vec<String> = jobs.chain(groups).collect();
    names.sort();
    names.dedup();
    names
}

/// A job's name comes first; else it must be a group with `lifecycle: errand`, whose first job is run.
fn groups_and_jobs<'a>(plan: &'a Plan, errand: &Errand) -> Result<Vec<(&'a GroupPlan, String)>> {
    let name = &errand.name;
    let with_job: Vec<_> = plan
        .groups
        .iter()
        .filter(|group| group.jobs.iter().any(|job| job.job.name == *name))
        .map(|group| (group, name.clone()))
        .collect();
    let chosen = if with_job.is_empty() {
        let group = plan
            .groups
            .iter()
            .find(|group| group.name == *name)
            .ok_or_else(|| anyhow!("errand '{name}' doesn't exist"))
            .hint(format!(
                "this deployment has {}",
                match &errand_names(plan)[..] {
                    [] => "none".to_owned(),
                    names => names.join(", "),
                }
            ))?;
        if !group.errand {
            return Err(anyhow!("instance group '{name}' is not an errand"))
                .hint("set its `lifecycle` to `errand` in the deployment manifest");
        }
        if !errand.instances.is_empty() {
            bail!(
                "filtering by instances is not supported when running errand by instance group name"
            );
        }
        let first = group.jobs.first();
        let first = first.with_context(|| format!("instance group '{name}' has no job"))?;
        vec![(group, first.job.name.clone())]
    } else {
        with_job
    };
    for (group, name) in &chosen {
        let is_errand = |job: &&crate::plan::JobPlan| job.job.name == *name && job.job.is_errand();
        if group.jobs.iter().find(is_errand).is_none() {
            bail!("job '{name}' is not an errand: none of its templates is `bin/run`");
        }
    }
    Ok(chosen)
}

/// The steps of an errand; at least one.
pub fn steps(deployment: &Deployment, plan: &Plan, errand: &Errand) -> Result<Vec<Step>> {
    let chosen = groups_and_jobs(plan, errand)?;
    let matching = selector::matching(&deployment.record, &errand.instances)?;
    let stopped: Vec<String> = matching
        .iter()
        .filter(|record| record.desired == Desired::Stopped)
        .map(InstanceRecord::name)
        .collect();
    if !stopped.is_empty() {
        return Err(anyhow!(
            "instance(s) {} is stopped, unable to run errand",
            stopped.join(", ")
        ))
        .hint("`bosh-solo start` starts it");
    }
    let mut steps = Vec::new();
    for (group, job) in chosen {
        let of_group = matching
            .iter()
            .filter(|record| record.group == group.name && record.index < group.instances);
        for record in of_group {
            if !group.errand && record.desired == Desired::Detached {
                deployment.progress.warn(&format!(
                    "skipping instance {}: it has no machine",
                    record.long_name()
                ));
            } else if !group.errand || record.index == 0 {
                // Of a group that is an errand only the first instance runs it.
                steps.push(Step {
                    group: group.name.clone(),
                    index: record.index,
                    job: job.clone(),
                    errand: group.errand,
                });
            }
        }
    }
    if steps.is_empty() {
        bail!("errand '{}': no instance to run it on", errand.name);
    }
    if steps.len() > 1 && errand.instances.is_empty() {
        deployment.progress.warn(
            "executing errand on multiple instances in parallel: `--instance` runs it on a single one",
        );
    }
    Ok(steps)
}
