//! Whether it works, as monit and load balancers ask.

use crate::client::Registry;

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
    let (here, away) = (registry.store("blobs"), registry.store("away"));
    std::fs::rename(&here, &away).unwrap();
    for _ in 0..3 {
        let bad = registry.ask_as_it_is("GET", "/health", &[], b"");
        assert_eq!(bad.assert(503).body, b"the store does not answer\n");
    }
    std::fs::rename(&away, &here).unwrap();
    registry
        .ask_as_it_is("GET", "/health", &[], b"")
        .assert(200);
    let log = registry.log();
    assert_eq!(log.matches("the store does not answer").count(), 1, "{log}");
    assert_eq!(log.matches("the store answers again").count(), 1, "{log}");
}
