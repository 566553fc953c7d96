//! `ci/try`, as a newcomer runs it.

use std::process::Command;

use release_tests::{Deployment, Outcome, repository};

#[test]
fn ci_try_ends_with_redis_answering_through_its_published_port() {
    let guard = Deployment::new("redis");
    let mut ci_try = Command::new(repository().join("ci/try"));
    // Other blobs than those under test would change the release below the other tests.
    ci_try.args(["--blobs", "present"]);
    let text = Outcome::of(&mut ci_try).text();
    for part in ["+PONG", "docker/", "compose", "running-redis-1", "Next"] {
        assert!(
            text.contains(part),
            "{part:?} is not in\n{text}\n{}",
            guard.logs()
        );
    }
}
