//! Power: a machine is booted, switched off, unplugged; what is left of a dead one is cleared.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::console::Console;
use crate::disk;
use crate::error::{Error, Result};
use crate::instance::{Files, Instance, remove_if_there};
use crate::plan::{self, MachinePlan};
use crate::process::{self, Stat};
use crate::{environment, links, lock, monit};

/// How long processes have to end before they are killed; systemd waits as long for what ignores SIGTERM.
const REBOOT_GRACE: Duration = Duration::from_secs(10);

/// The PID 1 of the last boot; PIDs are used again, start times are not.
#[derive(Debug, Serialize, Deserialize)]
struct Boot {
    /// The boot ID of this machine, which may have been rebooted since.
    machine: String,
    pid: i32,
    started: u64,
}

impl Instance {
    /// Boots the machine and returns when its monit answers: mounts, address, persistent disk (if it has one), then
    /// monit. What a dead or half-booted predecessor left is removed first.
    ///
    /// # Errors
    /// [`Error::Running`] if it runs already; [`Error::Boot`] with the last lines of its console.
    pub fn boot(&self) -> Result<()> {
        let base = self.state_dir.base_tree()?;
        let files = self.files();
        let _lock = lock::exclusive(&files.named("lock"))?;
        if self.running()? {
            return Err(Error::Running {
                deployment: self.record.spec.deployment.clone(),
                instance: self.record.spec.name(),
            });
        }
        self.clear_remains()?;
        let booted = self.boot_machine(base, &files);
        if booted.is_err() {
            // The reason for the failure is the one that matters.
            let _ = self.clear_remains();
        }
        booted
    }

    fn boot_machine(&self, base: PathBuf, files: &Files) -> Result<()> {
        let spec = &self.record.spec;
        let network = self.state_dir.existing_network(&spec.deployment)?;
        network.bring_up()?;
        let storage = self.storage();
        storage.ensure()?;
        let cgroup = self.cgroup()?;
        let plan_file = files.named("plan.json");
        let machine = MachinePlan {
            base,
            storage: storage.directory().to_owned(),
            root: files.named("root"),
            hostname: spec.hostname.clone().unwrap_or_else(|| spec.id.clone()),
            nameservers: network.nameservers(),
            cgroups: cgroup.seen_inside()?,
            iptables: spec
                .iptables
                .map_or_else(environment::iptables, |variant| Ok(Some(variant)))?,
        };
        plan::save(&plan_file, &machine)?;
        cgroup.create()?;
        let name = format!("{}/{}", spec.deployment, spec.name());
        let mut console = Console::start(
            &self.state_dir.config.init,
            &cgroup,
            &plan_file,
            &files.named("console.log"),
            name,
        )?;
        console.expect("mounted")?;
        let pid = console.init_pid()?;
        let started = Stat::of(pid)
            .ok_or_else(|| console.failed("its PID 1 ended"))?
            .started;
        plan::save(
            &files.named("boot.json"),
            &Boot {
                machine: host_boot(),
                pid,
                started,
            },
        )?;
        network.connect(&self.link(), pid, self.record.address)?;
        if spec.persistent_disk_mb.is_some() && !self.detached_marker().exists() {
            self.mount_disk(pid, "rw")?;
        }
        console.go()?;
        console.expect("started")?;
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        if process::wait_until(Duration::from_secs(30), || monit::ask(&root).is_ok()) {
            return Ok(());
        }
        Err(console.failed("its monit does not answer"))
    }

    /// Whether its PID 1 lives.
    ///
    /// # Errors
    /// When the state file cannot be read.
    pub fn running(&self) -> Result<bool> {
        self.init_pid().map(|pid| pid.is_some())
    }

    /// The PID of its PID 1 on this machine, if it runs.
    ///
    /// # Errors
    /// When the state file cannot be read.
    pub fn init_pid(&self) -> Result<Option<i32>> {
        let boot: Option<Boot> = plan::load_if_there(&self.files().named("boot.json"))?;
        Ok(boot
            .filter(|boot| boot.machine == host_boot())
            .filter(|boot| {
                Stat::of(boot.pid).is_some_and(|s| s.started == boot.started && !s.dead())
            })
            .map(|boot| boot.pid))
    }

    pub(crate) fn living_pid(&self) -> Result<i32> {
        self.init_pid()?.ok_or_else(|| Error::NotRunning {
            deployment: self.record.spec.deployment.clone(),
            instance: self.record.spec.name(),
        })
    }

    /// Switches the machine off as a person does: SIGTERM to monit, then to all processes, SIGKILL after `grace`.
    /// No BOSH script runs. Data, disk and spec stay. Nothing if it does not run.
    ///
    /// # Errors
    /// When something survives SIGKILL or does not go.
    pub fn shutdown(&self, grace: Duration) -> Result<()> {
        if let Some(pid) = self.init_pid()? {
            process::signal(pid, Signal::TERM);
            process::wait_until(grace, || self.init_pid().is_ok_and(|pid| pid.is_none()));
        }
        self.power_off()
    }

    /// Pulls the plug: every process is killed at once. Data, disk and spec stay. Nothing if it does not run.
    ///
    /// # Errors
    /// When something survives SIGKILL or does not go.
    pub fn power_off(&self) -> Result<()> {
        let _lock = lock::exclusive(&self.files().named("lock"))?;
        self.clear_remains()
    }

    /// [`Instance::shutdown`] with 10 s or, when `hard`, [`Instance::power_off`]; then [`Instance::boot`]. `/run`,
    /// `/tmp` and `/var/vcap/sys/run` are empty after it.
    ///
    /// # Errors
    /// As those.
    pub fn reboot(&self, hard: bool) -> Result<()> {
        if hard {
            self.power_off()?;
        } else {
            self.shutdown(REBOOT_GRACE)?;
        }
        self.boot()
    }

    /// Ends and removes what runs or ran: processes (and with them namespaces and mounts), cgroups, link, loop device.
    fn clear_remains(&self) -> Result<()> {
        let cgroup = self.cgroup()?;
        if let Some(pid) = self.init_pid()? {
            process::signal(pid, Signal::KILL);
        }
        cgroup.kill()?;
        cgroup.remove()?;
        links::remove_link(&self.link())?;
        let image = self.disk_image();
        if !disk::wait_until_free(&image, Duration::from_secs(5)) {
            for device in disk::loops_of(&image) {
                disk::free(&device)?;
            }
            if !disk::wait_until_free(&image, Duration::from_secs(5)) {
                return Err(Error::DiskBusy {
                    holders: Vec::new(),
                });
            }
        }
        remove_if_there(&self.files().named("boot.json"))
    }
}

fn host_boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}
