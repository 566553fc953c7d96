//! dockerd itself: recognising it, its environment, becoming it.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::Context;
use bosh_job::{ExitCode, Paths, Pidfile, Process, ProcessInfo};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files that dockerd and every container may have: monit hands down a limit that is too low for many databases.
const OPEN_FILES: u64 = 1_048_576;

/// Whether a process is the dockerd of this root.
fn is_ours(info: &ProcessInfo, daemon_json: &str) -> bool {
    info.program() == "dockerd" && info.has_argument(daemon_json)
}

/// The dockerd of this root, by its pidfile, or by a look at all processes if somebody removed that.
pub fn running(paths: &Paths) -> Option<Process> {
    let daemon_json = paths.daemon_json().to_string_lossy().into_owned();
    let ours = |info: &ProcessInfo| is_ours(info, &daemon_json);
    Pidfile::new(paths.docker_pidfile())
        .living(ours)
        .or_else(|| Process::find(ours).into_iter().next())
}

/// Every other dockerd with this data root: one that an older release started with options of its own.
pub fn others(paths: &Paths) -> Vec<Process> {
    let daemon_json = paths.daemon_json().to_string_lossy().into_owned();
    let data_root = paths.data_root().to_string_lossy().into_owned();
    Process::find(|info| {
        info.program() == "dockerd" && info.has_argument(&data_root) && !is_ours(info, &daemon_json)
    })
}

/// The environment of dockerd, but for the proxies that go with its settings: nothing of monit's.
pub fn environment(paths: &Paths) -> Vec<(&'static str, String)> {
    let tmp = paths.tmp().display().to_string();
    vec![
        (
            "PATH",
            format!(
                "{}:{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                paths.docker_bin_dir().display(),
                paths.helpers_dir().display()
            ),
        ),
        ("HOME", paths.cli_dir().display().to_string()),
        ("TMPDIR", tmp.clone()),
        ("DOCKER_TMPDIR", tmp),
    ]
}

/// Becomes dockerd, in a session of its own, so that nothing that happens to monit's process group reaches it.
pub fn exec(paths: &Paths) -> anyhow::Result<ExitCode> {
    rustix::process::setsid().context("starting a session")?;
    raise_open_files();
    // monit runs at nice -10 on a stemcell, and all containers would: ahead of the agent and of sshd
    rustix::process::setpriority_process(None, 0).context("setting the priority")?;
    let program = paths.docker_bin("dockerd");
    let error = Command::new(&program)
        .arg("--config-file")
        .arg(paths.daemon_json())
        .exec();
    Err(error).with_context(|| format!("executing {}", program.display()))
}

/// Raises the limit as far as it goes; with less, dockerd runs too.
fn raise_open_files() {
    let now = getrlimit(Resource::Nofile);
    let maximum = now
        .maximum
        .map_or(OPEN_FILES, |maximum| maximum.max(OPEN_FILES));
    let wanted = Rlimit {
        current: Some(OPEN_FILES),
        maximum: Some(maximum),
    };
    if setrlimit(Resource::Nofile, wanted).is_err() {
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: now.maximum,
                maximum: now.maximum,
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(exe: &str, cmdline: &[&str]) -> ProcessInfo {
        let mut info = ProcessInfo::read(rustix::process::getpid()).unwrap();
        info.exe = exe.into();
        info.cmdline = cmdline.iter().map(|word| (*word).to_owned()).collect();
        info
    }

    #[test]
    fn knows_its_own_dockerd_by_program_and_configuration() {
        let own = "/r/data/docker/etc/daemon.json";
        assert!(is_ours(
            &process("/x/dockerd", &["/x/dockerd", "--config-file", own]),
            own
        ));
        assert!(is_ours(
            &process("/x/dockerd (deleted)", &["dockerd", "--config-file", own]),
            own
        ));
        assert!(!is_ours(
            &process(
                "/x/dockerd",
                &["dockerd", "--config-file", "/etc/docker/daemon.json"]
            ),
            own
        ));
        assert!(!is_ours(&process("/usr/bin/vi", &["vi", own]), own));
    }
}
