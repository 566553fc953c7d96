//! Who holds a port of the host: another container, another process, or the recipe itself.
//!
//! What the recipe's own containers hold is in nobody's way: `up` replaces them. They hold it through dockerd's proxy, or,
//! in the host's network, as processes that are known by their cgroup or their parents.

use std::{collections::BTreeSet, fs};

use bosh_job::{Pid, ProcessInfo};
use docker_engine::{ContainerSummary, Engine};

use super::HostAddress;
use crate::{
    compose::{ONE_OFF_LABEL, PROJECT_LABEL},
    sockets::{self, Holder},
};

/// The port on which the runner answers names in internal networks.
const DNS: u16 = 53;
/// What holds the ports of running containers.
const PROXIES: [&str; 2] = ["docker-proxy", "dockerd"];

/// The containers of the engine, and whose they are.
pub struct Holders<'a> {
    /// Those that run or are paused.
    pub containers: &'a [ContainerSummary],
    /// The recipe's project, and the one that it had before.
    pub projects: &'a [&'a str],
    /// To look at containers more closely.
    pub engine: Option<&'a Engine>,
}

/// Who is in the way.
#[derive(Debug, PartialEq, Eq)]
pub enum InTheWay {
    /// A container of somebody else.
    Container(String),
    /// A process of somebody else; in a container of somebody else, if it is named.
    Process(Holder, Option<String>),
    /// Nobody knows.
    Unknown,
}

impl Holders<'_> {
    /// Whether `up` replaces the container. One of `docker compose run` is none of the recipe's.
    fn is_ours(&self, container: &ContainerSummary) -> bool {
        let label = |name: &str| container.labels.get(name).map(String::as_str);
        let is_one_off =
            label(ONE_OFF_LABEL).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        label(PROJECT_LABEL).is_some_and(|project| self.projects.contains(&project)) && !is_one_off
    }

    fn publishing<'a>(
        &'a self,
        protocol: &'a str,
        address: HostAddress,
        number: u16,
    ) -> impl Iterator<Item = &'a ContainerSummary> {
        let holds = move |held: &docker_engine::Port| {
            held.public_port == Some(number)
                && held.protocol == protocol
                && HostAddress::parse(&held.ip).is_none_or(|held| held.overlaps(address))
        };
        let containers = self.containers.iter();
        containers.filter(move |container| container.ports.iter().any(holds))
    }

    /// A container of somebody else that publishes the port.
    pub fn foreign_container(
        &self,
        protocol: &str,
        address: HostAddress,
        number: u16,
    ) -> Option<InTheWay> {
        let mut publishing = self.publishing(protocol, address, number);
        let foreign = publishing.find(|container| !self.is_ours(container))?;
        Some(InTheWay::Container(foreign.name().to_owned()))
    }

    /// Who holds a port that cannot be bound; nothing if it is the recipe.
    pub fn of_bound_port(
        &self,
        protocol: &str,
        address: HostAddress,
        number: u16,
    ) -> Option<InTheWay> {
        let is_published = self.publishing(protocol, address, number).next().is_some();
        let one = match address {
            HostAddress::Every => None,
            HostAddress::One(address) => Some(address),
        };
        let processes = sockets::holders(protocol, one, number);
        // Forked processes share a socket: one in a container of the recipe's tells whose it is.
        let mut is_explained = is_published;
        let mut foreign = None;
        for process in processes {
            let is_proxy = is_published && PROXIES.contains(&process.program.as_str());
            // It closes that before `up`.
            let is_name_server = number == DNS && process.pid == std::process::id();
            match self.container_of(process.pid) {
                _ if is_proxy || is_name_server => is_explained = true,
                Some(container) if self.is_ours(container) => is_explained = true,
                container => {
                    let name = container.map(|container| container.name().to_owned());
                    foreign.get_or_insert(InTheWay::Process(process, name));
                }
            }
        }
        foreign.or_else(|| (!is_explained).then_some(InTheWay::Unknown))
    }

    /// The container that a process is in.
    fn container_of(&self, pid: u32) -> Option<&ContainerSummary> {
        let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let by_cgroup = self
            .containers
            .iter()
            .find(|container| !container.id.is_empty() && cgroups.contains(&container.id));
        by_cgroup.or_else(|| {
            let parents = with_parents(i32::try_from(pid).ok()?);
            let first_process = |container: &ContainerSummary| {
                let inspected = self.engine?.inspect_container(&container.id).ok()?;
                Some(inspected.state.pid)
            };
            let mut containers = self.containers.iter();
            containers.find(|container| {
                first_process(container).is_some_and(|pid| parents.contains(&pid))
            })
        })
    }
}

/// A process and those that it comes from.
fn with_parents(pid: i32) -> BTreeSet<i64> {
    let mut found = BTreeSet::new();
    let mut next = pid;
    // the first process is everybody's
    while next > 1 && found.insert(i64::from(next)) {
        let info = Pid::from_raw(next).and_then(ProcessInfo::read);
        next = info.map_or(0, |info| info.parent);
    }
    found
}
