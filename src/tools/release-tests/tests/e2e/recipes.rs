//! The example manifests that need no registry.

use release_tests::{Deployment, Outcome, program, repository};
use std::process::Command;

#[test]
fn postgres_serves_tls_with_its_key_from_files_and_keeps_its_data() {
    let manifest = repository().join("manifests/postgres.yml");
    let guard = Deployment::new("postgres");
    let deploy = || {
        Outcome::of(
            Command::new(program("bosh-solo"))
                .args(["-n", "-d", "postgres", "deploy"])
                .arg(&manifest),
        )
        .ok();
    };
    deploy();
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
    release_tests::wait_until(
        "postgres is back",
        std::time::Duration::from_mins(1),
        || sql("select 1").code == 0,
    );
    assert_eq!(sql("select count(*) from t").ok(), "1000");
}
