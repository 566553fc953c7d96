//! The local Docker daemon.

use docker_engine::ImageStore;
use engine_fixture::Dockerd;
use image_fixture::{Files, TestImage};

use crate::common::{Place, image};

fn load(dockerd: &Dockerd, image: &TestImage, name: &str) {
    let tarball = Files::old_archive(&[(image, &[name])]).tarball();
    dockerd
        .engine()
        .load(std::io::Cursor::new(tarball))
        .unwrap();
}

#[test]
fn freezes_an_image_of_a_real_daemon() {
    for store in [ImageStore::GraphDriver, ImageStore::Containerd] {
        let dockerd = Dockerd::start(store);
        load(&dockerd, &image(&[(1, 100_000), (2, 10)]), "team/app:1");
        let place = Place::new();
        let socket = format!("unix://{}", dockerd.socket().display());
        let freeze = |reference: &str| {
            let mut command = place.command(&["freeze", &format!("docker-daemon:{reference}")]);
            crate::common::Ran(command.env("DOCKER_HOST", &socket).output().unwrap())
        };
        let ran = freeze("team/app:1").good();
        assert!(
            ran.stdout().contains("added team/app:1"),
            "{}",
            ran.stdout()
        );
        assert!(place.lock().contains("source: docker-daemon"));
        place.assert_whole();
        let parts = place.root().join(".image-packager/parts");
        assert_eq!(
            std::fs::read_dir(parts).unwrap().count(),
            0,
            "the daemon's tarball is gone"
        );
        freeze("none:1").bad(1, &["has no image none:1"]);
    }
}

#[test]
fn says_what_to_do_when_there_is_no_daemon() {
    let place = Place::new();
    let with = |host: &str| {
        let mut command = place.command(&["freeze", "docker-daemon:redis:7"]);
        crate::common::Ran(command.env("DOCKER_HOST", host).output().unwrap())
    };
    with("unix:///nowhere/docker.sock").bad(1, &["there is no socket", "DOCKER_HOST=unix:///PATH"]);
    with("tcp://10.0.0.1:2375").bad(1, &["DOCKER_HOST is not a UNIX socket", "docker save"]);
}
