//! `logs`: a tarball of the jobs' logs, or a look at them as they grow.

use super::ssh::running;
use super::{Environment, print};
use crate::cli::Logs;
use crate::selector::select;
use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use solo_instance::Instance;
use std::fs::File;
use std::path::{Path, PathBuf};

const LOG_DIRECTORY: &str = "/var/vcap/sys/log";

/// Collects or follows logs.
pub fn run(environment: &Environment, arguments: &Logs) -> Result<()> {
    let host = environment.host()?;
    let (name, record) = environment.record(&host)?;
    let instances = select(&record, arguments.instance.as_deref())?;
    if arguments.follow || arguments.num.is_some() {
        for chosen in &instances {
            let instance = running(&host, &name, &chosen.group, chosen.index)?;
            if arguments.follow && instances.len() > 1 {
                bail!(
                    "following the logs of {} instances at once is not possible: name one",
                    instances.len()
                );
            }
            tail(&instance, arguments)?;
        }
        return Ok(());
    }
    let mut label = name.clone();
    if let Some(selector) = &arguments.instance {
        label = format!("{label}.{}", selector.replace('/', "."));
    }
    let path = tarball_path(&label, &arguments.dir);
    let mut collected = Vec::new();
    for chosen in &instances {
        let number = u32::try_from(chosen.index).context("an instance's index")?;
        if let Some(instance) = host.instance(&name, &chosen.group, number)? {
            let prefix = if instances.len() > 1 {
                format!("{}.{}/", chosen.group, chosen.index)
            } else {
                "./".to_owned()
            };
            let root = instance.host_path(LOG_DIRECTORY)?;
            collected.extend(
                log_files(&root, &arguments.job)?
                    .into_iter()
                    .map(|(relative, file)| (format!("{prefix}{relative}"), file)),
            );
        }
    }
    write_tarball(&path, &collected).with_context(|| format!("writing {}", path.display()))?;
    environment.progress.say(&format!(
        "{} log files of {} instances",
        collected.len(),
        instances.len()
    ));
    print(&format!("{}\n", path.display()))
}

fn tarball_path(label: &str, directory: &Path) -> PathBuf {
    let stamp = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S");
    directory.join(format!("{label}-{stamp}.tgz"))
}

/// All logs of one instance in a tarball, whose path is returned.
pub fn collect(instance: &Instance, label: &str, directory: &Path) -> Result<PathBuf> {
    let path = tarball_path(label, directory);
    let files = log_files(&instance.host_path(LOG_DIRECTORY)?, &[])?;
    write_tarball(&path, &files).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

/// What a Director collects: `*.log` at most two directories deep (bosh-agent `fetch_logs`: `**/*.log`
/// below the job's directory).
fn log_files(root: &Path, jobs: &[String]) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(root)
        .min_depth(1)
        .max_depth(3)
        .sort_by_file_name()
    {
        let entry = entry.with_context(|| format!("listing {}", root.display()))?;
        let relative = entry
            .path()
            .strip_prefix(root)
            .unwrap_or(entry.path())
            .to_string_lossy()
            .into_owned();
        let job = relative.split('/').next().unwrap_or_default();
        let wanted = jobs.is_empty() || jobs.iter().any(|wanted| wanted == job);
        let is_log = entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "log");
        if entry.file_type().is_file() && is_log && wanted {
            found.push((relative, entry.into_path()));
        }
    }
    Ok(found)
}

fn write_tarball(path: &Path, files: &[(String, PathBuf)]) -> Result<()> {
    let mut builder =
        tar::Builder::new(GzEncoder::new(File::create(path)?, Compression::default()));
    for (name, source) in files {
        let mut file =
            File::open(source).with_context(|| format!("opening {}", source.display()))?;
        let metadata = file.metadata()?;
        let mut header = tar::Header::new_gnu();
        header.set_metadata(&metadata);
        // A log may grow while it is read: what was there when it was opened is taken.
        header.set_size(metadata.len());
        let mut taken = std::io::Read::take(&mut file, metadata.len());
        builder.append_data(&mut header, name, &mut taken)?;
    }
    builder.into_inner()?.finish()?.sync_all()?;
    Ok(())
}

fn tail(instance: &Instance, arguments: &Logs) -> Result<()> {
    let lines = arguments.num.unwrap_or(10);
    let follow = if arguments.follow { "-F" } else { "" };
    let patterns: Vec<String> = if arguments.job.is_empty() {
        vec!["**/*.log".to_owned()]
    } else {
        arguments
            .job
            .iter()
            .map(|job| format!("'{}'/**/*.log", job.replace('\'', "")))
            .collect()
    };
    let script = format!(
        "shopt -s globstar nullglob; cd {LOG_DIRECTORY} && exec tail -n {lines} {follow} -- {} /dev/null",
        patterns.join(" ")
    );
    let argv = ["/bin/bash", "-c", &script].map(str::to_owned);
    instance.shell(&argv).context("following logs")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Read;

    #[test]
    fn collects_logs_two_directories_deep_of_the_jobs_that_are_wanted() {
        let root = tempfile::tempdir().unwrap();
        for name in [
            "a/x.log",
            "a/deep/y.log",
            "a/deep/er/z.log",
            "a/notes.txt",
            "b/x.log",
        ] {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let names = |jobs: &[String]| -> Vec<String> {
            log_files(root.path(), jobs)
                .unwrap()
                .into_iter()
                .map(|(name, _)| name)
                .collect()
        };
        assert_eq!(names(&[]), ["a/deep/y.log", "a/x.log", "b/x.log"]);
        assert_eq!(names(&["b".to_owned()]), ["b/x.log"]);
    }

    #[test]
    fn a_tarball_holds_what_was_collected() {
        let root = tempfile::tempdir().unwrap();
        let log = root.path().join("x.log");
        fs::write(&log, "content").unwrap();
        let tarball = root.path().join("t.tgz");
        write_tarball(&tarball, &[("./a/x.log".to_owned(), log)]).unwrap();
        let mut archive =
            tar::Archive::new(flate2::read::GzDecoder::new(File::open(tarball).unwrap()));
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        assert_eq!(
            (entry.path().unwrap().to_str().unwrap(), text.as_str()),
            ("a/x.log", "content")
        );
    }
}
