//! An instance's machine, seen from inside: the mounts and files that a stemcell and BOSH's agent make at boot.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::mount::MountFlags;

use crate::error::{Error, Result};
use crate::plan::MachinePlan;
use crate::rootfs::{self, Root};
use crate::spec::IptablesVariant;

/// Builds the root that the plan describes and enters it.
pub(crate) fn set_up(plan: &MachinePlan) -> Result<()> {
    rustix::system::sethostname(plan.hostname.as_bytes())
        .map_err(Error::sys("naming the host", &plan.hostname))?;
    let root = Root::overlay(
        &plan.root,
        &plan.base,
        &plan.storage.join("upper"),
        &plan.storage.join("work"),
    )?;
    root.proc()?;
    root.sys(&plan.cgroups)?;
    root.dev()?;
    root.tmpfs(
        "/run",
        "mode=755,size=20%",
        MountFlags::NOSUID | MountFlags::NODEV,
    )?;
    root.directory("/run/lock", 0o1777)?;
    mount_vcap(&root, &plan.storage.join("vcap"))?;
    write_names(&root, plan)?;
    if let Some(variant) = plan.iptables {
        choose_iptables(&root, variant)?;
    }
    root.enter()
}

/// `/var/vcap`, and what of the system lies in it on a BOSH VM: `/tmp` and `/var/tmp` are its `data/root_tmp`.
fn mount_vcap(root: &Root, vcap: &Path) -> Result<()> {
    root.directory("/var/vcap", 0o755)?;
    root.bind(vcap, "/var/vcap", MountFlags::empty())?;
    root.bind(&vcap.join("data"), "/var/vcap/data", MountFlags::empty())?;

    root.tmpfs(
        "/var/vcap/data/sys/run",
        "size=16m,mode=750",
        MountFlags::NOSUID | MountFlags::NODEV,
    )?;
    rootfs::give_to_vcap(&root.path("/var/vcap/data/sys/run"))?;

    let tmp = root.directory("/var/vcap/data/root_tmp", 0o1777)?;
    rootfs::give_to_vcap(&tmp)?;
    rootfs::empty(&tmp)?;
    root.temporary_files(&tmp)
}

fn write_names(root: &Root, plan: &MachinePlan) -> Result<()> {
    let hostname = &plan.hostname;
    root.write("/etc/hostname", &format!("{hostname}\n"))?;
    root.write(
        "/etc/hosts",
        &format!("127.0.0.1 localhost {hostname}\n::1 localhost ip6-localhost ip6-loopback\n"),
    )?;
    let nameservers = plan.nameservers.iter().fold(String::new(), |all, n| {
        all + "nameserver "
            + n
            + "
"
    });
    root.write("/etc/resolv.conf", &nameservers)
}

/// What `update-alternatives --set iptables …` does.
fn choose_iptables(root: &Root, variant: IptablesVariant) -> Result<()> {
    let variant = variant.as_str();
    for (family, tool) in ["iptables", "ip6tables"]
        .into_iter()
        .flat_map(|f| ["", "-save", "-restore"].map(|t| (f, t)))
    {
        let link = root.path(&format!("/etc/alternatives/{family}{tool}"));
        if link.is_symlink() {
            fs::remove_file(&link).map_err(Error::io("removing", &link))?;
        }
        symlink(format!("/usr/sbin/{family}-{variant}{tool}"), &link)
            .map_err(Error::io("linking", link))?;
    }
    Ok(())
}
