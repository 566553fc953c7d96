//! Jobs and packages on an instance (bosh-agent `agent/applier`).
//!
//! Prepare lays the new versions beside the old ones while these still run; apply switches the links
//! over once they are stopped; configure hands the monit files to monit, which starts things.

use super::Machine;
use super::files::{Files, copy_tree, entries, remove};
use crate::compile::CompiledPackage;
use crate::render::RenderedJob;
use anyhow::{Context, Result};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub const JOBS: &str = "/var/vcap/jobs";
const PACKAGES: &str = "/var/vcap/packages";
const DATA_JOBS: &str = "/var/vcap/data/jobs";
const DATA_PACKAGES: &str = "/var/vcap/data/packages";
pub const MONIT_JOBS: &str = "/var/vcap/monit/job";

/// Lays down what is not there yet; touches nothing that runs.
pub fn prepare(
    machine: &Machine,
    jobs: &[RenderedJob],
    packages: &[CompiledPackage],
) -> Result<()> {
    let files = Files::new(&machine.instance)?;
    files.directory(DATA_JOBS, 0o750)?;
    for job in jobs {
        install_job(&files, job).with_context(|| format!("preparing job `{}`", job.name))?;
    }
    files.directory(DATA_PACKAGES, 0o755)?;
    for package in packages {
        install_package(&files, package)
            .with_context(|| format!("preparing package `{}`", package.name))?;
    }
    Ok(())
}

fn install_job(files: &Files, job: &RenderedJob) -> Result<()> {
    let parent = files.directory(&format!("{DATA_JOBS}/{}", job.name), 0o750)?;
    let directory = parent.join(&job.digest);
    if directory.is_dir() {
        return Ok(());
    }
    let temporary = parent.join(format!(".{}.new", job.digest));
    remove(&temporary)?;
    make_directory(files, &temporary)?;
    write_file(files, &temporary.join("monit"), &job.monit, 0o640)?;
    for (destination, content) in &job.files {
        let path = temporary.join(destination);
        let mut missing: Vec<&Path> = path
            .ancestors()
            .skip(1)
            .take_while(|parent| !parent.exists())
            .collect();
        while let Some(directory) = missing.pop() {
            make_directory(files, directory)?;
        }
        // bosh-agent `agent/applier/jobs/owner_fix.go`: bin/** 0750, the rest 0640.
        let mode = if destination.starts_with("bin/") {
            0o750
        } else {
            0o640
        };
        write_file(files, &path, content, mode)?;
    }
    fs::rename(&temporary, &directory).with_context(|| format!("making {}", directory.display()))
}

fn make_directory(files: &Files, path: &Path) -> Result<()> {
    fs::create_dir(path).with_context(|| format!("making directory {}", path.display()))?;
    files.own(path, 0o750)
}

fn write_file(files: &Files, path: &Path, content: &str, mode: u32) -> Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("making {}", path.display()))?;
    file.write_all(content.as_bytes())
        .with_context(|| format!("writing {}", path.display()))?;
    files.own(path, mode)
}

fn install_package(files: &Files, package: &CompiledPackage) -> Result<()> {
    let parent = files.directory(&format!("{DATA_PACKAGES}/{}", package.name), 0o755)?;
    let directory = parent.join(&package.version);
    if directory.is_dir() {
        return Ok(());
    }
    let temporary = parent.join(format!(".{}.new", package.version));
    remove(&temporary)?;
    copy_tree(&package.directory, &temporary)?;
    fs::rename(&temporary, &directory).with_context(|| format!("making {}", directory.display()))
}

