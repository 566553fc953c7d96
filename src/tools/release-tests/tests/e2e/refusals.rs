//! A bad recipe or setting fails the deploy with an error of its own, and what ran before serves on.

use release_tests::Deployment;
use serde_json::{Value, json};

use crate::{sleeper, sleepers};

/// One bad deploy after another over the same good one: each must fail with its parts and its exit code, and leave `web` alone.
#[test]
fn each_bad_setting_has_its_own_error_and_leaves_the_old_containers_serving() {
    let good = sleepers(&["web"]);
    let mut deployment = Deployment::new("e2e-refuse")
        .recipe(good.clone())
        .property("volumes_without_persistent_disk", json!("refuse"));
    deployment.deploy_ok();
    let before = deployment.started_at("web");
    deployment
        .ssh("setsid nc -l -k -p 7777 >/dev/null 2>&1 </dev/null &")
        .ok();

    let with = |settings: Value| json!({"services": {"web": sleeper(settings)}});
    let cases: [(&str, &str, Value, i32, &[&str]); 10] = [
        (
            "a syntax error",
            "recipe",
            json!("services:\n  web:\n   image: [x\n"),
            2,
            &["recipe", "yaml"],
        ),
        (
            "an unknown key",
            "recipe",
            with(json!({"imagge": "x"})),
            2,
            &["recipe", "imagge", "web"],
        ),
        (
            "an image that is nowhere",
            "recipe",
            with(json!({"image": "nowhere.example/none:1"})),
            1,
            &["web", "nowhere.example/none:1", "image release"],
        ),
        (
            "a port that is taken",
            "recipe",
            with(json!({"ports": ["7777:80"]})),
            1,
            &["web", "7777", "nc"],
        ),
        (
            "a volume without a persistent disk",
            "recipe",
            with(json!({"volumes": ["/kept"]})),
            2,
            &[
                "no persistent disk",
                "web",
                "/kept",
                "volumes_without_persistent_disk",
            ],
        ),
        (
            "a path that leaves the directory",
            "files",
            json!({"../x": "y"}),
            2,
            &["files", "../x"],
        ),
        (
            "a prep that fails",
            "prep",
            json!("#!/bin/sh\necho no such user >&2\nexit 1\n"),
            1,
            &["prep", "exit", "no such user"],
        ),
        (
            "a file whose mode is none",
            "files",
            json!({"a": {"content": "x", "mode": "9z"}}),
            2,
            &["files", "mode"],
        ),
        (
            "a project name that Compose refuses",
            "project_name",
            json!("Not Good"),
            2,
            &["project_name", "Not Good"],
        ),
        (
            "bind without TLS or waiver",
            "bind",
            json!(5001),
            2,
            &["bind", "tls_cert", "bind_without_tls"],
        ),
    ];
    for (what, property, value, code, parts) in cases {
        let old = if property == "recipe" {
            good.clone()
        } else {
            Value::Null
        };
        deployment.set(property, value);
        let outcome = deployment.deploy();
        let text = outcome.text();
        assert_ne!(outcome.code, 0, "{what} was deployed");
        for part in parts {
            assert!(
                text.to_lowercase().contains(&part.to_lowercase()),
                "{what}: {part:?} is not in\n{text}\n{}",
                deployment.logs()
            );
        }
        assert_eq!(
            deployment.ssh("/var/vcap/jobs/docker/bin/post-start").code,
            code,
            "{what}: exit code"
        );
        assert_eq!(
            deployment.started_at("web"),
            before,
            "{what}: the old container"
        );
        deployment.set(
            property,
            if property == "project_name" {
                json!("running")
            } else {
                old
            },
        );
    }
    deployment.deploy_ok();
    assert_eq!(
        deployment.started_at("web"),
        before,
        "after the corrected deploy"
    );
}
