//! What a deletion leaves behind: nothing.

use std::process::Command;

use release_tests::{Deployment, Outcome};

use crate::sleepers;

fn host() -> Vec<String> {
    let look = |command: &str| Outcome::of(Command::new("sh").args(["-c", command])).stdout;
    let mut lines: Vec<String> = [
        "cat /proc/self/mounts",
        "ip -o link | cut -d: -f2",
        "losetup --all --noheadings --output BACK-FILE",
        "find /sys/fs/cgroup -type d",
        "iptables-save 2>/dev/null | grep -v '^[#:]'",
        "ip netns list",
        "ls -d /proc/[0-9]* | while read p; do tr '\\0' ' ' <$p/cmdline; echo; done | grep '[e]2e-nothing'",
    ]
    .iter()
    .flat_map(|command| look(command).lines().map(str::to_owned).collect::<Vec<_>>())
    // what other deployments of this test run have, comes and goes meanwhile
    .filter(|line| line.contains("e2e-nothing") || !line.contains("e2e-"))
    .collect();
    lines.sort();
    lines
}

#[test]
fn delete_deployment_leaves_nothing_on_the_host() {
    let deployment = Deployment::new("e2e-nothing")
        .recipe(sleepers(&["web"]))
        .persistent_disk(256);
    deployment.deploy_ok();
    assert!(
        host().iter().any(|line| line.contains("e2e-nothing")),
        "the deployment should be seen in the look-around"
    );
    deployment.solo(&["delete-deployment"]).ok();
    let left: Vec<String> = host()
        .into_iter()
        .filter(|line| line.contains("e2e-nothing"))
        .collect();
    assert!(left.is_empty(), "left behind: {left:#?}");
}
