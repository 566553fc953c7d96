//! Registries: what is fetched, what is not fetched again, and who is let in.

use image_fixture::{Files, Packing};
use registry_fixture::{Options, Registry};

use crate::common::{INDEX, MANIFEST, Place, Ran, image, push, push_files};

#[test]
fn a_layer_of_several_images_is_fetched_once() {
    let registry = Registry::start();
    let base = (1, 500_000);
    push(
        &registry,
        &image(&[base, (2, 1000)]),
        "team/one:1",
        Packing::Gzip,
    );
    push(
        &registry,
        &image(&[base, (3, 1000)]),
        "team/two:1",
        Packing::Gzip,
    );
    let place = Place::new();
    let reference = |name: &str| format!("{}/team/{name}:1", registry.address());
    let report = place.json(&["freeze", &reference("one"), &reference("two")]);
    assert_eq!(report["fetched"]["layers"], 3, "{report:#}");
    assert_eq!(report["images"].as_array().unwrap().len(), 2);
    assert_eq!(report["failed"].as_array().unwrap().len(), 0);
    let requests = registry.requests();
    let large = requests
        .iter()
        .filter(|request| request.method == "GET" && request.bytes > 400_000);
    assert_eq!(large.count(), 1, "{requests:?}");
    place.assert_whole();
}

#[test]
fn an_unchanged_image_costs_one_question_and_no_layer() {
    let registry = Registry::start();
    let pushed = push(
        &registry,
        &image(&[(1, 100_000)]),
        "team/app:1",
        Packing::Gzip,
    );
    let by_digest = format!("{}/team/app@{}", registry.address(), pushed.digest);
    let place = Place::new();
    place.run(&["freeze", &pushed.reference, &by_digest]).good();
    let (lock, before) = (place.tree(), registry.requests().len());
    let ran = place.run(&["freeze", &pushed.reference, &by_digest]).good();
    assert!(
        ran.stdout().contains("the release is as it was"),
        "{}",
        ran.stdout()
    );
    assert_eq!(place.tree(), lock);
    let requests = registry.requests();
    let more: Vec<_> = requests[before..]
        .iter()
        .filter(|request| request.path != "/v2/")
        .collect();
    assert_eq!(more.len(), 1, "none for the digest: {more:?}");
    assert_eq!(more[0].method, "HEAD");
}

#[test]
fn the_index_is_kept_so_that_its_digest_holds() {
    let registry = Registry::start();
    let image = image(&[(1, 1000)]);
    let files = Files::layout(&image, &["x:1"], Packing::Gzip, false);
    let own = files.target();
    let manifest = files
        .get(&format!("blobs/{}", own.replace(':', "/")))
        .to_vec();
    push_files(&registry, &files, "team/app:other", MANIFEST, &own);
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [{
        "mediaType": MANIFEST, "digest": own, "size": manifest.len(), "platform": {"os": "linux", "architecture": "amd64"},
    }]});
    let pushed = registry.push_manifest("team/app", "1", INDEX, index.to_string().as_bytes());
    let place = Place::new();
    let ran = place.run(&["freeze", &pushed.reference]).good();
    assert!(ran.stdout().contains(&pushed.digest), "{}", ran.stdout());
    assert!(place.lock().contains(&format!("digest: {}", pushed.digest)));
    assert!(place.lock().contains(&format!("manifest: {own}")));
    place.assert_whole();
}

#[test]
fn a_failed_image_does_not_stop_the_others_and_the_release_changes_only_when_told() {
    let registry = Registry::start();
    let good = push(
        &registry,
        &image(&[(1, 100_000)]),
        "team/good:1",
        Packing::Gzip,
    )
    .reference;
    let bad = format!("{}/team/none:1", registry.address());
    let worse = format!("{}/team/none:2", registry.address());
    let place = Place::new();
    let before = place.tree();
    let ran = place.run(&["freeze", &bad, &good, &worse]);
    ran.bad(
        1,
        &[
            "error: 2 images were not frozen",
            "team/none:1",
            "team/none:2",
            "the release is as it was",
        ],
    );
    assert_eq!(place.tree(), before);

    let fetched = registry.requests().len();
    let report = place.json(&["freeze", &bad, &good, &worse, "--keep-going"]);
    assert_eq!(report["failed"].as_array().unwrap().len(), 2, "{report:#}");
    assert!(report["failed"][0]["hint"].is_string());
    assert_eq!(report["images"][0]["change"], "added");
    assert_eq!(
        report["fetched"]["layers"], 0,
        "its layer came the first time"
    );
    let requests = registry.requests();
    assert!(
        requests[fetched..]
            .iter()
            .all(|request| request.bytes < 50_000),
        "{requests:?}"
    );
    place.assert_whole();
}

#[test]
fn a_password_and_an_authority_are_given_by_flags() {
    let registry = Registry::start_with(Options::default().tls().account("anna", "hunter2-secret"));
    let reference = push(&registry, &image(&[(1, 1000)]), "team/app:1", Packing::Gzip).reference;
    let place = Place::new();
    let ca = registry.ca_file().display().to_string();
    let freeze = |password: &str| {
        let arguments = [
            "freeze",
            &reference,
            "--ca",
            &ca,
            "--username",
            "anna",
            "--password-stdin",
        ];
        let input = place.file("password", password);
        let mut command = place.command(&arguments);
        Ran(command
            .stdin(std::fs::File::open(input).unwrap())
            .output()
            .unwrap())
    };
    place
        .run(&["freeze", &reference, "--ca", &ca])
        .bad(1, &["refused access"]);
    let wrong = freeze("wrong-secret\n").bad(1, &["refused access"]);
    assert!(!wrong.stderr().contains("wrong-secret"));
    freeze("").bad(2, &["standard input holds no password"]);
    let good = freeze("hunter2-secret\n").good();
    assert!(!format!("{}{}{}", good.stdout(), good.stderr(), place.lock()).contains("hunter2"));
    place.assert_whole();
}

#[test]
fn a_mirror_is_asked_first() {
    let registry = Registry::start();
    push(
        &registry,
        &image(&[(1, 1000)]),
        "library/redis:7",
        Packing::Gzip,
    );
    let place = Place::new();
    let mirror = format!("docker.io={}", registry.url());
    place
        .run(&["freeze", "redis:7", "--mirror", &mirror])
        .good();
    assert!(place.lock().contains("reference: redis:7"));
    place.assert_whole();
}
