//! Images of colocated jobs, imported without any registry.

use release_tests::Deployment;
use serde_json::json;

use crate::sleepers;

#[test]
fn images_are_imported_without_a_recipe_and_docker_works_after_ssh() {
    let deployment = Deployment::new("e2e-import").images(&["busybox", "redis", "postgres"]);
    deployment.deploy_ok();
    assert_eq!(
        deployment
            .solo(&["instances", "--ps"])
            .ok()
            .matches("compose")
            .count(),
        0,
        "no recipe, no compose process"
    );
    let images = deployment
        .docker("images --format '{{.Repository}}:{{.Tag}}' | sort")
        .ok();
    assert_eq!(
        images,
        "fixture/busybox:1\nfixture/postgres:1\nfixture/redis:1"
    );
    assert_eq!(
        deployment
            .docker("run --rm --network none fixture/busybox:1 echo it runs")
            .ok(),
        "it runs"
    );
    assert_eq!(
        deployment
            .docker("load < /var/vcap/packages/postgres-image/postgres.tgz")
            .ok(),
        "Loaded image: fixture/postgres:1"
    );
    let engine = deployment
        .docker("version --format '{{.Server.Version}}'")
        .ok();
    let told = deployment
        .ssh(". /var/vcap/jobs/docker/envrc && docker compose version && docker-ctl status")
        .ok();
    assert!(
        told.contains("Docker Compose version") && told.contains(&engine),
        "{engine}: {told}"
    );
    assert_ne!(
        deployment.docker("pull busybox").code,
        0,
        "no registry is in reach"
    );
}

#[test]
fn a_corrupt_image_fails_the_deploy_before_the_engine_sees_it_and_the_rest_comes_up() {
    let deployment = Deployment::new("e2e-corrupt")
        .recipe(sleepers(&["web"]))
        .images(&["busybox", "redis"]);
    deployment.deploy_ok();
    deployment.ssh("set -e; monit stop compose; . /var/vcap/jobs/docker/envrc; docker rmi fixture/redis:1; cd $(readlink -f /var/vcap/packages/redis-image)/layout/blobs/sha256; f=$(ls -S | head -1); printf X | dd of=$f bs=1 seek=100000 conv=notrunc").ok();
    let outcome = deployment.solo(&["restart"]);
    assert_ne!(outcome.code, 0);
    let text = outcome.text();
    assert!(
        text.contains("fixture/redis:1") && text.contains("blobs/sha256/"),
        "{text}\n{}",
        deployment.logs()
    );
    assert_eq!(
        deployment.ssh("/var/vcap/jobs/docker/bin/post-start").code,
        4
    );
    assert_ne!(
        deployment.docker("image inspect fixture/redis:1").code,
        0,
        "the engine has the corrupt image"
    );
    assert!(
        deployment.started_at("web").contains("true"),
        "the recipe does not need that image"
    );
}

#[test]
fn both_image_stores_run_the_recipe_where_the_engine_has_both() {
    let mut deployment = Deployment::new("e2e-store")
        .recipe(sleepers(&["web"]))
        .property("image_store", json!("graphdriver"));
    deployment.deploy_ok();
    assert_eq!(
        deployment.docker("info --format '{{.Driver}}'").ok(),
        "overlay2"
    );
    let before = deployment.started_at("web");

    let version = deployment
        .docker("version --format '{{.Server.Version}}'")
        .ok();
    deployment.set("image_store", json!("containerd"));
    if version.starts_with("20.") {
        let text = deployment.deploy().text();
        assert!(
            text.contains("image_store") && text.contains("20.10"),
            "{text}"
        );
        assert_eq!(
            deployment.ssh("/var/vcap/jobs/docker/bin/post-start").code,
            2
        );
        return;
    }
    deployment.deploy_ok();
    let status = deployment.docker("info --format '{{.DriverStatus}}'").ok();
    assert!(status.contains("io.containerd.snapshotter"), "{status}");
    assert_ne!(
        deployment.started_at("web"),
        before,
        "a container cannot be carried over to another image store"
    );
}
