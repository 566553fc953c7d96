//! Published ports that somebody else holds, found before anything is touched.
//!
//! Whether a port is free is tried, not guessed: binding to it is what dockerd's proxy will do. `/proc` and the engine
//! only say who is in the way.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use bosh_job::verdict::ErrorReport;
use docker_engine::{ContainerSummary, Status};
use rustix::net::{AddressFamily, SocketType, bind, ipproto, socket, sockopt};

use crate::{
    compose::PROJECT_LABEL,
    failure::error,
    model::{Model, PublishedPort},
    sockets,
};

/// What is wrong with the ports that the recipe publishes. Containers of `projects` may hold them: `up` replaces them.
pub fn check(
    model: &Model,
    containers: &[ContainerSummary],
    projects: &[&str],
) -> Vec<ErrorReport> {
    let mut errors = clashes_inside(model);
    for (name, service) in model
        .services
        .iter()
        .filter(|(_, service)| service.replicas > 0)
    {
        for port in &service.ports {
            if let Some(mut found) = check_port(port, containers, projects) {
                found.what = format!(
                    "service {name} publishes port {}, {}",
                    describe(port),
                    found.what
                );
                found.service = Some(name.clone());
                found.property = Some("recipe".to_owned());
                errors.push(found);
            }
        }
    }
    errors
}

fn check_port(
    port: &PublishedPort,
    containers: &[ContainerSummary],
    projects: &[&str],
) -> Option<ErrorReport> {
    // Of a range the engine takes one that is free.
    let mut first = None;
    for number in port.first..=port.last {
        match in_the_way(port, number, containers, projects) {
            None => return None,
            Some(found) => first = first.or(Some(found)),
        }
    }
    first
}

fn in_the_way(
    port: &PublishedPort,
    number: u16,
    containers: &[ContainerSummary],
    projects: &[&str],
) -> Option<ErrorReport> {
    let holders = containers
        .iter()
        .filter(|container| container.state == Status::Running);
    let mut holders =
        holders.filter(|container| container.ports.iter().any(|held| takes(held, port, number)));
    let ours = |container: &ContainerSummary| {
        container
            .labels
            .get(PROJECT_LABEL)
            .is_some_and(|project| projects.contains(&project.as_str()))
    };
    if let Some(holder) = holders.next() {
        // Two containers cannot hold one port, so there is no other holder to look for.
        return (!ours(holder)).then(|| {
            let mut found = error(format!("which container {} holds", holder.name()));
            found.hint = Some(format!(
                "stop it (`docker stop {}`) or publish another port",
                holder.name()
            ));
            found
        });
    }
    let address = address_of(port)?;
    let refused = try_bind(&port.protocol, address, number)?;
    match refused.kind() {
        io::ErrorKind::AddrInUse => {
            let holder = sockets::holder(&port.protocol, address, number);
            let mut found = error(match holder {
                Some(holder) => format!("which process {} ({}) holds", holder.pid, holder.program),
                None => "which another process holds".to_owned(),
            });
            found.hint = Some("stop that process or publish another port".to_owned());
            Some(found)
        }
        io::ErrorKind::AddrNotAvailable => {
            let mut found = error("on an address that this machine does not have".to_owned());
            found.hint = Some(
                "leave the address out, or write ${BOSH_IP} for that of the instance".to_owned(),
            );
            Some(found)
        }
        // What this process may not try is left to the engine.
        _ => None,
    }
}

/// Whether a container's port takes that port of the host.
fn takes(held: &docker_engine::Port, wanted: &PublishedPort, number: u16) -> bool {
    let address = |text: &str| {
        text.parse::<IpAddr>()
            .ok()
            .filter(|address| !address.is_unspecified())
    };
    let clash = match (address(&held.ip), address(&wanted.host_ip)) {
        (Some(held), Some(wanted)) => held == wanted,
        _ => true,
    };
    held.public_port == Some(number) && held.protocol == wanted.protocol && clash
}

