//! The deployment's names in an instance's `/etc/hosts` (bosh-agent `agent/action/sync_dns.go`).

use super::Machine;
use super::files::Files;
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;

const HOSTS: &str = "/etc/hosts";
/// Parts what the machine writes at boot from what is written here.
const MARK: &str = "# deployment\n";

/// Makes `records` the names that the instance knows, now and after a reboot.
pub fn sync_dns(machine: &Machine, records: &str) -> Result<()> {
    crate::state::write_private(&kept(machine), records.as_bytes())?;
    write(machine, records)
}

/// Writes the names again after a boot.
pub fn restore(machine: &Machine) -> Result<()> {
    let path = kept(machine);
    match fs::read_to_string(&path) {
        Ok(records) => write(machine, &records),
        // The machine is new.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

fn kept(machine: &Machine) -> PathBuf {
    machine.instance.agent_dir().join("dns")
}

fn write(machine: &Machine, records: &str) -> Result<()> {
    let path = Files::new(&machine.instance)?.host(HOSTS)?;
    let before =
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let own = before
        .split_once(MARK)
        .map_or(before.as_str(), |(own, _)| own);
    // In place: the file keeps its mode, and programs that have it open see the new names.
    fs::write(&path, format!("{own}{MARK}{records}"))
        .with_context(|| format!("writing {}", path.display()))
}
