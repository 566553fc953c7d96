//! The one author of paths under `/var/vcap`.
//!
//! The root can be moved (`--root`), so that tests and `bosh-solo` run the real programs without touching a VM.

use std::path::{Path, PathBuf};

/// Where everything lies, below a root that is `/var/vcap` on a VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    root: PathBuf,
}

impl Paths {
    /// The root on a BOSH VM.
    pub const DEFAULT_ROOT: &'static str = "/var/vcap";

    /// Paths below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The root itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What the job's templates rendered: gone when the job leaves the instance.
    #[must_use]
    pub fn job_dir(&self) -> PathBuf {
        self.root.join("jobs/docker")
    }

    /// The job's configuration.
    #[must_use]
    pub fn job_config(&self) -> PathBuf {
        self.job_dir().join("config/config.json")
    }

    /// Directory of the release's own programs.
    #[must_use]
    pub fn programs_dir(&self) -> PathBuf {
        self.root.join("packages/containers/bin")
    }

    /// One of the release's own programs.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs_dir().join(name)
    }

    /// Directory of the release's programs that dockerd and containerd call: `unpigz`.
    #[must_use]
    pub fn helpers_dir(&self) -> PathBuf {
        self.root.join("packages/containers/libexec")
    }

    /// Directory of dockerd and what belongs to it.
    #[must_use]
    pub fn docker_bin_dir(&self) -> PathBuf {
        self.root.join("packages/docker/bin")
    }

    /// dockerd or what belongs to it.
    #[must_use]
    pub fn docker_bin(&self, name: &str) -> PathBuf {
        self.docker_bin_dir().join(name)
    }

    /// Compose.
    #[must_use]
    pub fn compose_bin(&self) -> PathBuf {
        self.root.join("packages/docker-compose/bin/docker-compose")
    }

    /// Pidfiles, sockets, markers and verdicts: a small tmpfs that a reboot empties.
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        self.root.join("sys/run/docker")
    }

    /// The Engine API's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.run_dir().join("docker.sock")
    }

    /// Where recipes and people look for that socket.
    #[must_use]
    pub fn usual_socket(&self) -> PathBuf {
        if self.root == Path::new(Self::DEFAULT_ROOT) {
            PathBuf::from("/var/run/docker.sock")
        } else {
            self.root.join("run/docker.sock")
        }
    }

    /// The pidfile of dockerd that monit reads. docker-ctl writes it once dockerd is on its own.
    #[must_use]
    pub fn docker_pidfile(&self) -> PathBuf {
        self.run_dir().join("docker.pid")
    }

    /// The pidfile that dockerd writes itself, before anybody knows whether it comes up.
    #[must_use]
    pub fn dockerd_pidfile(&self) -> PathBuf {
        self.run_dir().join("dockerd.pid")
    }

    /// The same, beside a socket of the Engine API.
    #[must_use]
    pub fn dockerd_pidfile_beside(socket: &Path) -> PathBuf {
        socket.with_file_name("dockerd.pid")
    }

    /// compose-runner's pidfile.
    #[must_use]
    pub fn compose_pidfile(&self) -> PathBuf {
        self.run_dir().join("compose.pid")
    }

    /// Held by compose-runner as long as it lives: there is one.
    #[must_use]
    pub fn compose_lock(&self) -> PathBuf {
        self.run_dir().join("compose.lock")
    }

    /// Held while compose-runner stops the services.
    #[must_use]
    pub fn compose_stop_lock(&self) -> PathBuf {
        self.run_dir().join("compose-stop.lock")
    }

    /// The socket by which monit learns whether the recipe is healthy.
    #[must_use]
    pub fn health_socket(&self) -> PathBuf {
        self.run_dir().join("health.sock")
    }

    /// What compose-runner found.
    #[must_use]
    pub fn verdict(&self) -> PathBuf {
        self.run_dir().join("verdict.json")
    }

    /// Why docker-ctl did not take the new daemon settings.
    #[must_use]
    pub fn refused(&self) -> PathBuf {
        self.run_dir().join("refused.json")
    }

    /// Marker of an update: the coming stop leaves the containers running.
    #[must_use]
    pub fn keep_containers(&self) -> PathBuf {
        self.run_dir().join("keep-containers")
    }

    /// Marker of a deletion: the coming stop is the last one.
    #[must_use]
    pub fn deleting(&self) -> PathBuf {
        self.run_dir().join("going-for-good")
    }

    /// Marker of a stop that BOSH asked for and that is no update: nothing is to be left after it.
    #[must_use]
    pub fn full_stop(&self) -> PathBuf {
        self.run_dir().join("full-stop")
    }

    /// Marker of a deploy (or another start that BOSH asked for) that has not come to its post-start yet.
    #[must_use]
    pub fn deploying(&self) -> PathBuf {
        self.run_dir().join("deploying")
    }

    /// Held while docker-ctl starts or stops dockerd.
    #[must_use]
    pub fn docker_lock(&self) -> PathBuf {
        self.run_dir().join("docker.lock")
    }

    /// Held while docker-ctl makes a smoke test.
    #[must_use]
    pub fn smoke_test_lock(&self) -> PathBuf {
        self.run_dir().join("smoke-test.lock")
    }

    /// dockerd's exec root: `/run/docker`, or below the root when that was moved.
    #[must_use]
    pub fn exec_root(&self) -> PathBuf {
        if self.root == Path::new(Self::DEFAULT_ROOT) {
            PathBuf::from("/run/docker")
        } else {
            self.root.join("run/docker")
        }
    }

    /// The job's directory on the ephemeral disk.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.root.join("data/docker")
    }

    /// The recipe's directory: `docker-compose.yml`, the `files`, and `$PWD` of recipe and prep.
    #[must_use]
    pub fn running(&self) -> PathBuf {
        self.data_dir().join("running")
    }

    /// The compose file.
    #[must_use]
    pub fn compose_file(&self) -> PathBuf {
        self.running().join("docker-compose.yml")
    }

    /// The daemon configuration that dockerd runs on.
    #[must_use]
    pub fn daemon_json(&self) -> PathBuf {
        self.data_dir().join("etc/daemon.json")
    }

    /// CA, certificate and key for the TCP socket.
    #[must_use]
    pub fn tls_dir(&self) -> PathBuf {
        self.data_dir().join("tls")
    }

    /// `TMPDIR` of all programs: `/tmp` is noexec on a VM.
    #[must_use]
    pub fn tmp(&self) -> PathBuf {
        self.data_dir().join("tmp")
    }

    /// `DOCKER_CONFIG` and `HOME` of Compose.
    #[must_use]
    pub fn cli_dir(&self) -> PathBuf {
        self.data_dir().join("cli")
    }

    /// The CLI's configuration file.
    #[must_use]
    pub fn cli_config(&self) -> PathBuf {
        self.cli_dir().join("config.json")
    }

    /// Which logins docker-ctl wrote into the CLI's configuration, so that it can tell them from an operator's.
    #[must_use]
    pub fn cli_logins(&self) -> PathBuf {
        self.cli_dir().join("logins-of-the-job.json")
    }

    /// Where dockerd looks for the authorities of registries: on a VM `/etc/docker/certs.d`, which no setting changes (moby,
    /// `registry.CertsDir`).
    #[must_use]
    pub fn registry_authorities(&self) -> PathBuf {
        let etc = if self.root == Path::new(Self::DEFAULT_ROOT) {
            PathBuf::from("/etc")
        } else {
            self.root.join("etc")
        };
        etc.join("docker/certs.d")
    }

    /// Where the `docker` client finds Compose and Buildx as its plugins, and Compose finds Buildx.
    #[must_use]
    pub fn cli_plugins(&self) -> PathBuf {
        self.root.join("packages/docker-compose/cli-plugins")
    }

    /// What compose-runner remembers: the override file, what was applied, the list of files written.
    #[must_use]
    pub fn compose_dir(&self) -> PathBuf {
        self.data_dir().join("compose")
    }

    /// The operator's `prep` script, beside the recipe's directory and not in it.
    #[must_use]
    pub fn prep(&self) -> PathBuf {
        self.compose_dir().join("prep")
    }

    /// What compose-runner last brought up: JSON with at least `project`.
    #[must_use]
    pub fn applied(&self) -> PathBuf {
        self.compose_dir().join("applied.json")
    }

    /// The last recipe that was healthy, for a rollback. It holds secrets, as the recipe's files beside it do.
    #[must_use]
    pub fn kept_recipe(&self) -> PathBuf {
        self.compose_dir().join("kept.json")
    }

    /// What image-importer remembers: indexes of compressed tarballs, images that were found complete.
    #[must_use]
    pub fn import_dir(&self) -> PathBuf {
        self.data_dir().join("import")
    }

    /// For references by digest that the engine cannot resolve: the digest by which it knows the image. Written by
    /// image-importer, read by compose-runner.
    #[must_use]
    pub fn image_map(&self) -> PathBuf {
        self.import_dir().join("images.json")
    }

    /// How far the output of containers has been copied: on the same disk as the copies, so that both go together.
    #[must_use]
    pub fn service_logs_dir(&self) -> PathBuf {
        self.data_dir().join("service-logs")
    }

    /// dockerd's data root, on the persistent disk when there is one.
    #[must_use]
    pub fn data_root(&self) -> PathBuf {
        self.root.join("store/docker")
    }

    /// Which images the release brought, and which of them its deploys use. In the data root, whose fate it shares:
    /// images outlive a recreated VM on the persistent disk.
    #[must_use]
    pub fn image_ledger(&self) -> PathBuf {
        self.data_root().join("bosh/images.json")
    }

    /// Which image store the data root has: `containerd` or `graphdriver`. In the data root, whose fate it shares.
    #[must_use]
    pub fn image_store_note(&self) -> PathBuf {
        self.data_root().join("bosh/image-store")
    }

    /// Log directory of the job.
    #[must_use]
    pub fn log_dir(&self) -> PathBuf {
        self.root.join("sys/log/docker")
    }

    /// A log file of the job: `<name>.log`.
    #[must_use]
    pub fn log_file(&self, name: &str) -> PathBuf {
        self.log_dir().join(format!("{name}.log"))
    }
}

#[cfg(test)]
mod tests;