/// Makes the prepared versions the current ones and removes all others; monit then watches nothing.
pub fn apply(machine: &Machine, jobs: &[RenderedJob], packages: &[CompiledPackage]) -> Result<()> {
    let files = Files::new(&machine.instance)?;
    remove(&files.host(MONIT_JOBS)?)?;
    let links = files.directory(JOBS, 0o750)?;
    for job in jobs {
        make_directories_of(&files, &job.name)?;
        let current = format!("{DATA_JOBS}/{}/{}", job.name, job.digest);
        Files::link(&current, &links, &job.name)?;
        let own_packages = files.directory(&format!("{current}/packages"), 0o750)?;
        for package in packages {
            Files::link(&package_path(package), &own_packages, &package.name)?;
        }
        keep_only(
            &own_packages,
            packages.iter().map(|package| package.name.as_str()),
        )?;
    }
    keep_only(&links, jobs.iter().map(|job| job.name.as_str()))?;
    let versions = jobs
        .iter()
        .map(|job| (job.name.as_str(), job.digest.as_str()));
    keep_only_versions(&files.host(DATA_JOBS)?, versions)?;

    let links = files.directory(PACKAGES, 0o755)?;
    for package in packages {
        Files::link(&package_path(package), &links, &package.name)?;
    }
    keep_only(&links, packages.iter().map(|package| package.name.as_str()))?;
    let versions = packages
        .iter()
        .map(|package| (package.name.as_str(), package.version.as_str()));
    keep_only_versions(&files.host(DATA_PACKAGES)?, versions)?;
    files.directory(MONIT_JOBS, 0o755)?;
    machine.instance.monit_reload()?;
    Ok(())
}

/// What the agent tells programs of their instance (bosh-agent `agent/action/apply.go`).
pub fn write_instance_data(machine: &Machine, data: [(&str, &str); 4]) -> Result<()> {
    let files = Files::new(&machine.instance)?;
    let directory = files.directory("/var/vcap/instance", 0o755)?;
    for (name, text) in data {
        let path = directory.join(name);
        remove(&path)?;
        write_file(&files, &path, text, 0o644)?;
    }
    Ok(())
}

fn package_path(package: &CompiledPackage) -> String {
    format!("{DATA_PACKAGES}/{}/{}", package.name, package.version)
}

fn keep_only<'a>(directory: &Path, wanted: impl Iterator<Item = &'a str>) -> Result<()> {
    let wanted: Vec<&str> = wanted.collect();
    for name in entries(directory)? {
        if !wanted.contains(&name.as_str()) {
            remove(&directory.join(name))?;
        }
    }
    Ok(())
}

fn keep_only_versions<'a>(
    directory: &Path,
    wanted: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<()> {
    let wanted: Vec<(&str, &str)> = wanted.collect();
    keep_only(directory, wanted.iter().map(|(name, _)| *name))?;
    for (name, version) in &wanted {
        keep_only(&directory.join(name), std::iter::once(*version))?;
    }
    Ok(())
}

/// Makes what the agent makes for a job at apply and at boot (bosh-agent `applier/models/job.go`).
pub fn make_directories_of(files: &Files, job: &str) -> Result<()> {
    for parent in [
        "/var/vcap/data/sys/log",
        "/var/vcap/data/sys/run",
        "/var/vcap/data",
    ] {
        let path = format!("{parent}/{job}");
        if !files.host(&path)?.exists() {
            files.directory(&path, 0o770)?;
        }
    }
    Ok(())
}

/// Hands the jobs' monit files to monit, made to start and stop as a stemcell's monit does. The last job gets the lowest number, as from the agent.
pub fn configure(machine: &Machine, jobs: &[String]) -> Result<()> {
    let files = Files::new(&machine.instance)?;
    let directory = files.directory(MONIT_JOBS, 0o755)?;
    for (number, job) in jobs.iter().rev().enumerate() {
        let source = files.host(&format!("{JOBS}/{job}/monit"))?;
        let content =
            fs::read_to_string(&source).with_context(|| format!("reading {}", source.display()))?;
        let content = solo_instance::detach_programs(&content)
            .with_context(|| format!("monit file of job `{job}` ({JOBS}/{job}/monit)"))?;
        let target = directory.join(format!("{number:04}_{job}.monitrc"));
        crate::state::write_private(&target, content.as_bytes())?;
    }
    machine.instance.monit_reload()?;
    Ok(())
}
