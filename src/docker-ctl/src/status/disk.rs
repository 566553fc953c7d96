//! What is on the disk, by kind, and how much is free.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bosh_job::Paths;
use docker_engine::{DiskUsage, Engine};
use serde::Serialize;

/// How long the engine may take to count; it walks through the files of all volumes.
const LIMIT: Duration = Duration::from_secs(20);

/// Bytes by kind. What only the engine knows is missing when it did not say in time.
#[derive(Debug, Serialize)]
pub struct DiskReport {
    pub images: Option<Used>,
    pub containers: Option<Used>,
    pub volumes: Option<Used>,
    /// The engine's own copies of what containers print.
    pub engine_logs: Used,
    /// The job's log directory.
    pub job_logs: Used,
    pub filesystems: Vec<FileSystem>,
    /// Why images, containers and volumes are missing.
    pub error: Option<String>,
}

/// How many there are, and what they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Used {
    pub count: u64,
    pub bytes: u64,
}

/// A file system that the job writes to.
#[derive(Debug, Serialize)]
pub struct FileSystem {
    pub path: PathBuf,
    pub bytes: u64,
    /// What programs may still write.
    pub free_bytes: u64,
}

/// Looks; `engine` is none when it does not answer.
pub fn look(paths: &Paths, engine: Option<&Engine>) -> DiskReport {
    let usage = match engine.map(|engine| engine.disk_usage(LIMIT)) {
        Some(Ok(usage)) => Ok(usage),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("the engine does not answer".to_owned()),
    };
    let of = |count: fn(&DiskUsage) -> Used| usage.as_ref().ok().map(count);
    DiskReport {
        images: of(|usage| used(usage.images.len(), [usage.images_size()])),
        containers: of(|usage| {
            let sizes = usage.containers.iter().map(|one| one.size_rw);
            used(usage.containers.len(), sizes)
        }),
        volumes: of(|usage| {
            let sizes = usage.volumes.iter();
            let sizes = sizes.filter_map(|one| Some(one.usage_data?.size));
            used(usage.volumes.len(), sizes)
        }),
        engine_logs: files(&paths.data_root().join("containers"), 2, is_engine_log),
        job_logs: files(&paths.log_dir(), 2, |_| true),
        filesystems: [paths.data_root(), paths.log_dir()]
            .into_iter()
            .filter_map(file_system)
            .collect(),
        error: usage.err(),
    }
}

/// A negative size is one that the engine does not know.
fn used(count: usize, sizes: impl IntoIterator<Item = i64>) -> Used {
    Used {
        count: count as u64,
        bytes: sizes
            .into_iter()
            .map(|size| u64::try_from(size).unwrap_or_default())
            .sum(),
    }
}

/// Files of the log drivers `json-file` and `local`, and of the cache that other drivers have.
fn is_engine_log(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.contains("-json.log")
        || name.starts_with("container.log")
        || name.starts_with("container-cached.log")
}

/// The files below a directory, `depth` directories deep. Files come and go meanwhile: what cannot be read is not there.
fn files(directory: &Path, depth: usize, counts: fn(&Path) -> bool) -> Used {
    let mut all = Used::default();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if metadata.is_dir() && depth > 0 {
            let below = files(&path, depth - 1, counts);
            all.count += below.count;
            all.bytes += below.bytes;
        } else if metadata.is_file() && counts(&path) {
            all.count += 1;
            all.bytes += metadata.len();
        }
    }
    all
}

fn file_system(path: PathBuf) -> Option<FileSystem> {
    let found = rustix::fs::statvfs(&path).ok()?;
    Some(FileSystem {
        path,
        bytes: found.f_blocks.saturating_mul(found.f_frsize),
        free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_found_where_the_engines_drivers_have_them() {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in [
            ("c1/c1-json.log", 10),
            ("c1/c1-json.log.1.gz", 5),
            ("c1/config.v2.json", 1000),
            ("c2/local-logs/container.log", 7),
            ("c3/container-cached.log", 3),
            ("c3/mounts/too/deep/x-json.log", 1000),
        ] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![b'x'; bytes]).unwrap();
        }
        let found = files(dir.path(), 2, is_engine_log);
        assert_eq!(
            found,
            Used {
                count: 4,
                bytes: 25
            }
        );
        assert_eq!(
            files(&dir.path().join("none"), 2, |_| true),
            Used::default()
        );
    }

    #[test]
    fn an_engine_that_cannot_count_leaves_the_rest() {
        use docker_engine::fake::{FakeEngine, FakeReply};
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path());
        fs::create_dir_all(paths.run_dir()).unwrap();
        let _fake = FakeEngine::start(&paths.socket(), |_| {
            FakeReply::error(500, "a disk usage operation is already running")
        });
        let report = look(&paths, Some(&Engine::new(paths.socket())));
        assert!(report.error.unwrap().contains("already running"));
        assert_eq!((report.images, report.volumes), (None, None));
        assert_eq!(report.engine_logs, Used::default());
    }

    #[test]
    fn without_an_engine_logs_and_file_systems_are_still_told() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path());
        fs::create_dir_all(paths.log_dir()).unwrap();
        fs::write(paths.log_file("dockerd"), "abc").unwrap();
        let report = look(&paths, None);
        assert_eq!(report.job_logs, Used { count: 1, bytes: 3 });
        assert_eq!(report.images, None);
        assert_eq!(report.error.as_deref(), Some("the engine does not answer"));
        assert!(report.filesystems[0].bytes > 0);
    }
}
