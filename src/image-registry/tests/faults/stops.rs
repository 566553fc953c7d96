//! SIGTERM: who reads gets the whole of it, and who does not holds nothing up.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::client::{CI, Registry, sha256};
use crate::observed::assert_whole;

/// More than the kernel's buffers of a connection take.
const SIZE: usize = 64 << 20;
/// The time that requests have at a stop, and some for a busy machine.
const STOPPED: Duration = Duration::from_secs(20 + 10);

#[test]
fn a_stop_lets_pulls_end_and_cuts_off_those_that_hang() {
    let mut registry = Registry::start();
    let content = vec![7; SIZE];
    let digest = registry.push_blob("app", &content);
    let head =
        format!("GET /v2/app/blobs/{digest} HTTP/1.1\r\nHost: x\r\nAuthorization: {CI}\r\n\r\n");
    let pull = || {
        let mut stream = TcpStream::connect(registry.address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        stream
    };
    let (mut reads, mut hangs) = (pull(), pull());
    let idle = TcpStream::connect(registry.address).unwrap();
    let address = registry.address;
    let id = i32::try_from(registry.process().id()).unwrap();
    let began = Instant::now();
    kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();

    let mut came = Vec::new();
    reads.read_to_end(&mut came).unwrap();
    let body = came.len() - SIZE;
    assert_eq!(&came[body - 4..body], b"\r\n\r\n");
    assert_eq!(sha256(&came[body..]), digest);
    assert!(TcpStream::connect(address).is_err(), "it takes nobody new");

    let status = loop {
        if let Some(status) = registry.process().try_wait().unwrap() {
            break status;
        }
        assert!(began.elapsed() < STOPPED, "it does not end");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(status.success(), "{status}");
    let mut rest = Vec::new();
    let _ = hangs.read_to_end(&mut rest);
    assert!(rest.len() < SIZE);
    drop(idle);
    registry.die_and_start();
    assert!(registry.get(&format!("/v2/app/blobs/{digest}")).body == content);
    assert_whole(&registry);
}
