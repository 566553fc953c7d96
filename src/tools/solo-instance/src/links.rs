//! Network links of this machine, by iproute2.

use std::path::Path;

use crate::command;
use crate::error::Result;

pub(crate) fn ip<const N: usize>(args: [&str; N]) -> Result<String> {
    command::run("ip", args)
}

pub(crate) fn link_exists(name: &str) -> bool {
    Path::new("/sys/class/net").join(name).exists()
}

/// Deletes a link, if it is there: the end of an instance takes its link with it, a moment later.
pub(crate) fn remove_link(name: &str) -> Result<()> {
    if !link_exists(name) {
        return Ok(());
    }
    match ip(["link", "del", name]) {
        Err(error) if link_exists(name) => Err(error),
        _ => Ok(()),
    }
}

pub(crate) fn bring_up_loopback() -> Result<()> {
    command::run("/usr/sbin/ip", ["link", "set", "lo", "up"])
        .or_else(|_| command::run("/sbin/ip", ["link", "set", "lo", "up"]))
        .map(drop)
}
