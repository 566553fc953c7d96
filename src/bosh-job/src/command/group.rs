//! Ending a program with all that it started.

use std::io;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// Ends a child that leads its own process group, with all that is in the group.
///
/// # Errors
/// The child cannot be waited for.
pub(super) fn end_group(child: &mut Child, grace: Duration) -> io::Result<()> {
    // not yet waited for, so the number is still this child's and its group's
    let group = Pid::from_child(child);
    if !grace.is_zero() {
        let _ = kill_process_group(group, Signal::TERM);
        let deadline = Instant::now() + grace;
        while Instant::now() < deadline {
            if has_ended(group) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    let _ = kill_process_group(group, Signal::KILL);
    child.wait().map(drop)
}

/// Whether a child has ended, without reaping it: its number must stay its own until the group is killed.
fn has_ended(child: Pid) -> bool {
    crate::ProcessInfo::read(child).is_none_or(|info| !info.is_alive())
}
