//! A job's templates, rendered for one instance.

use crate::context;
use crate::instance_facts::InstanceFacts;
use crate::links;
use crate::plan::{GroupPlan, JobPlan, Plan};
use crate::release::fingerprint;
use anyhow::{Context, Result, anyhow};
use bosh_template::Renderer;
use std::fmt::Write as _;

/// A job with its files as they shall lie on an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedJob {
    /// The job's name.
    pub name: String,
    /// The version of the job in its release.
    pub fingerprint: String,
    /// The monit file.
    pub monit: String,
    /// Destination below the job's directory, and content.
    pub files: Vec<(String, String)>,
    /// A digest of all that.
    pub digest: String,
}

/// Renders every job of an instance; all jobs that fail are named.
pub fn instance(
    erb: &Renderer,
    plan: &Plan,
    group: &GroupPlan,
    facts: &InstanceFacts,
    all: &[InstanceFacts],
) -> Result<Vec<RenderedJob>> {
    let mut rendered = Vec::new();
    let mut failures = Vec::new();
    for job in &group.jobs {
        match render_job(erb, plan, group, job, facts, all) {
            Ok(job) => rendered.push(job),
            Err(error) => failures.push(format!("  - job `{}`: {error:#}", job.job.name)),
        }
    }
    if failures.is_empty() {
        return Ok(rendered);
    }
    Err(anyhow!(
        "unable to render jobs for instance group `{}`:\n{}",
        group.name,
        failures.join("\n")
    ))
}

fn render_job(
    erb: &Renderer,
    plan: &Plan,
    group: &GroupPlan,
    job: &JobPlan,
    facts: &InstanceFacts,
    all: &[InstanceFacts],
) -> Result<RenderedJob> {
    let links = links::resolve(plan, group, job, all)?;
    let context = context::build(plan, group, job, facts, &links);
    let mut sources = vec![("monit".to_owned(), job.job.monit_source()?)];
    for template in job.job.templates.keys() {
        sources.push((template.clone(), job.job.template_source(template)?));
    }
    let borrowed: Vec<(&str, &str)> = sources
        .iter()
        .map(|(name, source)| (name.as_str(), source.as_str()))
        .collect();
    let mut outputs = erb.render(&context, &borrowed)?.into_iter();
    let monit = outputs.next().context("the renderer gave no monit file")?;
    let files = job.job.templates.values().cloned().zip(outputs).collect();
    Ok(RenderedJob::new(
        &job.job.name,
        &job.job.fingerprint,
        monit,
        files,
    ))
}

impl RenderedJob {
    /// A rendered job, with its digest.
    pub fn new(name: &str, fingerprint: &str, monit: String, files: Vec<(String, String)>) -> Self {
        let mut all = format!("{name}\n{fingerprint}\n{}\n{monit}", monit.len());
        for (destination, content) in &files {
            let _ = write!(all, "{destination}\n{}\n{content}", content.len());
        }
        Self {
            name: name.to_owned(),
            fingerprint: fingerprint.to_owned(),
            digest: fingerprint::of_text(&all),
            monit,
            files,
        }
    }
}

/// A digest of all jobs of an instance: the director's `configuration_hash`.
pub fn configuration_hash(jobs: &[RenderedJob]) -> String {
    let digests: Vec<&str> = jobs.iter().map(|job| job.digest.as_str()).collect();
    fingerprint::of_text(&digests.join("\n"))
}
