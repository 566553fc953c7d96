//! `image-registry verify`: what is damaged is named, whatever it is.

use serde_json::json;

use crate::client::{Registry, sha256};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

#[test]
fn every_kind_of_damage_is_named_and_a_whole_store_has_none() {
    let registry = Registry::start();
    let blob = registry.push_blob("team/app", b"{}");
    let about = json!({"mediaType": IMAGE, "digest": sha256(b"subject"), "size": 7});
    let manifest = json!({"schemaVersion": 2, "mediaType": IMAGE, "layers": [], "subject": about,
        "config": {"mediaType": "x/y", "digest": blob, "size": 2}});
    let digest = registry.push_manifest("team/app", "1", &manifest);
    let whole = registry.verify();
    assert_eq!((whole.0, whole.1.lines().count()), (0, 1), "{}", whole.1);
    assert!(
        whole.1.contains("2 blobs") && whole.1.contains("1 manifests, 1 tags, 0 faults"),
        "{}",
        whole.1
    );

    let hex = |digest: &str| digest.replace("sha256:", "");
    let content = |digest: &str| format!("blobs/sha256/{}/{}", &hex(digest)[..2], hex(digest));
    let in_repository = |kind: &str, name: &str| format!("repositories/team/app/{kind}/{name}");
    let manifest_link = in_repository("_manifests/sha256", &hex(&digest));
    let referrer = in_repository(
        &format!("_referrers/sha256/{}/sha256", hex(&sha256(b"subject"))),
        &hex(&digest),
    );
    for (path, damage, named) in [
        (
            content(&blob),
            Some("{ }"),
            format!(
                "blob {blob}: damaged, its bytes have the digest {}",
                sha256(b"{ }")
            ),
        ),
        (
            content(&blob),
            None,
            format!("team/app: a blob is {blob}, which is not there"),
        ),
        (
            content(&digest),
            None,
            format!("team/app: a manifest is {digest}, which is not there"),
        ),
        (
            content(&digest),
            Some("{}"),
            format!("team/app: manifest {digest} cannot be read"),
        ),
        (
            manifest_link,
            None,
            format!("team/app: tag 1 is {digest}, which is not there"),
        ),
        (
            in_repository("_tags", "1"),
            Some("sha256:1"),
            "team/app: tag 1 cannot be read".to_owned(),
        ),
        (
            referrer,
            None,
            format!(
                "team/app: that manifest {digest} is about {} cannot be read",
                sha256(b"subject")
            ),
        ),
        (
            "blobs/sha256/00/stray".to_owned(),
            Some("x"),
            "blobs/sha256/00/stray: no blob has this place".to_owned(),
        ),
    ] {
        let file = registry.store(&path);
        let before = std::fs::read(&file).ok();
        match damage {
            Some(bytes) => {
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(&file, bytes).unwrap();
            }
            None => std::fs::remove_file(&file).unwrap(),
        }
        let (code, said) = registry.verify();
        assert_eq!(code, 4, "{path}: {said}");
        assert!(said.lines().any(|line| line == named), "{path}: {said}");
        match before {
            Some(bytes) => std::fs::write(&file, bytes).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
    }
    assert_eq!(registry.verify().0, 0);

    // what the hint says
    std::fs::remove_file(registry.store(&content(&blob))).unwrap();
    let path = format!("/v2/team/app/blobs/{blob}");
    registry.ask("HEAD", &path, &[], b"").assert(404);
    registry.push_blob("team/app", b"{}");
    assert_eq!(registry.verify().0, 0);
}
