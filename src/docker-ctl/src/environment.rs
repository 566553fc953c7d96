//! The environment variables that docker-ctl reads: what BOSH's agent tells drain and pre-stop about the stop that is
//! coming (bosh-agent, `agent/script/drain` and `agent/script/pathenv`). All else comes from the job's properties.

/// The instance's state before and after the stop, as JSON.
const JOB_STATE: &str = "BOSH_JOB_STATE";
const JOB_NEXT_STATE: &str = "BOSH_JOB_NEXT_STATE";
/// `keep`, `recreate` or `delete`: what becomes of the VM.
const INSTANCE_NEXT_STATE: &str = "BOSH_INSTANCE_NEXT_STATE";

/// The state that drain is called in, as JSON.
pub fn job_state() -> Option<String> {
    std::env::var(JOB_STATE).ok()
}

/// The state that comes after the stop, as JSON.
pub fn job_next_state() -> Option<String> {
    std::env::var(JOB_NEXT_STATE).ok()
}

/// Whether the instance is deleted, and does not come back.
pub fn is_instance_deleted() -> bool {
    std::env::var(INSTANCE_NEXT_STATE).is_ok_and(|next| next == "delete")
}
