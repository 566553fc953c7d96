//! What BOSH's agent does on a VM, done from outside: apply, scripts, drain, monit.

mod apply;
mod boot;
mod dns;
mod drain;
mod errand;
mod files;
pub mod lifecycle;
mod monit;
mod scripts;
mod start_stop;
mod watch_again;

pub use apply::{apply, prepare, write_instance_data};
pub use boot::boot;
pub use dns::sync_dns;
pub use drain::Drain;
pub use errand::run_errand;
pub use monit::{has_services, state_of};

use crate::progress::Progress;
use solo_instance::Instance;

/// An instance, with what its agent knows of it.
#[derive(Debug)]
pub struct Machine<'a> {
    /// The machine.
    pub instance: Instance,
    /// `group/uuid (index)`.
    pub name: String,
    /// Where a person sees what goes on.
    pub progress: &'a Progress,
}

/// `PATH` of the agent's scripts (bosh-agent `agent/script/pathenv`).
const SCRIPT_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// The agent's environment as far as scripts inherit it.
fn script_environment() -> Vec<(String, String)> {
    vec![
        ("PATH".to_owned(), SCRIPT_PATH.to_owned()),
        ("TMPDIR".to_owned(), "/var/vcap/data/tmp".to_owned()),
    ]
}
