//! Coming from the `containers` release of shell scripts: its data root, its dockerd's options, and containers, volumes and a
//! network with the names and labels that docker-compose 1.29.2 gave them (recorded from it).

use std::time::Duration;

use release_tests::{Deployment, wait_until};
use serde_json::json;

/// Starts dockerd as the shell release did, and makes what its `docker-compose up` made of [`RECIPE`], with a service `old` that the
/// recipe has lost since. Then dockerd dies, after which that release's stop gave up: containers run on, and nobody looks after them.
const STATE: &str = r#"
set -e
. /var/vcap/jobs/docker/envrc
RUN_DIR=/var/vcap/sys/run/docker JOB_DIR=/var/vcap/jobs/docker
PATH=/var/vcap/packages/docker/bin:$PATH setsid dockerd --pidfile $RUN_DIR/docker.pid --group vcap --data-root /var/vcap/store/docker \
  --host unix://$RUN_DIR/docker.sock </dev/null >/var/vcap/sys/log/docker/shell.log 2>&1 &
for n in $(seq 300); do docker version >/dev/null 2>&1 && break; sleep 0.1; done
project=com.docker.compose.project
v1="--label $project=running --label com.docker.compose.version=1.29.2"
docker network create --attachable $v1 --label com.docker.compose.network=default running_default
docker volume create $v1 --label com.docker.compose.volume=data running_data
mkdir -p $JOB_DIR/etc/running/conf
echo of the shell release >$JOB_DIR/etc/running/conf/x
service() {
  name=$1; shift
  docker run -d --name running_${name}_1 --restart always --network running_default --network-alias $name $v1 \
    --label com.docker.compose.config-hash=bf2fd03f893d27712a26ca0e0140c345fff8a893758b5904751d3d9f15cce69f \
    --label com.docker.compose.container-number=1 --label com.docker.compose.oneoff=False --label com.docker.compose.service=$name \
    --label $project.config_files=docker-compose.yml --label $project.working_dir=$JOB_DIR/etc/running "$@" fixture/busybox:1 sleep 1000000
}
service db -e 'PASSWORD=pa$word' -v running_data:/data:rw -v /anonymous -v $JOB_DIR/etc/running/conf:/conf:rw
service web -p 8080:80
service old
docker exec running_db_1 sh -c 'echo precious >/data/x; echo dear >/anonymous/x; sync'
docker network inspect --format '{{.Id}}' running_default >/var/vcap/store/network
kill -9 $(cat $RUN_DIR/docker.pid)
"#;

/// The recipe, as people wrote it then.
const RECIPE: &str = r#"version: "3"
services:
  db:
    image: fixture/busybox:1
    restart: always
    init: true
    command: [sleep, "1000000"]
    environment: {PASSWORD: "pa$$word"}
    volumes: ["data:/data", "/anonymous", "$PWD/conf:/conf"]
  web:
    image: fixture/busybox:1
    restart: always
    init: true
    command: [sleep, "1000000"]
    depends_on: [db]
    ports: ["8080:80"]
volumes:
  data: {}
"#;

#[test]
fn containers_of_compose_v1_are_replaced_and_their_data_stays() {
    // the only store that the shell release had
    let mut deployment = Deployment::new("e2e-shell")
        .persistent_disk(512)
        .property("image_store", json!("graphdriver"));
    deployment.deploy_ok();
    deployment.ssh("monit stop docker").ok();
    wait_until("docker is stopped", Duration::from_mins(1), || {
        deployment.ssh("pidof dockerd containerd docker-ctl").code != 0
    });
    deployment.ssh(STATE).ok();
    let sleepers = "pidof sleep | wc -w";
    assert_eq!(deployment.ssh(sleepers).ok(), "3", "all outlive dockerd");

    deployment.set("recipe", json!(RECIPE));
    deployment.set("files", json!({"conf/x": "of this release"}));
    deployment.deploy_ok();
    let mut names: Vec<String> = deployment
        .docker("ps --all --format '{{.Names}}'")
        .ok()
        .lines()
        .map(str::to_owned)
        .collect();
    names.sort();
    assert_eq!(names, ["running-db-1", "running-web-1"]);
    assert_eq!(deployment.ssh(sleepers).ok(), "2", "nothing runs twice");
    let read = "exec running-db-1 sh -c 'cat /data/x /anonymous/x /conf/x; echo; echo $PASSWORD'";
    let kept = "precious\ndear\nof this release\npa$word";
    assert_eq!(deployment.docker(read).ok(), kept);
    assert_eq!(
        deployment
            .docker("network inspect --format '{{.Id}}' running_default")
            .ok(),
        deployment.read("/var/vcap/store/network")
    );
    let log = deployment.read("/var/vcap/sys/log/docker/docker-ctl.log");
    assert!(log.contains("to avoid running twice"), "{log}");

    deployment.solo(&["recreate"]).ok();
    assert_eq!(deployment.docker(read).ok(), kept, "after a recreate");
}
