//! docs/security.md is what the VM is: the modes and owners that its table gives, and no secret where it says there is none.

use std::fs;

use release_tests::{Deployment, repository};
use serde_json::json;

use crate::sleeper;

/// Path below `/var/vcap`, mode and owner, as the table of the page gives them.
fn promised() -> Vec<[String; 3]> {
    let page = fs::read_to_string(repository().join("docs/security.md")).unwrap();
    page.lines()
        .skip_while(|line| !line.starts_with("| path below"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let mut cells = line.split('|').map(|cell| cell.trim().replace('`', ""));
            [1, 0, 0].map(|skip| cells.nth(skip).unwrap())
        })
        .collect()
}

#[test]
fn modes_and_owners_are_those_of_the_page_and_no_secret_is_elsewhere() {
    let recipe = json!({"services": {"web": sleeper(json!({"environment": {"PW": "${PW}"}}))}});
    let deployment = Deployment::new("e2e-security")
        .recipe(recipe)
        .property("rollback_on_failure", json!(true))
        .property("variables", json!({"PW": "hunter2-of-the-vm"}))
        .property(
            "files",
            json!({"key": {"content": "hunter2-of-the-file", "mode": "0600"}}),
        );
    deployment.deploy_ok();

    let promised = promised();
    assert!(promised.len() > 10, "{promised:?}");
    for [path, mode, owner] in promised {
        if path == "data/docker/tls" {
            // made with `bind`; `remote.rs` looks at it
            continue;
        }
        let seen = deployment.ssh(&format!("stat --format '%a %U:%G' /var/vcap/{path}"));
        assert_eq!(seen.ok(), format!("{mode} {owner}"), "{path}");
    }

    // below directories that others can enter, nothing of ours can be read by others
    let open = deployment
        .ssh("find /var/vcap/sys/run/docker /var/vcap/sys/log/docker /var/vcap/store/docker /var/vcap/data/docker -maxdepth 1 -perm /o=w -not -type l")
        .ok();
    assert_eq!(open, "", "others can write");

    for secret in ["hunter2-of-the-vm", "hunter2-of-the-file"] {
        let found = deployment
            .ssh(&format!(
                "grep --recursive --files-with-matches --devices=skip {secret} /var/vcap/jobs/ /var/vcap/data/ /var/vcap/sys/ /etc /run | sort; \
                 ps axww --format args | grep {secret} | grep --invert-match grep"
            ))
            .stdout;
        let known = [
            "/var/vcap/jobs/docker/config/config.json",
            "/var/vcap/data/docker/running/key",
            "/var/vcap/data/docker/compose/kept.json",
        ];
        // where BOSH keeps what it renders, and where containerd keeps a container's environment
        let known_below = ["/var/vcap/data/jobs/", "/run/docker/containerd/"];
        for place in found.lines() {
            assert!(
                known.contains(&place) || known_below.iter().any(|below| place.starts_with(below)),
                "{secret} is in {place}"
            );
            let nobody = format!("setpriv --reuid 65534 --regid 65534 --clear-groups cat {place}");
            assert_ne!(deployment.ssh(&nobody).code, 0, "anybody can read {place}");
        }
    }
}

/// Makes a user as BOSH's agent does for `bosh ssh` (bosh-agent `agent/action/ssh.go`), with the groups of a stemcell.
const USER_OF_BOSH_SSH: &str = "set -e
for group in admin bosh_sudoers bosh_sshers; do groupadd --force $group; done
mkdir -p /var/vcap/bosh_ssh
useradd --create-home --base-dir /var/vcap/bosh_ssh --shell /bin/bash bosh_d4c3b2a1
usermod --append --groups vcap,admin,bosh_sudoers,bosh_sshers bosh_d4c3b2a1";

#[test]
fn users_of_bosh_ssh_reach_the_engine_without_sudo_and_the_page_says_so() {
    let deployment = Deployment::new("e2e-bosh-ssh");
    deployment.deploy_ok();
    deployment.ssh(USER_OF_BOSH_SSH).ok();
    let client =
        "/var/vcap/packages/docker/bin/docker --host unix:///var/vcap/sys/run/docker/docker.sock";
    // `run --volume /:/vm` would do: anyone who reaches the engine is root
    let command =
        format!("id --user --name && HOME=~ {client} version --format '{{{{.Server.Os}}}}'");
    let as_user = |groups: &str| {
        deployment.ssh(&format!(
            "setpriv --reuid bosh_d4c3b2a1 --regid bosh_d4c3b2a1 {groups} bash -c \"{command}\""
        ))
    };
    assert_eq!(as_user("--init-groups").ok(), "bosh_d4c3b2a1\nlinux");
    assert_ne!(as_user("--clear-groups").code, 0, "it is not by group vcap");

    let page = fs::read_to_string(repository().join("docs/security.md")).unwrap();
    let row = page
        .lines()
        .find(|line| line.starts_with("| members of group `vcap`"))
        .unwrap();
    assert!(
        row.contains("`bosh ssh`") && !row.contains("not in it"),
        "{row}"
    );
}
