//! What one asks for: an instance, a network.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::subnet::Subnet;

/// One instance of a deployment, as a manifest asks for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceSpec {
    /// The deployment's name.
    pub deployment: String,
    /// The instance group's name.
    pub group: String,
    /// The number of the instance in its group, from 0.
    pub index: u32,
    /// The instance's ID (a UUID, as a Director gives).
    pub id: String,
    /// A static address out of the deployment's subnet; none: the lowest free one.
    pub ip: Option<Ipv4Addr>,
    /// The size of the persistent disk in MB (2^20 bytes); none: no disk.
    pub persistent_disk_mb: Option<u64>,
    /// The host name inside the instance; none: the instance's ID, as on a BOSH VM.
    pub hostname: Option<String>,
    /// Which iptables the instance has; none: what the environment says, else nft where the kernel has it.
    pub iptables: Option<IptablesVariant>,
}

impl InstanceSpec {
    /// `group/index`, as `bosh instances` names it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.group, self.index)
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_name("deployment name", &self.deployment)?;
        check_name("instance group name", &self.group)?;
        if let Some(hostname) = &self.hostname {
            check_name("host name", hostname)?;
        }
        if self.persistent_disk_mb.is_some_and(|mb| mb < 16) {
            return Err(Error::Invalid {
                what: "persistent disk size",
                value: format!("{} MB", self.persistent_disk_mb.unwrap_or_default()),
                why: "an ext4 file system needs at least 16 MB".to_owned(),
            });
        }
        Ok(())
    }
}

/// The two implementations behind the name `iptables`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IptablesVariant {
    /// The old kernel interface (`ip_tables`), as on Jammy stemcells.
    Legacy,
    /// nftables behind the same commands, as on Noble stemcells.
    Nft,
}

impl IptablesVariant {
    /// Its name, in the environment and in the programs' own names.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Nft => "nft",
        }
    }
}

/// The network of a deployment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NetworkSpec {
    /// The subnet; none: the one that the deployment has already, else a free /24 of 10.244.0.0/16.
    pub subnet: Option<Subnet>,
    /// Whether the instances get a way out to the internet, by masquerading behind this machine.
    pub nat: bool,
}

/// Names of deployments and instance groups become cgroup and link names, too.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<()> {
    check_file_name(what, name, 64)
}

/// A layer's package has its digest in its name; directories are named for it, with a little more.
pub(crate) fn check_package_name(name: &str) -> Result<()> {
    check_file_name("package name", name, 200)
}

/// Letters, digits, `-`, `_`, `.`, no leading dot.
fn check_file_name(what: &'static str, name: &str, longest: usize) -> Result<()> {
    let usable = !name.is_empty()
        && name.len() <= longest
        && !name.starts_with(['.', '-'])
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if usable {
        return Ok(());
    }
    Err(Error::Invalid {
        what,
        value: name.to_owned(),
        why: format!(
            "it has up to {longest} letters, digits, `-`, `_` and `.`, and begins with none of the last"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_their_directory_are_refused() {
        for bad in ["", "..", "a/b", "-x", "a b", "ä"] {
            assert!(check_name("deployment name", bad).is_err(), "{bad:?}");
        }
        for good in ["redis", "my-dep_1.2"] {
            check_name("deployment name", good).unwrap();
        }
        let layer = format!("layer-v1-{}", "0".repeat(64));
        assert!(check_name("deployment name", &layer).is_err());
        check_package_name(&layer).unwrap();
    }
}
