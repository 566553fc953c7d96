//! The example manifests, those with upstream's images on real software of Debian (`ci/fixtures/operations`).

use std::process::Command;
use std::time::Duration;

use release_tests::{Deployment, Outcome, program, repository, wait_until};

use crate::remote::{TLS, hand_over_client_certificate};

/// Deploys a manifest under its own name, with ops files.
fn deploy(name: &str, arguments: &[&str]) -> Deployment {
    let guard = Deployment::new(name);
    let outcome = Outcome::of(
        Command::new(program("bosh-solo"))
            .args(["-n", "-d", name, "deploy"])
            .arg(format!("manifests/{name}.yml"))
            .args(arguments)
            .current_dir(repository()),
    );
    assert_eq!(outcome.code, 0, "{}\n{}", outcome.text(), guard.logs());
    guard
}

#[test]
fn shield_s_five_services_run_and_its_agent_backs_the_site_up_into_the_store() {
    let shield = deploy("shield", &["-o", "ci/fixtures/operations/shield.yml"]);
    let services = ["vault", "core", "agent", "webdav", "demo"];
    for service in services {
        assert!(shield.started_at(service).contains(" true "), "{service}");
    }
    // on the ports of the VM, as an operator sees them
    let get = |port: u16, path: &str| {
        shield.ssh(&format!("exec 3<>/dev/tcp/127.0.0.1/{port} && printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3"))
    };
    assert!(get(9009, "/").ok().ends_with("core"));
    assert!(get(9008, "/").ok().ends_with("a site to back up"));
    assert!(
        get(9007, "/").ok().contains("401"),
        "the store wants a password"
    );
    // the agent reads the site's volume and writes through the network `internal` into the store's
    wait_until("a backup", Duration::from_secs(30), || {
        shield
            .docker("exec running-webdav-1 tar -tf /var/webdav/demo-shield-agent.tar")
            .stdout
            .contains("index.html")
    });
    let volumes = shield.docker("volume ls --quiet").ok();
    for volume in [
        "demo-data",
        "shield-data",
        "shield-etc",
        "vault-data",
        "webdav-data",
    ] {
        assert!(volumes.contains(&format!("running_{volume}")), "{volumes}");
    }
    assert_eq!(
        shield
            .docker("exec running-vault-1 redis-cli -p 8200 ping")
            .ok(),
        "PONG"
    );
}

#[test]
fn anchore_s_six_services_share_a_database_and_the_vm_s_docker_over_mutual_tls() {
    let directory = repository().join("tmp/manifests");
    std::fs::create_dir_all(&directory).unwrap();
    let store = directory.join("anchore-vars.yml");
    let anchore = deploy(
        "anchore",
        &[
            "-o",
            "ci/fixtures/operations/anchore.yml",
            "-o",
            "manifests/operations/enable-tls.yml",
            "-v",
            "docker_bind=5001",
            "-v",
            "docker_names=[127.0.0.1]",
            "--vars-store",
            &store.to_string_lossy(),
        ],
    );
    let sql = |host: &str, statement: &str| {
        anchore.docker(&format!("exec running-db-1 psql --host {host} --port 8228 --username any --dbname postgres --no-align --tuples-only --command '{statement}'")).ok()
    };
    // each has entered itself, and each serves the database on its port
    let names = "analyzer\napi\ncatalog\npolicy-engine\nsimplequeue";
    for service in names.lines() {
        assert_eq!(
            sql(service, "select name from services order by name"),
            names,
            "through {service}"
        );
    }
    anchore.ssh("exec 3<>/dev/tcp/127.0.0.1/8228").ok();
    // none began before the database was healthy, and the catalog after it
    let started = |service: &str| {
        let line = anchore.started_at(service);
        line.rsplit(' ').next().unwrap_or_default().to_owned()
    };
    assert!(started("db") < started("catalog"));
    for service in ["api", "simplequeue", "policy-engine", "analyzer"] {
        assert!(started("catalog") < started(service), "{service}");
    }
    let status = anchore.docker("ps --format '{{.Names}} {{.Status}}'").ok();
    assert_eq!(status.matches("(healthy)").count(), 6, "{status}");
    // who scans from elsewhere has a client certificate, and nobody else gets in
    hand_over_client_certificate(&anchore, &store);
    let remote = |options: &str| {
        anchore.ssh(&format!("unset DOCKER_HOST; /var/vcap/packages/docker/bin/docker -H tcp://127.0.0.1:5001 {options} ps --quiet"))
    };
    assert_eq!(remote(TLS).ok().lines().count(), 6);
    assert_ne!(
        remote("--tlsverify --tlscacert /root/tls/ca.pem").code,
        0,
        "without a client certificate"
    );
}

#[test]
fn two_instances_of_one_recipe_differ_by_the_instance_s_values() {
    let pair = deploy("web-pair", &[]);
    let mut indices = std::collections::BTreeSet::new();
    let table: serde_json::Value =
        serde_json::from_str(&pair.solo(&["instances", "--json"]).ok()).unwrap();
    let rows = table["Tables"][0]["Rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let value = |key: &str| row[key].as_str().unwrap().to_owned();
        let (instance, ip) = (value("instance"), value("ips"));
        let (group, id) = instance.split_once('/').unwrap();
        let on = |command: &str| {
            let command = format!(". /var/vcap/jobs/docker/envrc && {command}");
            pair.solo(&["ssh", &instance, "-c", &command]).ok()
        };
        let index = on("docker exec running-web-1 cat /etc/hostname");
        let index = index.strip_prefix("docker-").unwrap();
        indices.insert(index.to_owned());
        let page = on(&format!(
            "docker exec running-web-1 wget --quiet --output-document - http://{ip}/"
        ));
        let az = value("az");
        assert_eq!(
            page,
            format!("{group}/{index} {id} at {ip} in {az} of web-pair")
        );
    }
    assert_eq!(
        indices.into_iter().collect::<Vec<_>>(),
        ["0", "1"],
        "each has an index of its own"
    );
}

#[test]
fn postgres_serves_tls_with_its_key_from_files_and_keeps_its_data() {
    let guard = deploy("postgres", &[]);
    let sql = |statement: &str| {
        guard.docker(&format!("exec running-db-1 psql --username postgres --no-align --tuples-only --command \"{statement}\""))
    };
    assert_eq!(sql("show ssl").ok(), "on");
    sql("create table t as select generate_series(1, 1000) as n").ok();
    let over = |mode: &str| {
        guard.docker(&format!(
            "exec --env PGPASSWORD=wrong running-db-1 psql 'host=127.0.0.1 user=postgres sslmode={mode}' --command 'select 1'"
        )).stderr
    };
    assert!(
        over("require").contains("password authentication failed"),
        "TLS gets as far as the password"
    );
    assert!(
        over("disable").contains("rejects"),
        "without TLS it does not"
    );
    guard.solo(&["recreate"]).ok();
    wait_until("postgres is back", Duration::from_mins(1), || {
        sql("select 1").code == 0
    });
    assert_eq!(sql("select count(*) from t").ok(), "1000");
}
