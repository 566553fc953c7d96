//! Who holds a port of this machine: `/proc/net/{tcp,udp}{,6}` names the socket, `/proc/PID/fd` its process.

use std::{fs, net::IpAddr, net::Ipv4Addr, net::Ipv6Addr};

/// A process that holds a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its PID.
    pub pid: u32,
    /// The name of its program; arguments may hold secrets.
    pub program: String,
}

/// A socket bound to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    address: IpAddr,
    port: u16,
    inode: u64,
}

/// State of a listening TCP socket, and of an unconnected UDP one (Linux, `include/net/tcp_states.h`).
const LISTEN: &str = "0A";
const UNCONNECTED: &str = "07";

/// The processes that hold `port` on an address that clashes with `address`, as far as they can be found out. Forked
/// processes share a socket.
pub fn holders(protocol: &str, address: Option<IpAddr>, port: u16) -> Vec<Holder> {
    let state = if protocol == "udp" {
        UNCONNECTED
    } else {
        LISTEN
    };
    let tables = [protocol.to_owned(), format!("{protocol}6")];
    let inodes: Vec<u64> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/net/{table}")).ok())
        .flat_map(|table| parse(&table, state).collect::<Vec<_>>())
        .filter(|bound| bound.port == port && clash(bound.address, address))
        .map(|bound| bound.inode)
        .collect();
    processes_of(&inodes)
}

/// Whether two sockets on one port stand in each other's way; no address is every address.
fn clash(bound: IpAddr, wanted: Option<IpAddr>) -> bool {
    wanted.is_none_or(|wanted| bound.is_unspecified() || wanted.is_unspecified() || bound == wanted)
}

fn parse(table: &str, state: &str) -> impl Iterator<Item = Bound> {
    table.lines().skip(1).filter_map(move |line| {
        let mut fields = line.split_ascii_whitespace();
        let local = fields.nth(1)?;
        let found = fields.nth(1)?;
        let inode = fields.nth(5)?.parse().ok()?;
        let (address, port) = local.split_once(':')?;
        let bound = Bound {
            address: parse_address(address)?,
            port: u16::from_str_radix(port, 16).ok()?,
            inode,
        };
        (found == state).then_some(bound)
    })
}

/// The kernel prints an address as 32 bit words in the machine's own byte order.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        u32::from_str_radix(hex.get(at..at + 8)?, 16)
            .ok()
            .map(u32::to_ne_bytes)
    };
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let mut bytes = [0; 16];
            for (at, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(at * 8)?);
            }
            let address = Ipv6Addr::from(bytes);
            Some(
                address
                    .to_ipv4_mapped()
                    .map_or(IpAddr::V6(address), IpAddr::V4),
            )
        }
        _ => None,
    }
}

fn processes_of(inodes: &[u64]) -> Vec<Holder> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    if inodes.is_empty() {
        return Vec::new();
    }
    let wanted: Vec<String> = inodes
        .iter()
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let holds = |pid: u32| {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok();
        let descriptors = descriptors.into_iter().flatten().filter_map(Result::ok);
        descriptors
            .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
            .any(|to| to.to_str().is_some_and(|to| wanted.iter().any(|w| w == to)))
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| holds(*pid))
        .map(|pid| Holder {
            pid,
            program: fs::read_to_string(format!("/proc/{pid}/comm"))
                .unwrap_or_default()
                .trim()
                .to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn finds_this_process_by_its_listening_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let pids = |protocol: &str, address: Option<&str>, port| -> Vec<u32> {
            let address = address.map(|address| address.parse().unwrap());
            let found = holders(protocol, address, port);
            assert!(found.iter().all(|holder| !holder.program.is_empty()));
            found.iter().map(|holder| holder.pid).collect()
        };
        let me = [std::process::id()];
        assert_eq!(pids("tcp", None, port), me);
        assert_eq!(pids("tcp", Some("127.0.0.1"), port), me);
        assert!(pids("tcp", Some("127.0.0.2"), port).is_empty());
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert_eq!(pids("udp", None, port), me);
    }

    #[test]
    fn reads_both_families() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n\
            1: 0100007F:1F91 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n\
            2: 00000000000000000000000001000000:0050 0:0 0A 0:0 00:0 0 0 0 4713 1\n\
            3: 0000000000000000FFFF00000100007F:0051 0:0 0A 0:0 00:0 0 0 0 4714 1\n\
            garbage\n 4: x:y z 0A\n";
        let found: Vec<_> = parse(table, LISTEN)
            .map(|bound| (bound.address.to_string(), bound.port, bound.inode))
            .collect();
        assert_eq!(
            found,
            [
                ("127.0.0.1".into(), 8080, 4711),
                ("::1".into(), 80, 4713),
                ("127.0.0.1".to_string(), 81, 4714)
            ]
        );
    }
}
