//! Published ports that somebody else holds, found before anything is touched.
//!
//! Whether a port is free is tried, not guessed: binding to it is what dockerd's proxy will do. `/proc` and the engine
//! only say who is in the way.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use bosh_job::ErrorReport;
use rustix::net::{AddressFamily, SocketType, bind, ipproto, socket, sockopt};

use crate::{
    failure::error,
    model::{Model, PublishedPort},
};

mod address;
mod holders;

pub use address::HostAddress;
pub use holders::Holders;
use holders::InTheWay;

/// A port of the recipe.
struct Wanted<'a> {
    service: &'a str,
    containers: usize,
    port: &'a PublishedPort,
    address: HostAddress,
}

/// Why a service cannot have a port.
enum Blocked<'a> {
    /// A service of the recipe has it; maybe the same one.
    By(&'a str),
    /// So has somebody else, or nobody can.
    Outside(ErrorReport),
}

const HINT: &str = "give each its own port of the host, or a range such as 8000-8010";

/// What is wrong with the ports that the recipe publishes. The recipe's own containers may hold them: `up` replaces them.
pub fn check(model: &Model, holders: &Holders<'_>) -> Vec<ErrorReport> {
    let services = model.services.iter();
    let services = services.filter(|(_, service)| service.replicas > 0);
    let wanted = services.flat_map(|(name, service)| {
        service.ports.iter().filter_map(|port| {
            Some(Wanted {
                service: name,
                containers: service.replicas,
                port,
                // what cannot be read is left to the engine
                address: HostAddress::parse(&port.host_ip)?,
            })
        })
    });
    let (fixed, mut ranges): (Vec<_>, Vec<_>) =
        wanted.partition(|wanted| wanted.port.first == wanted.port.last);
    // Of a range the engine takes one that is free. Those that end first choose first: if there is enough for all, each has its own then.
    ranges.sort_by_key(|wanted| wanted.port.last);
    let mut taken: Vec<(&Wanted<'_>, u16)> = Vec::new();
    let mut errors = Vec::new();
    for wanted in fixed.iter().chain(&ranges) {
        let (found, blocked) = assign(wanted, &mut taken, holders);
        errors.extend(reports(wanted, found, blocked));
    }
    let mut told = BTreeSet::new();
    errors.retain(|error| told.insert(error.what.clone()));
    errors
}

/// Takes a port for each container of the service. How many it could have, and why not more.
fn assign<'a>(
    wanted: &'a Wanted<'a>,
    taken: &mut Vec<(&'a Wanted<'a>, u16)>,
    holders: &Holders<'_>,
) -> (usize, Vec<Blocked<'a>>) {
    let is_fixed = wanted.port.first == wanted.port.last;
    let (mut found, mut blocked) = (0, Vec::new());
    for number in wanted.port.first..=wanted.port.last {
        let clash = taken.iter().find(|(other, held)| {
            *held == number
                && other.port.protocol == wanted.port.protocol
                && other.address.overlaps(wanted.address)
        });
        if let Some((other, _)) = clash {
            // the engine takes the same port of the container twice for once
            if other.service == wanted.service
                && other.port.target == wanted.port.target
                && is_fixed
            {
                return (wanted.containers, Vec::new());
            }
            blocked.push(Blocked::By(other.service));
        }
        let outside = outside(wanted, number, holders);
        if clash.is_none() && (outside.is_none() || is_fixed) {
            // also one that somebody else has: that two services want it is wrong besides
            taken.push((wanted, number));
            found += usize::from(outside.is_none());
        }
        blocked.extend(outside.map(Blocked::Outside));
        if found == wanted.containers {
            break;
        }
    }
    (found, blocked)
}

fn reports(wanted: &Wanted<'_>, found: usize, blocked: Vec<Blocked<'_>>) -> Vec<ErrorReport> {
    let (service, containers) = (wanted.service, wanted.containers);
    if found >= containers {
        return Vec::new();
    }
    let port = describe(wanted.port);
    let report = |what: String, hint: &str| {
        let mut found = error(what);
        found.hint = Some(hint.to_owned());
        found
    };
    let mut errors = Vec::new();
    if wanted.port.first == wanted.port.last {
        if containers > 1 {
            let what = format!(
                "service {service} has {containers} containers, which cannot all publish port {port}"
            );
            errors.push(report(what, HINT));
        }
        for blocked in blocked {
            errors.push(match blocked {
                Blocked::By(other) if other == service => report(
                    format!(
                        "service {service} publishes port {port} for two ports of its container"
                    ),
                    HINT,
                ),
                Blocked::By(other) => report(
                    format!("services {other} and {service} both publish port {port}"),
                    HINT,
                ),
                Blocked::Outside(found) => of_service(service, &port, found),
            });
        }
    } else if let Some(Blocked::Outside(found)) = blocked
        .into_iter()
        .find(|blocked| matches!(blocked, Blocked::Outside(_)))
    {
        errors.push(of_service(service, &port, found));
    } else {
        let what = format!(
            "service {service} needs {containers} of the ports {port}, and the recipe leaves it {found}"
        );
        errors.push(report(
            what,
            "make the range longer, or give the others ports outside it",
        ));
    }
    for error in &mut errors {
        error.service = Some(service.to_owned());
        error.property = Some("recipe".to_owned());
    }
    errors
}

fn of_service(service: &str, port: &str, found: ErrorReport) -> ErrorReport {
    ErrorReport {
        what: format!("service {service} publishes port {port}, {}", found.what),
        ..found
    }
}

/// Why nobody's container can have the port, whatever the recipe says.
fn outside(wanted: &Wanted<'_>, number: u16, holders: &Holders<'_>) -> Option<ErrorReport> {
    let (protocol, address) = (&wanted.port.protocol, wanted.address);
    if let Some(holder) = holders.foreign_container(protocol, address, number) {
        return Some(held_by(&holder));
    }
    let refused = try_bind(protocol, address, number)?;
    match refused.kind() {
        io::ErrorKind::AddrInUse => holders
            .of_bound_port(protocol, address, number)
            .map(|holder| held_by(&holder)),
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

fn held_by(holder: &InTheWay) -> ErrorReport {
    let (what, hint) = match holder {
        InTheWay::Container(name) => (
            format!("which container {name} holds"),
            format!("stop it (`docker stop {name}`) or publish another port"),
        ),
        InTheWay::Process(process, Some(container)) => (
            format!(
                "which container {container} holds (process {}, {})",
                process.pid, process.program
            ),
            format!("stop it (`docker stop {container}`) or publish another port"),
        ),
        InTheWay::Process(process, None) => (
            format!("which process {} ({}) holds", process.pid, process.program),
            "stop that process or publish another port".to_owned(),
        ),
        InTheWay::Unknown => (
            "which another process holds".to_owned(),
            "stop that process or publish another port".to_owned(),
        ),
    };
    let mut found = error(what);
    found.hint = Some(hint);
    found
}

/// Why the port cannot be bound, if so.
fn try_bind(protocol: &str, address: HostAddress, number: u16) -> Option<io::Error> {
    let kind = match protocol {
        "tcp" => SocketType::STREAM,
        "udp" => SocketType::DGRAM,
        _ => return None,
    };
    let every = [
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    ];
    let addresses = match &address {
        HostAddress::Every => &every[..],
        HostAddress::One(one) => std::slice::from_ref(one),
    };
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
