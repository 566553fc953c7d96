use super::*;
use crate::fake::{FakeEngine, FakeReply, FakeRequest};

fn with<T>(
    handler: impl Fn(&FakeRequest) -> FakeReply + Send + Sync + 'static,
    call: impl FnOnce(&Engine) -> T,
) -> (T, Vec<FakeRequest>) {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("docker.sock");
    let fake = FakeEngine::start(&socket, handler);
    let outcome = call(&Engine::new(&socket));
    let mut seen = fake.seen();
    seen.retain(|request| request.path != "/_ping");
    (outcome, seen)
}

#[test]
fn an_image_that_is_not_there_is_no_error() {
    let (found, _) = with(
        |_| FakeReply::error(404, "No such image: x:1"),
        |engine| engine.inspect_image("x:1"),
    );
    assert!(found.unwrap().is_none());
    let (found, _) = with(
        |_| FakeReply::error(500, "broken"),
        |engine| engine.inspect_image("x:1"),
    );
    assert_eq!(found.unwrap_err().status(), Some(500));
}

#[test]
fn an_image_without_a_history_has_an_empty_one() {
    let (history, seen) = with(
        |_| FakeReply::json("null"),
        |engine| engine.image_history("x:1"),
    );
    assert!(history.unwrap().unwrap().is_empty());
    assert_eq!(seen[0].path, "/images/x:1/history");
    let (history, _) = with(
        |_| FakeReply::json(r#"[{"Id":"sha256:1","Tags":["x:1"]},{"Id":"<missing>","Tags":null}]"#),
        |engine| engine.image_history("x:1"),
    );
    assert_eq!(history.unwrap().unwrap()[0].tags, ["x:1"]);
    let (history, _) = with(
        |_| FakeReply::error(404, "no"),
        |engine| engine.image_history("x:1"),
    );
    assert!(history.unwrap().is_none());
}

#[test]
fn a_name_with_a_registry_stays_one_name_in_the_path() {
    let (found, seen) = with(
        |_| FakeReply::json(r#"{"Id":"sha256:1","RepoTags":null}"#),
        |engine| engine.inspect_image("host:5000/a/b:1"),
    );
    assert_eq!(found.unwrap().unwrap().repo_tags, Vec::<String>::new());
    assert_eq!(seen[0].path, "/images/host:5000/a/b:1/json");
}

#[test]
fn a_tag_is_set_by_repository_and_tag() {
    let (tagged, seen) = with(
        |_| FakeReply::new(201, ""),
        |engine| engine.tag("sha256:1", "docker.io/library/x", "1"),
    );
    tagged.unwrap();
    assert_eq!(
        (seen[0].path.as_str(), seen[0].query.as_str()),
        ("/images/sha256:1/tag", "repo=docker.io%2Flibrary%2Fx&tag=1")
    );
}

#[test]
fn an_image_is_complete_when_it_is_available_and_unpacked_for_the_platform() {
    let summary = |available: bool, unpacked: i64, architecture: &str| {
        let manifest = serde_json::json!({
            "ID": "sha256:2", "Available": available, "Kind": "image",
            "ImageData": {"Platform": {"os": "linux", "architecture": architecture}, "Size": {"Unpacked": unpacked}},
        });
        let summary = serde_json::json!({"Id": "sha256:1", "Manifests": [manifest]});
        serde_json::from_value::<ImageSummary>(summary).unwrap()
    };
    let complete = |summary: ImageSummary| summary.is_complete_for("linux", "amd64");
    assert!(complete(summary(true, 5, "amd64")));
    assert!(!complete(summary(false, 5, "amd64")));
    assert!(!complete(summary(true, 0, "amd64")));
    assert!(!complete(summary(true, 5, "arm64")));
    let none: ImageSummary = serde_json::from_str(r#"{"Id":"sha256:1","Manifests":null}"#).unwrap();
    assert!(!complete(none));
}

#[test]
fn an_engine_before_27_is_not_asked_for_manifests() {
    let (listed, seen) = with(|_| FakeReply::json("[]"), Engine::image_manifests);
    assert!(listed.unwrap().is_none() && seen.is_empty());
}

#[test]
fn a_trial_is_removed_with_its_volumes_also_one_that_was_left() {
    // The fake asks its handler twice for a request with a body.
    let tries = std::sync::atomic::AtomicUsize::new(0);
    let (outcome, seen) = with(
        move |request| match request.method.as_str() {
            "POST" if tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2 => {
                FakeReply::error(409, "Conflict. The container name is already in use")
            }
            "POST" => FakeReply::new(201, r#"{"Id":"new"}"#),
            _ => FakeReply::raw(b"HTTP/1.1 204 x\r\n\r\n"),
        },
        |engine| engine.try_image("sha256:0123456789abcdef"),
    );
    outcome.unwrap();
    let calls: Vec<_> = seen
        .iter()
        .map(|request| format!("{} {}?{}", request.method, request.path, request.query))
        .collect();
    assert_eq!(
        calls,
        [
            "POST /containers/create?name=image-importer-trial-0123456789ab",
            "DELETE /containers/image-importer-trial-0123456789ab?force=1&v=1",
            "POST /containers/create?name=image-importer-trial-0123456789ab",
            "DELETE /containers/new?force=1&v=1",
        ]
    );
}
