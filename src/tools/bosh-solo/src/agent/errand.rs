//! An errand's `bin/run` (bosh-agent `agent/action/run_errand.go`).

use super::scripts::{check_executable, script_path};
use super::{Machine, script_environment};
use anyhow::{Context, Result};
use solo_instance::{Exec, ExecOutput};

/// Runs the job's errand. What it prints is kept, not logged; its exit code is no error here.
pub fn run_errand(machine: &Machine, job: &str) -> Result<ExecOutput> {
    let path = script_path(job, "run");
    check_executable(&machine.instance.host_path(&path)?)
        .with_context(|| format!("running {path} on {}", machine.name))?;
    let mut exec = Exec::new([path.as_str()]);
    exec.env = script_environment();
    machine
        .instance
        .exec(exec)
        .with_context(|| format!("running {path} on {}", machine.name))
}
