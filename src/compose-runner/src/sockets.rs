//! Who holds a port of this machine: `/proc/net/{tcp,udp}{,6}` names the socket, `/proc/PID/fd` its process.

use std::{collections::BTreeSet, net::IpAddr, net::SocketAddr};

use procfs::net::{TcpState, UdpState, tcp, tcp6, udp, udp6};
use procfs::process::{FDTarget, Process, all_processes};

/// A process that holds a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its PID.
    pub pid: u32,
    /// The name of its program; arguments may hold secrets.
    pub program: String,
}

/// The processes that hold `port` on an address that clashes with `address`, as far as they can be found out. Forked
/// processes share a socket.
pub fn holders(protocol: &str, address: Option<IpAddr>, port: u16) -> Vec<Holder> {
    let bound = bound(protocol).into_iter();
    let inodes: BTreeSet<u64> = bound
        .filter(|(local, _)| local.port() == port && clash(local.ip().to_canonical(), address))
        .map(|(_, inode)| inode)
        .collect();
    if inodes.is_empty() {
        return Vec::new();
    }
    let processes = all_processes().into_iter().flatten().flatten();
    processes
        .filter(|process| holds_one(process, &inodes))
        .filter_map(|process| {
            Some(Holder {
                pid: process.pid().try_into().ok()?,
                program: process
                    .stat()
                    .map_or_else(|_| String::new(), |stat| stat.comm),
            })
        })
        .collect()
}

/// The addresses of listening TCP sockets or unconnected UDP ones, and their inodes.
fn bound(protocol: &str) -> Vec<(SocketAddr, u64)> {
    match protocol {
        "tcp" => {
            let sockets = [tcp(), tcp6()].into_iter().flatten().flatten();
            let sockets = sockets.filter(|socket| socket.state == TcpState::Listen);
            sockets
                .map(|socket| (socket.local_address, socket.inode))
                .collect()
        }
        "udp" => {
            let sockets = [udp(), udp6()].into_iter().flatten().flatten();
            let sockets = sockets.filter(|socket| socket.state == UdpState::Close);
            sockets
                .map(|socket| (socket.local_address, socket.inode))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn holds_one(process: &Process, inodes: &BTreeSet<u64>) -> bool {
    let mut descriptors = process.fd().into_iter().flatten().flatten();
    descriptors.any(|descriptor| {
        matches!(descriptor.target, FDTarget::Socket(inode) if inodes.contains(&inode))
    })
}

/// Whether two sockets on one port stand in each other's way; no address is every address.
fn clash(bound: IpAddr, wanted: Option<IpAddr>) -> bool {
    wanted.is_none_or(|wanted| bound.is_unspecified() || wanted.is_unspecified() || bound == wanted)
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
    fn finds_sockets_of_both_families() {
        for (bound, asked, other) in [
            ("[::1]:0", "::1", "127.0.0.1"),
            ("[::ffff:127.0.0.1]:0", "127.0.0.1", "::1"),
            ("[::]:0", "127.0.0.1", "0.0.0.0"),
        ] {
            let listener = TcpListener::bind(bound).unwrap();
            let port = listener.local_addr().unwrap().port();
            let is_held = |address: &str| {
                let found = holders("tcp", Some(address.parse().unwrap()), port);
                found.iter().any(|holder| holder.pid == std::process::id())
            };
            assert!(is_held(asked), "{bound}");
            assert_eq!(is_held(other), bound == "[::]:0", "{bound}");
        }
    }
}
