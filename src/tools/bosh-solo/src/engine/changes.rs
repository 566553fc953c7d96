//! What differs between an instance and what it shall be (director: `instance_plan.rb`, `changes`).

use crate::compile::CompiledPackage;
use crate::plan::WatchTime;
use crate::render::{RenderedJob, configuration_hash};
use crate::state::{Applied, Desired, InstanceRecord};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// What an instance shall be.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its group.
    pub group: String,
    /// Its place in the group.
    pub index: usize,
    /// Its address.
    pub ip: Ipv4Addr,
    /// Its jobs.
    pub jobs: Vec<RenderedJob>,
    /// The packages that its jobs need.
    pub packages: Vec<CompiledPackage>,
    /// Size of its persistent disk in MiB, 0 for none.
    pub persistent_disk_mb: u64,
    /// How long a start waits for its jobs.
    pub watch: WatchTime,
    /// The deployment's names, as lines of `/etc/hosts`.
    pub dns: Arc<str>,
}

impl Target {
    /// The part that is remembered.
    pub fn applied(&self) -> Applied {
        Applied {
            jobs: self
                .jobs
                .iter()
                .map(|job| (job.name.clone(), job.digest.clone()))
                .collect(),
            packages: self
                .packages
                .iter()
                .map(|package| (package.name.clone(), package.version.clone()))
                .collect(),
            configuration_hash: configuration_hash(&self.jobs),
            persistent_disk_mb: self.persistent_disk_mb,
        }
    }
}

/// The director's words for what differs; none if nothing has to be done.
pub fn changes(
    record: &InstanceRecord,
    target: &Target,
    current_ip: Ipv4Addr,
    running: bool,
) -> Vec<&'static str> {
    if record.dirty && record.applied == Applied::default() {
        return vec!["new"];
    }
    let next = target.applied();
    let candidates = [
        ("dirty", record.dirty),
        ("vm", !running && record.desired != Desired::Detached),
        ("network", current_ip != target.ip),
        ("packages", record.applied.packages != next.packages),
        (
            "persistent_disk",
            record.applied.persistent_disk_mb != next.persistent_disk_mb,
        ),
        (
            "configuration",
            record.applied.configuration_hash != next.configuration_hash,
        ),
        ("job", record.applied.jobs != next.jobs),
    ];
    candidates
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 2);

    fn target() -> Target {
        Target {
            group: "g".into(),
            index: 0,
            ip: IP,
            jobs: vec![RenderedJob::new(
                "j",
                "1",
                String::new(),
                vec![("a".into(), "b".into())],
            )],
            packages: Vec::new(),
            persistent_disk_mb: 0,
            watch: WatchTime::five_minutes(),
            dns: Arc::from(""),
        }
    }

    fn record() -> InstanceRecord {
        InstanceRecord {
            group: "g".into(),
            index: 0,
            id: "x".into(),
            az: None,
            desired: Desired::Started,
            dirty: false,
            applied: target().applied(),
            watch: WatchTime::five_minutes(),
            errand: false,
        }
    }

    #[test]
    fn the_same_again_is_no_change() {
        assert!(changes(&record(), &target(), IP, true).is_empty());
    }

    #[test]
    fn each_difference_has_its_name() {
        let mut other = target();
        other.jobs = vec![RenderedJob::new(
            "j",
            "1",
            String::new(),
            vec![("a".into(), "c".into())],
        )];
        assert_eq!(
            changes(&record(), &other, IP, true),
            ["configuration", "job"]
        );
        let mut other = target();
        other.persistent_disk_mb = 100;
        assert_eq!(changes(&record(), &other, IP, true), ["persistent_disk"]);
        assert_eq!(
            changes(&record(), &target(), Ipv4Addr::LOCALHOST, true),
            ["network"]
        );
        assert_eq!(changes(&record(), &target(), IP, false), ["vm"]);
    }

    #[test]
    fn an_update_that_did_not_end_is_done_again() {
        let mut record = record();
        record.dirty = true;
        assert_eq!(changes(&record, &target(), IP, true), ["dirty"]);
    }
}
