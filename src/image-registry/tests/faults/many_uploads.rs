//! Uploads that are begun and left: so many for each login, and none in another one's reach.

use serde_json::json;

use crate::client::{CI, Registry, sha256};
use crate::observed::{assert_whole, most_resident, names};

const DAVE: &str = "Basic ZGF2ZTpzM2NyZXQ=";
const MOST: usize = 1000;

#[test]
fn ten_thousand_uploads_are_bounded_by_login_and_hold_nobody_else_back() {
    let rights = json!([{"rights": ["pull", "push"]}]);
    let mut registry = Registry::with(json!({"users": [
        {"name": "ci", "password": "hunter2", "grants": rights},
        {"name": "dave", "password": "s3cret", "grants": rights},
    ]}));
    let open = |registry: &Registry, login| {
        let headers = [("Authorization", login)];
        registry.ask_as_it_is("POST", "/v2/app/blobs/uploads/", &headers, b"")
    };
    let begun: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut begun = Vec::new();
                    for _ in 0..10_000 / 8 {
                        let answer = open(&registry, CI);
                        if answer.status == 202 {
                            begun.push(answer.header("location").to_owned());
                            continue;
                        }
                        assert_eq!(answer.assert(429).code(), "TOOMANYREQUESTS");
                        let text = String::from_utf8_lossy(&answer.body);
                        assert!(text.contains("1000 uploads open"), "{text}");
                    }
                    begun
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(begun.len(), MOST);
    assert_eq!(names(&registry.store("uploads")).len(), MOST);
    let resident = most_resident(&mut registry);
    assert!(resident < 64 << 20, "{resident}");

    let dave = [("Authorization", DAVE)];
    let digest = sha256(b"dave's");
    let whole = format!("/v2/app/blobs/uploads/?digest={digest}");
    let pushed = registry.ask_as_it_is("POST", &whole, &dave, b"dave's");
    pushed.assert(201);
    for method in ["GET", "PATCH", "DELETE"] {
        let others = registry.ask_as_it_is(method, &begun[0], &dave, b"x");
        assert_eq!(others.assert(404).code(), "BLOB_UPLOAD_UNKNOWN", "{method}");
    }

    registry.die_and_start();
    open(&registry, CI).assert(429);
    registry.ask("POST", &whole, &[], b"dave's").assert(429);
    registry
        .ask_as_it_is("DELETE", &begun[1], &dave, b"")
        .assert(404);
    registry.ask("DELETE", &begun[1], &[], b"").assert(204);
    open(&registry, CI).assert(202);
    open(&registry, CI).assert(429);
    registry.get(&begun[0]).assert(204);
    assert_whole(&registry);
}
