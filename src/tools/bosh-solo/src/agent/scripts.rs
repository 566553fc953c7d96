//! Lifecycle scripts: the same one of all colocated jobs, in parallel, all awaited
//! (bosh-agent `agent/script/{parallel,generic}_script.go`).

use super::{Machine, script_environment};
use crate::hint::Hint;
use anyhow::{Context, Result, anyhow, bail};
use solo_instance::{Exec, Sink};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How many lines of a failed script's log an error shows.
const TAIL_LINES: usize = 15;

/// Runs `bin/<script>` of every job that has it, with `env` besides the agent's own environment.
pub fn run(machine: &Machine, jobs: &[String], script: &str, env: &[(&str, &str)]) -> Result<()> {
    let present = jobs_with(machine, jobs, script)?;
    if present.is_empty() {
        return Ok(());
    }
    machine.progress.say(&format!(
        "{}: L executing {script}: {}",
        machine.name,
        present.join(", ")
    ));
    let failures = in_parallel(&present, |job| run_one(machine, job, script, env));
    summarize(machine, script, &present, &failures)
}

/// The jobs that have the script.
pub fn jobs_with(machine: &Machine, jobs: &[String], script: &str) -> Result<Vec<String>> {
    let mut present = Vec::new();
    for job in jobs {
        if machine
            .instance
            .host_path(script_path(job, script))?
            .exists()
        {
            present.push(job.clone());
        }
    }
    Ok(present)
}

/// Where a job's script lies inside the instance.
pub fn script_path(job: &str, script: &str) -> String {
    format!("/var/vcap/jobs/{job}/bin/{script}")
}

/// Does `work` for all jobs at once and returns the failures by job.
pub fn in_parallel(
    jobs: &[String],
    work: impl Fn(&str) -> Result<()> + Sync,
) -> Vec<(String, anyhow::Error)> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = jobs
            .iter()
            .map(|job| (job, scope.spawn(|| work(job))))
            .collect();
        threads
            .into_iter()
            .filter_map(|(job, thread)| {
                let result = thread
                    .join()
                    .unwrap_or_else(|_| Err(anyhow!("the thread that ran it ended badly")));
                Some((job.clone(), result.err()?))
            })
            .collect()
    })
}

/// The agent's summary of a failure, with each script's own error below it.
pub fn summarize(
    machine: &Machine,
    script: &str,
    all: &[String],
    failures: &[(String, anyhow::Error)],
) -> Result<()> {
    if failures.is_empty() {
        return Ok(());
    }
    let failed: Vec<&str> = failures.iter().map(|(job, _)| job.as_str()).collect();
    let passed: Vec<&str> = all
        .iter()
        .map(String::as_str)
        .filter(|job| !failed.contains(job))
        .collect();
    let mut summary = format!(
        "{}: {} of {} {script} scripts failed. Failed Jobs: {}.",
        machine.name,
        failed.len(),
        all.len(),
        failed.join(", ")
    );
    if !passed.is_empty() {
        let _ = write!(summary, " Successful Jobs: {}.", passed.join(", "));
    }
    for (job, error) in failures {
        let _ = write!(summary, "\njob `{job}`: {error:#}");
    }
    Err(anyhow!(summary)).hint(format!(
        "`bosh-solo logs` collects the logs of `{}`",
        machine.name
    ))
}

fn run_one(machine: &Machine, job: &str, script: &str, env: &[(&str, &str)]) -> Result<()> {
    let path = script_path(job, script);
    check_executable(&machine.instance.host_path(&path)?)?;
    let log_directory = machine
        .instance
        .host_path(format!("/var/vcap/sys/log/{job}"))?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(&log_directory)
        .with_context(|| format!("making {}", log_directory.display()))?;
    let error_log = log_directory.join(format!("{script}.stderr.log"));
    let mut exec = Exec::new([path.as_str()]);
    exec.env = script_environment();
    exec.env.extend(
        env.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    exec.stdout = Sink::File(open_log(
        &log_directory.join(format!("{script}.stdout.log")),
    )?);
    let errors = open_log(&error_log)?;
    let begin = errors.metadata().map_or(0, |metadata| metadata.len());
    exec.stderr = Sink::File(errors);
    let output = machine
        .instance
        .exec(exec)
        .with_context(|| format!("running {path}"))?;
    if output.status.success() {
        return Ok(());
    }
    bail!(
        "{path} ended with {}; log /var/vcap/sys/log/{job}/{script}.stderr.log:\n{}",
        output.status,
        tail(&error_log, begin)
    )
}

/// The kernel, which the agent asks to run a script, wants `#!` or a binary; a shell would not mind.
pub fn check_executable(path: &Path) -> Result<()> {
    let mut magic = [0; 4];
    let read = File::open(path)
        .and_then(|mut file| file.read(&mut magic))
        .with_context(|| format!("reading {}", path.display()))?;
    if magic[..read].starts_with(b"#!") || magic == *b"\x7fELF" {
        return Ok(());
    }
    Err(anyhow!("exec format error: the script does not begin with `#!`"))
        .hint("the template's first line must be the shebang: no ERB tag, comment or empty line before it")
}

fn open_log(path: &PathBuf) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o640)
        .open(path)
        .with_context(|| format!("opening log {}", path.display()))
}

/// The last lines that were added to a log after `begin` bytes.
fn tail(path: &Path, begin: u64) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(begin.max(end.saturating_sub(64 * 1024))))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match read() {
        Ok(text) if text.trim().is_empty() => "    (it wrote nothing to standard error)".to_owned(),
        Ok(text) => {
            let lines: Vec<&str> = text.lines().collect();
            let first = lines.len().saturating_sub(TAIL_LINES);
            lines[first..]
                .iter()
                .map(|line| format!("    {line}"))
                .collect::<Vec<_>>()
                .join("\n")
        }
        Err(error) => format!("    (cannot be read: {error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_shows_only_what_this_run_added() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        fs::write(&path, "earlier run\nthis run\n").unwrap();
        assert_eq!(tail(&path, 12), "    this run");
        assert!(tail(&path, 21).contains("wrote nothing"));
    }

    #[test]
    fn a_script_without_a_shebang_cannot_be_executed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("script");
        for (content, fine) in [
            ("#!/bin/sh\n", true),
            ("\x7fELF\u{1}", true),
            ("\n#!/bin/sh\n", false),
            ("", false),
        ] {
            fs::write(&path, content).unwrap();
            assert_eq!(check_executable(&path).is_ok(), fine, "{content:?}");
        }
    }
}
