//! Kernel settings that containers need.

use std::path::Path;

use anyhow::Context;
use bosh_job::Advise;
use tracing::info;

/// Lets the VM forward packets between containers and the network. dockerd would do so itself with iptables, but not with
/// nftables.
pub fn enable_ip_forward(proc: &Path) -> anyhow::Result<()> {
    let path = proc.join("sys/net/ipv4/ip_forward");
    let now =
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    if now.trim() == "1" {
        return Ok(());
    }
    std::fs::write(&path, "1\n")
        .with_context(|| format!("writing 1 to {}", path.display()))
        .hint("containers cannot reach the network without it: set net.ipv4.ip_forward=1 on the VM, or let docker-ctl do so")?;
    info!("IP forwarding enabled");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proc(value: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("sys/net/ipv4")).unwrap();
        std::fs::write(dir.path().join("sys/net/ipv4/ip_forward"), value).unwrap();
        dir
    }

    #[test]
    fn enables_what_is_off() {
        let proc = proc("0\n");
        enable_ip_forward(proc.path()).unwrap();
        assert_eq!(
            std::fs::read_to_string(proc.path().join("sys/net/ipv4/ip_forward")).unwrap(),
            "1\n"
        );
    }

    #[test]
    fn leaves_what_is_on_even_where_it_could_not_be_written() {
        let proc = proc("1\n");
        let file = proc.path().join("sys/net/ipv4/ip_forward");
        let before = std::fs::metadata(&file).unwrap().modified().unwrap();
        enable_ip_forward(proc.path()).unwrap();
        assert_eq!(
            std::fs::metadata(&file).unwrap().modified().unwrap(),
            before
        );
    }
}
