//! Errands, on all their instances at once (director: `errand/parallel_step.rb`, `errand/lifecycle_errand_step.rb`).

mod steps;

pub use steps::errand_names;

use super::changes::Target;
use super::converge::targets;
use super::convergence::Convergence;
use super::operate::detach;
use super::{Deployment, update};
use crate::agent;
use crate::plan::Plan;
use crate::release::fingerprint;
use crate::state::{Applied, Desired, InstanceRecord};
use anyhow::{Context, Result, anyhow, bail};
use solo_instance::{ExecOutput, Instance};
use steps::{Step, steps};

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Errand {
    /// A job's name, or the name of a group with `lifecycle: errand`.
    pub name: String,
    /// `GROUP[/INSTANCE]`: on these only.
    pub instances: Vec<String>,
    /// Whether the machine of a `lifecycle: errand` group stays.
    pub keep_alive: bool,
    /// Whether it is left out if nothing changed since it last succeeded.
    pub when_changed: bool,
}

/// How an errand ended on one instance.
#[derive(Debug)]
pub struct Ended {
    /// The instance.
    pub record: InstanceRecord,
    /// Exit code and output.
    pub output: ExecOutput,
}

/// Runs it; nothing if it was left out. `fetch` gets hold of each instance before its machine goes.
pub fn run_errand(
    deployment: &mut Deployment,
    plan: &Plan,
    errand: &Errand,
    mut fetch: impl FnMut(&InstanceRecord, &Instance) -> Result<()>,
) -> Result<Option<Vec<Ended>>> {
    let steps = steps(deployment, plan, errand)?;
    let targets = if steps.iter().any(|step| step.errand) {
        let convergence = Convergence {
            nat: deployment.record.nat,
            ..Convergence::default()
        };
        targets(deployment, plan, &convergence)?.unwrap_or_default()
    } else {
        Vec::new()
    };
    let digest = digest_of(deployment, &steps, &targets)?;
    if errand.when_changed && deployment.record.errand_runs.get(&errand.name) == Some(&digest) {
        return Ok(None);
    }
    deployment.record.errand_runs.remove(&errand.name);
    deployment.save()?;

    let ended = bring_up(deployment, &steps, &targets)
        .and_then(|()| run_everywhere(deployment, errand, &steps));
    let fetched = ended.as_ref().ok().map(|ended| {
        ended.iter().try_for_each(|one| {
            let instance = deployment.instance(&one.record)?;
            instance.map_or(Ok(()), |instance| fetch(&one.record, &instance))
        })
    });
    if !errand.keep_alive {
        // It is done whatever came before; the first error is the one to tell of.
        let taken_down = take_down(deployment, &steps);
        if ended.is_ok() {
            taken_down?;
        }
    }
    let ended = ended?;
    if ended.iter().all(|one| one.output.code() == 0) {
        let runs = &mut deployment.record.errand_runs;
        runs.insert(errand.name.clone(), digest);
        deployment.save()?;
    }
    fetched.transpose()?;
    Ok(Some(ended))
}

/// Digest of what the errand runs on: other jobs, packages or instances make another one.
fn digest_of(deployment: &Deployment, steps: &[Step], targets: &[Target]) -> Result<String> {
    let mut texts = Vec::new();
    for step in steps {
        let record = record_of(deployment, step)?;
        let target = targets
            .iter()
            .find(|target| target.group == step.group && target.index == step.index)
            .filter(|_| step.errand);
        let applied = target.map_or_else(|| record.applied.clone(), Target::applied);
        texts.push(format!(
            "{} {} {:?}",
            record.id, applied.configuration_hash, applied.packages
        ));
    }
    texts.sort();
    Ok(fingerprint::of_text(&texts.join("\n")))
}

fn record_of(deployment: &Deployment, step: &Step) -> Result<InstanceRecord> {
    let mut records = deployment.record.instances.iter();
    records
        .find(|record| record.group == step.group && record.index == step.index)
        .cloned()
        .context("an errand's instance without a record")
}

/// Makes the machines of groups that are errands, or updates those that were kept.
fn bring_up(deployment: &mut Deployment, steps: &[Step], targets: &[Target]) -> Result<()> {
    for target in targets {
        let step = |step: &&Step| step.group == target.group && step.index == target.index;
        if steps.iter().find(step).is_none_or(|step| !step.errand) {
            continue;
        }
        deployment.remember(&target.group, target.index, |record| {
            record.desired = Desired::Started;
        })?;
        update::create_missing(deployment, std::slice::from_ref(target))?;
        update::update(deployment, target, &Convergence::default())?;
    }
    Ok(())
}

/// Deletes the machines of groups that are errands; their disks stay. No script runs.
fn take_down(deployment: &mut Deployment, steps: &[Step]) -> Result<()> {
    for step in steps.iter().filter(|step| step.errand) {
        let record = record_of(deployment, step)?;
        let stage = deployment
            .progress
            .step(format!("Deleting vm of errand {}", record.long_name()));
        detach(deployment, &record)?;
        deployment.remember(&step.group, step.index, |record| {
            record.desired = Desired::Detached;
            record.dirty = true;
            record.applied = Applied::default();
        })?;
        stage.done();
    }
    Ok(())
}

fn run_everywhere(deployment: &Deployment, errand: &Errand, steps: &[Step]) -> Result<Vec<Ended>> {
    let mut machines = Vec::new();
    for step in steps {
        let record = record_of(deployment, step)?;
        let instance = deployment.instance(&record)?;
        match instance {
            Some(instance) if instance.running()? => {
                let machine = deployment.machine(&record, instance);
                machines.push((record, machine, step.job.clone()));
            }
            _ => bail!(
                "instance {} does not run: unable to run errand",
                record.long_name()
            ),
        }
    }
    let running: Vec<Result<Ended>> = std::thread::scope(|scope| {
        let threads: Vec<_> = machines
            .into_iter()
            .map(|(record, machine, job)| {
                scope.spawn(move || {
                    let step = machine
                        .progress
                        .step(format!("Running errand {}: {}", errand.name, machine.name));
                    let output = agent::run_errand(&machine, &job)?;
                    step.done();
                    Ok(Ended { record, output })
                })
            })
            .collect();
        let joined = threads.into_iter().map(|thread| {
            let ended = thread.join();
            ended.unwrap_or_else(|_| Err(anyhow!("the thread that ran it ended badly")))
        });
        joined.collect()
    });
    running.into_iter().collect()
}
