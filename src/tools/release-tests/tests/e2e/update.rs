//! An update touches what it changes, and nothing else.

use release_tests::Deployment;
use serde_json::json;

use crate::sleeper;

#[test]
fn only_services_whose_settings_or_mounted_files_changed_restart() {
    let mounted = json!({"volumes": ["$PWD/conf/app.conf:/app.conf:ro"]});
    let recipe = |environment: &str| {
        json!({"services": {
            "changed": sleeper(json!({"environment": {"X": environment}})),
            "mounting": sleeper(mounted.clone()),
            "quiet": sleeper(json!({"volumes": ["$PWD/other:/other"]})),
        }})
    };
    let files = |text: &str| json!({"conf/app.conf": text, "other/file": "the same"});
    let mut deployment = Deployment::new("e2e-update")
        .recipe(recipe("1"))
        .property("files", files("one"));
    deployment.deploy_ok();
    let start = |deployment: &Deployment| {
        ["changed", "mounting", "quiet"].map(|service| deployment.started_at(service))
    };
    let [changed, mounting, quiet] = start(&deployment);

    assert!(deployment.deploy_ok().contains("nothing to do") || start(&deployment)[0] == changed);
    assert_eq!(
        start(&deployment),
        [changed.clone(), mounting.clone(), quiet.clone()],
        "a deploy without a change"
    );

    deployment.set("recipe", recipe("2"));
    deployment.deploy_ok();
    let after = start(&deployment);
    assert_ne!(after[0], changed, "its environment changed");
    assert_eq!(
        after[1..],
        [mounting.clone(), quiet.clone()],
        "those did not change"
    );
    let [changed, ..] = after;

    deployment.set("files", files("two"));
    deployment.deploy_ok();
    let after = start(&deployment);
    assert_ne!(after[1], mounting, "the file that it mounts changed");
    assert_eq!(
        [&after[0], &after[2]],
        [&changed, &quiet],
        "those did not change"
    );
    assert_eq!(
        deployment
            .docker("exec running-mounting-1 cat /app.conf")
            .ok(),
        "two"
    );
}

#[test]
fn a_service_and_a_whole_recipe_that_leave_the_manifest_leave_the_vm() {
    let mut deployment = Deployment::new("e2e-leave")
        .recipe(json!({"services": {"stays": sleeper(json!({})), "goes": sleeper(json!({}))}}));
    deployment.deploy_ok();
    let stays = deployment.started_at("stays");
    deployment.set("recipe", json!({"services": {"stays": sleeper(json!({}))}}));
    deployment.deploy_ok();
    assert_eq!(deployment.started_at("stays"), stays);
    assert!(deployment.containers("goes").is_empty());

    deployment.set("project_name", json!("renamed"));
    deployment.deploy_ok();
    assert_eq!(
        deployment.docker("ps --all --format '{{.Names}}'").ok(),
        "renamed-stays-1"
    );

    deployment.set("recipe", json!(null));
    deployment.deploy_ok();
    assert_eq!(deployment.docker("ps --all --quiet").ok(), "");
    assert_eq!(
        deployment
            .ssh("ls /var/vcap/sys/run/docker/compose.pid")
            .code,
        2,
        "no compose process without a recipe"
    );
}
