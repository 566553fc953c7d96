//! Blobs: pushed at once, in pieces, as a stream, out of another repository.

use crate::client::{Registry, sha256, sha512};

fn content(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect()
}

#[test]
fn a_blob_is_pushed_at_once_or_after_it_is_announced_with_either_algorithm() {
    let registry = Registry::start();
    for (name, digest) in [("a", sha256 as fn(&[u8]) -> String), ("b", sha512)] {
        for content in [&content(5000)[..], b"", b"{}"] {
            let digest = digest(content);
            let at_once = format!("/v2/{name}/blobs/uploads/?digest={digest}");
            let answer = registry.ask("POST", &at_once, &[], content);
            answer.assert(201);
            assert_eq!(
                answer.header("location"),
                format!("/v2/{name}/blobs/{digest}")
            );
            assert_eq!(answer.header("docker-content-digest"), digest);

            let upload = registry.begin(&format!("{name}/announced"));
            let answer = registry.ask("PUT", &format!("{upload}?digest={digest}"), &[], content);
            answer.assert(201);
            let blob = registry.get(answer.header("location"));
            assert_eq!(blob.assert(200).body, content);
        }
    }
}

#[test]
fn pieces_come_in_their_order_and_the_registry_says_where_it_stands() {
    let registry = Registry::start();
    let content = content(3000);
    let digest = sha256(&content);
    for last_with_put in [false, true] {
        let upload = registry.begin("app");
        let first = registry.ask(
            "PATCH",
            &upload,
            &[("Content-Range", "0-999")],
            &content[..1000],
        );
        assert_eq!(first.assert(202).header("range"), "0-999");
        for out_of_order in ["2000-2999", "0-999", "999-1998", "nonsense"] {
            let refused = registry.ask(
                "PATCH",
                &upload,
                &[("Content-Range", out_of_order)],
                &content[..1000],
            );
            refused.assert(416);
            assert_eq!(
                (refused.header("range"), refused.header("location")),
                ("0-999", upload.as_str())
            );
        }
        registry
            .ask(
                "PATCH",
                &upload,
                &[("Content-Range", "1000-1999")],
                b"short",
            )
            .assert(400);
        let stands = registry.get(&upload);
        assert_eq!(stands.assert(204).header("range"), "0-999");
        let finish = format!("{upload}?digest={digest}");
        if last_with_put {
            registry
                .ask(
                    "PUT",
                    &finish,
                    &[("Content-Range", "1000-2999")],
                    &content[1000..],
                )
                .assert(201);
        } else {
            registry
                .ask(
                    "PATCH",
                    &upload,
                    &[("Content-Range", "1000-2999")],
                    &content[1000..],
                )
                .assert(202);
            registry.ask("PUT", &finish, &[], b"").assert(201);
        }
        assert_eq!(
            registry.get(&format!("/v2/app/blobs/{digest}")).body,
            content
        );
        registry.get(&upload).assert(404);
    }
}

#[test]
fn what_does_not_have_its_digest_is_refused_and_gone() {
    let registry = Registry::start();
    for digest in [sha256(b"other"), sha512(b"other")] {
        let at_once = format!("/v2/app/blobs/uploads/?digest={digest}");
        let answer = registry.ask("POST", &at_once, &[], b"content");
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "DIGEST_INVALID")
        );
        let upload = registry.begin("app");
        registry.ask("PATCH", &upload, &[], b"content").assert(202);
        let answer = registry.ask("PUT", &format!("{upload}?digest={digest}"), &[], b"");
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "DIGEST_INVALID")
        );
        registry.get(&upload).assert(404);
        registry.get(&format!("/v2/app/blobs/{digest}")).assert(404);
    }
    assert_eq!(
        std::fs::read_dir(registry.store("uploads"))
            .unwrap()
            .count(),
        0
    );
    let upload = registry.begin("app");
    registry.ask("PUT", &upload, &[], b"content").assert(400);
    registry.ask("DELETE", &upload, &[], b"").assert(204);
    registry.ask("DELETE", &upload, &[], b"").assert(404);
}

#[test]
fn a_blob_is_mounted_from_a_repository_that_has_it_and_else_uploaded() {
    let registry = Registry::start();
    let digest = registry.push_blob("source", b"content");
    let mounted = |into: &str, from: &str| {
        let path = format!("/v2/{into}/blobs/uploads/?mount={digest}{from}");
        registry.ask("POST", &path, &[], b"")
    };
    assert_eq!(
        mounted("a", "&from=source")
            .assert(201)
            .header("docker-content-digest"),
        digest
    );
    mounted("b", "").assert(201);
    for name in ["a", "b"] {
        assert_eq!(
            registry.get(&format!("/v2/{name}/blobs/{digest}")).body,
            b"content"
        );
    }
    let upload = mounted("c", "&from=other");
    assert!(
        upload
            .assert(202)
            .header("location")
            .starts_with("/v2/c/blobs/uploads/")
    );
    mounted("c", "&from=../source").assert(400);
    registry
        .ask("DELETE", &format!("/v2/source/blobs/{digest}"), &[], b"")
        .assert(202);
    assert_eq!(
        registry.get(&format!("/v2/a/blobs/{digest}")).body,
        b"content"
    );
    registry
        .get(&format!("/v2/source/blobs/{digest}"))
        .assert(404);
    registry
        .ask("DELETE", &format!("/v2/source/blobs/{digest}"), &[], b"")
        .assert(404);
}
