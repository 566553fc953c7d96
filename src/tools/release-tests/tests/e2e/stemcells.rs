//! A new stemcell over an old data root: what Jammy and Noble differ in as far as this machine's kernel can, there and back.

use std::time::Duration;

use release_tests::{Deployment, wait_until};
use serde_json::json;

use crate::sleeper;

const LIMIT: Duration = Duration::from_mins(1);

#[test]
#[ignore = "takes three minutes; ci/test full runs it"]
fn a_data_root_goes_over_to_other_cgroups_and_another_iptables_and_back() {
    let web = json!({
        "command": ["httpd", "-f", "-p", "80", "-h", "/named"], "ports": ["8080:80"], "volumes": ["named:/named", "/anonymous"],
    });
    let recipe = json!({"services": {"web": sleeper(web), "db": sleeper(json!({}))}, "volumes": {"named": {}}});
    let mut deployment = Deployment::new("e2e-stemcells")
        .recipe(recipe)
        .persistent_disk(512);
    let stemcells = [
        ("v1", "legacy"),
        ("v2", "nft"),
        ("v1", "nft"),
        ("v2", "legacy"),
        ("v1", "legacy"),
    ];
    for (number, (cgroups, iptables)) in stemcells.into_iter().enumerate() {
        deployment.environment(&[
            ("BOSH_SOLO_CGROUP", cgroups),
            ("BOSH_SOLO_IPTABLES", iptables),
        ]);
        let when = format!("cgroups {cgroups}, iptables {iptables}");
        if number == 0 {
            deployment.deploy_ok();
            let write = "echo precious >/named/index.html; echo dear >/anonymous/x; sync";
            deployment
                .docker(&format!("exec running-web-1 sh -c '{write}'"))
                .ok();
        } else {
            deployment.solo(&["recreate"]).ok();
        }
        let version = deployment.docker("info --format '{{.CgroupVersion}}'").ok();
        assert_eq!(format!("v{version}"), cgroups, "{when}");
        let version = deployment.ssh("iptables --version").ok();
        let kind = if iptables == "nft" {
            "nf_tables"
        } else {
            "legacy"
        };
        assert!(version.contains(kind), "{when}: {version}");

        for operation in [None, Some("restart")] {
            if let Some(operation) = operation {
                deployment.solo(&[operation]).ok();
            }
            // through docker-proxy's port and through the firewall's rules
            let get = "bash -c 'for ip in 127.0.0.1 $(hostname -I | cut -d\" \" -f1); do exec 3<>/dev/tcp/$ip/8080; printf \"GET / HTTP/1.0\\r\\n\\r\\n\" >&3; tail -n 1 <&3; done'";
            wait_until(&format!("{when}: the service answers"), LIMIT, || {
                deployment.ssh(get).stdout.trim() == "precious\nprecious"
            });
            let read = deployment.docker("exec running-web-1 cat /anonymous/x");
            assert_eq!(read.ok(), "dear", "{when}");
            let named = deployment.docker("exec running-db-1 sh -c 'wget -q -O - http://web'");
            assert_eq!(
                named.ok(),
                "precious",
                "{when}: one service finds the other"
            );
        }
    }
}
