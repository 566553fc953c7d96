//! A few of all kinds, in one deployment: for every run of `ci/test`.

use release_tests::Deployment;

use crate::scene::Scene;
use crate::{deaths, full_disk, hung};

#[test]
fn deaths_a_daemon_that_hangs_and_a_full_disk_lose_nothing() {
    let scene = Scene::of(
        Deployment::new("faults-few")
            .images(&["busybox", "redis"])
            .persistent_disk(512),
    );
    deaths::a_few(&scene);
    hung::programs_end_in_time(&scene);
    full_disk::at_an_import(&scene);
}
