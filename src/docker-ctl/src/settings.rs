//! dockerd's settings from properties to a file that it accepts, without losing those that work.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use bosh_job::command::{Checked, CommandError};
use bosh_job::{Advise, ExitCode, Paths, atomic_write};
use job_properties::{Daemon, JobConfig, TcpAccess, daemon_keys};
use tracing::warn;
use vm_networks::ResolvConf;

use crate::daemon_json::DaemonJson;
use crate::{address_pools, dockerd, image_store, resolvers, tls_files};

/// The settings that the properties ask for, good as far as can be known without starting on them.
pub fn checked(paths: &Paths, config: &JobConfig) -> anyhow::Result<(Daemon, DaemonJson)> {
    let (daemon, settings) = wanted(paths, config)?;
    resolvers::warn_of_public_ones(&daemon.networks, &ResolvConf::of_vm(Path::new("/")));
    validate(paths, &settings)?;
    Ok((daemon, settings))
}

/// The settings that the properties ask for. What only dockerd knows of them is not checked.
pub fn wanted(paths: &Paths, config: &JobConfig) -> anyhow::Result<(Daemon, DaemonJson)> {
    let mut daemon = config.daemon()?;
    daemon.networks =
        address_pools::choose(daemon.networks, DaemonJson::last_good(paths).as_ref())?;
    let tls = match daemon.listen.as_ref().map(|listen| &listen.access) {
        Some(TcpAccess::MutualTls(material)) => Some(tls_files::write(paths, material)?),
        _ => None,
    };
    let settings = image_store::keep(paths, DaemonJson::new(paths, &daemon, tls.as_ref()));
    image_store::check_options(paths, &settings, daemon.image_store.is_some())?;
    Ok((daemon, settings))
}

/// Makes settings the ones that dockerd starts with.
pub fn put_in_place(paths: &Paths, settings: &DaemonJson) -> anyhow::Result<()> {
    settings.write(&paths.daemon_json())
}

/// Remembers that dockerd came up with these, and forgets the TLS files of others.
pub fn remember(paths: &Paths, settings: &DaemonJson) -> anyhow::Result<()> {
    if let Err(error) = image_store::note(paths, settings) {
        warn!("the data root's image store is not noted: {error:#}");
    }
    settings.write(&DaemonJson::last_good_path(paths))?;
    tls_files::remove_unused(paths, settings.text(daemon_keys::TLS_KEY).map(Path::new))
}

/// Has dockerd check the settings, if it can: the flag exists since 23.0.
fn validate(paths: &Paths, settings: &DaemonJson) -> anyhow::Result<()> {
    let candidate = paths.daemon_json().with_extension("json.new");
    atomic_write(&candidate, &settings.to_bytes()?, 0o600)?;
    let checked = Checked::new(paths.docker_bin("dockerd"), Duration::from_secs(20))
        .args(["--validate", "--config-file"])
        .arg(&candidate)
        .envs(dockerd::environment(paths))
        .run();
    // checked or not, it has served
    let _ = std::fs::remove_file(&candidate);
    match checked {
        Ok(_) => Ok(()),
        Err(error @ CommandError::Status { .. })
            if error
                .stderr()
                .iter()
                .any(|line| line.contains("unknown flag: --validate")) =>
        {
            Ok(())
        }
        // that says nothing of the settings; dockerd checks them again when it starts
        Err(error @ CommandError::Status { status, .. }) if status.signal().is_some() => {
            warn!("the settings are not checked beforehand: {error}");
            Ok(())
        }
        Err(error @ CommandError::Status { .. }) => Err(error)
            .context("dockerd refuses the settings that the job's properties ask for")
            .exits(ExitCode::BadConfig),
        Err(error) => Err(error).context("having dockerd check its settings"),
    }
}
