//! Clients that take their time: they end nobody else's requests, and hold no place for long.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::client::{CI, Registry};

/// Connections that a registry has at a time.
const CONNECTIONS: usize = 2048;

fn connect(registry: &Registry, send: &str) -> TcpStream {
    let mut stream = TcpStream::connect(registry.address).unwrap();
    stream.write_all(send.as_bytes()).unwrap();
    stream
}

#[test]
fn idle_connections_make_room_and_a_pull_goes_on_beside_them() {
    let files = getrlimit(Resource::Nofile);
    let enough = Rlimit {
        current: files.maximum,
        maximum: files.maximum,
    };
    setrlimit(Resource::Nofile, enough).unwrap();
    let registry = Registry::start();
    let content = vec![7; 32 << 20];
    let digest = registry.push_blob("app", &content);
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {CI}\r\n\r\n");
    let mut pull = connect(&registry, &ask(&format!("/v2/app/blobs/{digest}")));
    let mut first = [0; 12];
    pull.read_exact(&mut first).unwrap();

    let answered = ask("/v2/");
    let sent = ["", &answered[..20], &answered];
    let idle: Vec<TcpStream> = (0..CONNECTIONS + 200)
        .map(|number| connect(&registry, sent[number % sent.len()]))
        .collect();
    for _ in 0..20 {
        let began = Instant::now();
        registry.get("/v2/").assert(200);
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{:?}",
            began.elapsed()
        );
    }
    let mut rest = vec![0; content.len()];
    let mut came = 0;
    while came < content.len() {
        let count = pull.read(&mut rest).unwrap();
        assert!(count > 0, "the pull ended after {came} bytes");
        came += count;
    }
    drop(idle);
    registry.get("/v2/").assert(200);
}

#[test]
fn a_head_that_trickles_and_one_that_never_comes_are_ended_and_others_are_served() {
    let registry = Registry::start();
    let began = Instant::now();
    let mut trickling = connect(&registry, "GET /v2/ HTTP/1.1\r\n");
    let mut silent = connect(&registry, "");
    let limit = Duration::from_secs(30 + 10);
    trickling
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let mut answer = [0; 64];
    loop {
        registry.get("/v2/").assert(200);
        let has_ended = match trickling.read(&mut answer) {
            Ok(0) => true,
            Ok(_) => answer.starts_with(b"HTTP/1.1 408"),
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        };
        if has_ended {
            break;
        }
        assert!(began.elapsed() < limit, "a head may take for ever");
        // what is closed takes no more
        let _ = trickling.write_all(b"X: y\r\n");
    }
    silent.set_read_timeout(Some(limit)).unwrap();
    assert!(matches!(silent.read(&mut answer), Ok(0)), "it is closed");
    assert!(
        began.elapsed() > Duration::from_secs(20),
        "it was given time"
    );
}
