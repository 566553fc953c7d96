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

/// Lets processes have so many memory mappings, or more if they may already (`vm.max_map_count`).
pub fn raise_max_map_count(proc: &Path, wanted: u64) -> anyhow::Result<()> {
    let path = proc.join("sys/vm/max_map_count");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let now: u64 = text
        .trim()
        .parse()
        .with_context(|| format!("reading {}", path.display()))?;
    if now >= wanted {
        return Ok(());
    }
    std::fs::write(&path, format!("{wanted}\n"))
        .with_context(|| format!("writing {wanted} to {}", path.display()))
        .hint("the kernel setting of property `vm.max_map_count` cannot be changed here: set it where the VM's kernel is another's")?;
    info!(now, wanted, "vm.max_map_count raised");
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

    #[test]
    fn raises_the_number_of_mappings_and_never_lowers_it() {
        let proc = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(proc.path().join("sys/vm")).unwrap();
        let file = proc.path().join("sys/vm/max_map_count");
        std::fs::write(&file, "65530\n").unwrap();
        raise_max_map_count(proc.path(), 262_144).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "262144\n");
        raise_max_map_count(proc.path(), 65_530).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "262144\n");
        std::fs::write(&file, "many").unwrap();
        assert!(raise_max_map_count(proc.path(), 1).is_err());
    }
}