/// The address to try; nothing inside if it is every address, nothing at all if it cannot be read.
#[expect(
    clippy::option_option,
    reason = "an address that cannot be read is not the same as none"
)]
fn address_of(port: &PublishedPort) -> Option<Option<IpAddr>> {
    let text = port.host_ip.trim_matches(['[', ']']);
    if text.is_empty() {
        Some(None)
    } else {
        text.parse().ok().map(Some)
    }
}

/// Why the port cannot be bound, if so.
fn try_bind(protocol: &str, address: Option<IpAddr>, number: u16) -> Option<io::Error> {
    let kind = match protocol {
        "tcp" => SocketType::STREAM,
        "udp" => SocketType::DGRAM,
        _ => return None,
    };
    let every = [
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    ];
    let addresses = address.as_ref().map_or(&every[..], std::slice::from_ref);
    addresses
        .iter()
        .find_map(|address| bind_once(kind, *address, number).err())
}

fn bind_once(kind: SocketType, address: IpAddr, number: u16) -> io::Result<()> {
    let (family, protocol) = match (address, kind) {
        (IpAddr::V4(_), SocketType::STREAM) => (AddressFamily::INET, ipproto::TCP),
        (IpAddr::V4(_), _) => (AddressFamily::INET, ipproto::UDP),
        (IpAddr::V6(_), SocketType::STREAM) => (AddressFamily::INET6, ipproto::TCP),
        (IpAddr::V6(_), _) => (AddressFamily::INET6, ipproto::UDP),
    };
    let socket = match socket(family, kind, Some(protocol)) {
        Ok(socket) => socket,
        // A machine without IPv6, as BOSH's are; the engine leaves it out too.
        Err(_) if address.is_ipv6() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if kind == SocketType::STREAM {
        // As Go's listeners do: what lingers from an ended connection is not in the way.
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    match bind(&socket, &SocketAddr::new(address, number)) {
        Err(error)
            if address.is_ipv6()
                && address.is_unspecified()
                && error != rustix::io::Errno::ADDRINUSE =>
        {
            Ok(())
        }
        outcome => Ok(outcome?),
    }
}

/// Fixed ports that the recipe itself takes twice: by two services, or by several containers of one.
fn clashes_inside(model: &Model) -> Vec<ErrorReport> {
    let mut errors = Vec::new();
    let mut taken: Vec<(&str, &PublishedPort)> = Vec::new();
    let mut told = BTreeSet::new();
    for (name, service) in &model.services {
        for port in service.ports.iter().filter(|port| port.first == port.last) {
            let first = taken
                .iter()
                .find(|(_, other)| same(other, port))
                .map(|(other, _)| *other);
            let what = match first {
                Some(other) if other == name.as_str() => continue,
                Some(other) => format!(
                    "services {other} and {name} both publish port {}",
                    describe(port)
                ),
                None if service.replicas > 1 => {
                    format!(
                        "service {name} has {} containers, which cannot all publish port {}",
                        service.replicas,
                        describe(port)
                    )
                }
                None => {
                    taken.push((name, port));
                    continue;
                }
            };
            if told.insert(what.clone()) {
                let mut found = error(what);
                found.service = Some(name.clone());
                found.property = Some("recipe".to_owned());
                found.hint = Some(
                    "give each its own port of the host, or a range such as 8000-8010".to_owned(),
                );
                errors.push(found);
            }
        }
    }
    errors
}

fn same(a: &PublishedPort, b: &PublishedPort) -> bool {
    a.first == b.first
        && a.protocol == b.protocol
        && (a.host_ip == b.host_ip || a.host_ip.is_empty() || b.host_ip.is_empty())
}

fn describe(port: &PublishedPort) -> String {
    let range = if port.first == port.last {
        port.first.to_string()
    } else {
        format!("{}-{}", port.first, port.last)
    };
    let address = if port.host_ip.is_empty() {
        String::new()
    } else {
        format!("{}:", port.host_ip)
    };
    format!("{address}{range}/{}", port.protocol)
}

#[cfg(test)]
mod tests;
