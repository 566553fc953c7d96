//! Which packages a deployment needs, to compile and at run time.

use super::{GroupPlan, JobPlan};
use crate::progress::Progress;
use crate::release::{Job, Package};
use anyhow::{Result, bail};
use std::collections::BTreeMap;

/// The packages that a group's jobs need at run time, with the release of each.
pub fn at_run_time(jobs: &[JobPlan]) -> BTreeMap<String, String> {
    jobs.iter()
        .flat_map(|plan| {
            let release = &plan.job.release;
            plan.job
                .packages
                .iter()
                .map(move |package| (package.clone(), release.clone()))
        })
        .collect()
}

/// Everything that has to be compiled, dependencies first.
pub fn to_compile(
    groups: &[GroupPlan],
    releases: &super::Releases,
    progress: &Progress,
) -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    for (name, (release, _)) in releases {
        let mut wanted: Vec<String> = groups
            .iter()
            .flat_map(|group| &group.jobs)
            .filter(|plan| plan.job.release == *name)
            .flat_map(|plan| plan.job.packages.clone())
            .collect();
        wanted.sort();
        wanted.dedup();
        packages.extend(release.packages(&wanted, progress)?);
    }
    Ok(packages)
}

fn find_package<'a>(packages: &'a [Package], release: &str, name: &str) -> Option<&'a Package> {
    packages
        .iter()
        .find(|package| package.release == release && package.name == name)
}

/// Two packages of one name can share an instance only if they are the same (director:
/// `instance_group.rb`, `validate_package_names_do_not_collide!`).
pub fn refuse_collisions(groups: &[GroupPlan], packages: &[Package]) -> Result<()> {
    for group in groups {
        let mut seen: BTreeMap<&str, (&Package, &Job)> = BTreeMap::new();
        for job in group.jobs.iter().map(|plan| &plan.job) {
            for name in &job.packages {
                let Some(package) = find_package(packages, &job.release, name) else {
                    continue;
                };
                let (first, first_job) = *seen.entry(name).or_insert((package, job));
                if first.fingerprint != package.fingerprint
                    || first.dependencies != package.dependencies
                {
                    bail!(
                        "package name collision detected in instance group `{}`: job `{}/{}` depends on package `{}/{name}`, job `{}/{}` depends on `{}/{name}`, and the two packages differ",
                        group.name,
                        first_job.release,
                        first_job.name,
                        first.release,
                        job.release,
                        job.name,
                        package.release
                    );
                }
            }
        }
    }
    Ok(())
}
