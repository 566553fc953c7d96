//! Whether it works, as monit and load balancers ask.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::client::Registry;

/// What monit is answered, which asks the admin socket.
fn asked_by_monit(registry: &Registry) -> String {
    let mut stream = UnixStream::connect(registry.store("../admin.sock")).unwrap();
    let request = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap().to_owned()
}

#[test]
fn anybody_may_ask_whether_it_works_and_learns_nothing_else() {
    let registry = Registry::start();
    let good = registry.ask_as_it_is("GET", "/health", &[], b"");
    assert_eq!(good.assert(200).body, b"ok\n");
    assert_eq!(good.header("cache-control"), "no-store");
    let head = registry.ask_as_it_is("HEAD", "/health", &[], b"");
    assert_eq!(head.assert(200).body, b"");
    registry
        .ask_as_it_is("POST", "/health", &[], b"x")
        .assert(405);
    registry
        .ask_as_it_is("GET", "/health/", &[], b"")
        .assert(404);
    let log = registry.log();
    assert!(!log.contains("method=GET path=/health "), "{log}");
}

#[test]
fn a_store_that_is_gone_shows_and_so_does_one_that_is_back() {
    let registry = Registry::start();
    assert!(asked_by_monit(&registry).starts_with("HTTP/1.1 200"));
    let (here, away) = (registry.store("blobs"), registry.store("away"));
    std::fs::rename(&here, &away).unwrap();
    for _ in 0..3 {
        let bad = registry.ask_as_it_is("GET", "/health", &[], b"");
        assert_eq!(bad.assert(503).body, b"the store does not answer\n");
    }
    assert!(asked_by_monit(&registry).starts_with("HTTP/1.1 503"));
    std::fs::rename(&away, &here).unwrap();
    registry
        .ask_as_it_is("GET", "/health", &[], b"")
        .assert(200);
    // the answer may be here before the line is
    let deadline = Instant::now() + Duration::from_secs(10);
    while !registry.log().contains("the store answers again") && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let log = registry.log();
    assert_eq!(log.matches("the store does not answer").count(), 1, "{log}");
    assert_eq!(log.matches("the store answers again").count(), 1, "{log}");
}
