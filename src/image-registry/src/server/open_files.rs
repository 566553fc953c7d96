//! The limit of open files: the one that a process gets from its starter is often too low for so many connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit to this many, or as far as this process may.
pub fn raise_limit(wanted: u64) {
    let now = getrlimit(Resource::Nofile);
    let is_lower = |limit: Option<u64>| limit.is_some_and(|limit| limit < wanted);
    if !is_lower(now.current) {
        return;
    }
    let raised = |maximum| Rlimit {
        current: Some(wanted),
        maximum,
    };
    let whole = if is_lower(now.maximum) {
        setrlimit(Resource::Nofile, raised(Some(wanted)))
    } else {
        setrlimit(Resource::Nofile, raised(now.maximum))
    };
    if whole.is_err() {
        let most = Rlimit {
            current: now.maximum,
            maximum: now.maximum,
        };
        let raised = setrlimit(Resource::Nofile, most).is_ok();
        tracing::warn!(
            wanted,
            limit = now.maximum,
            raised,
            "few files may be open: many clients at a time will wait"
        );
    }
}
