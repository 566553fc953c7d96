//! A registry that is killed: what it acknowledged is there, and an upload goes on from where it stood.

use serde_json::json;

use crate::client::{Registry, sha256};

#[test]
fn what_was_acknowledged_is_there_and_an_upload_goes_on_after_a_kill() {
    let mut registry = Registry::start();
    let config = registry.push_blob("app", b"{}");
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": {"mediaType": "x/y", "digest": config, "size": 2}, "layers": []});
    let digest = registry.push_manifest("app", "1", &manifest);
    let content: Vec<u8> = (0..3_000_000_u32).map(|at| at.to_le_bytes()[0]).collect();
    let upload = registry.begin("app");
    registry
        .ask("PATCH", &upload, &[], &content[..1_000_000])
        .assert(202);
    std::fs::write(registry.store("tmp/half-written"), b"x").unwrap();
    registry.die_and_start();

    assert_eq!(
        registry
            .get("/v2/app/manifests/1")
            .assert(200)
            .header("docker-content-digest"),
        digest
    );
    assert_eq!(
        registry
            .get(&format!("/v2/app/blobs/{config}"))
            .assert(200)
            .body,
        b"{}"
    );
    assert!(!registry.store("tmp/half-written").exists());
    assert_eq!(
        registry.get(&upload).assert(204).header("range"),
        "0-999999"
    );
    registry
        .ask(
            "PATCH",
            &upload,
            &[("Content-Range", "1000000-1999999")],
            &content[1_000_000..2_000_000],
        )
        .assert(202);
    let blob = sha256(&content);
    registry
        .ask(
            "PUT",
            &format!("{upload}?digest={blob}"),
            &[],
            &content[2_000_000..],
        )
        .assert(201);
    assert!(registry.get(&format!("/v2/app/blobs/{blob}")).body == content);
}

#[test]
fn an_upload_to_which_nothing_came_for_a_day_is_forgotten_at_the_next_start() {
    let mut registry = Registry::start();
    let (old, new) = (registry.begin("app"), registry.begin("app"));
    let data = |upload: &str| {
        let id = upload.rsplit('/').next().unwrap();
        registry.store(&format!("uploads/{id}/data"))
    };
    let hours = std::time::Duration::from_hours;
    for (upload, ago) in [(&old, hours(25)), (&new, hours(23))] {
        let file = std::fs::File::options()
            .write(true)
            .open(data(upload))
            .unwrap();
        file.set_modified(std::time::SystemTime::now() - ago)
            .unwrap();
    }
    let (old_data, new_data) = (data(&old), data(&new));
    registry.die_and_start();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while old_data.exists() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    registry.get(&old).assert(404);
    registry.get(&new).assert(204);
    assert!(new_data.exists() && !old_data.exists());
}

#[test]
fn kills_in_the_middle_of_pushes_lose_nothing_that_was_acknowledged() {
    let mut registry = Registry::start();
    let mut acknowledged = Vec::new();
    for round in 0..10_u32 {
        let (told, heard) = std::sync::mpsc::channel();
        let address = registry.address;
        let pusher = std::thread::spawn(move || {
            for number in 0..u32::MAX {
                let content = format!("{round} {number}").repeat(20_000);
                let digest = sha256(content.as_bytes());
                let path = format!("/v2/app/blobs/uploads/?digest={digest}");
                if !pushed(address, &path, content.as_bytes()) {
                    return;
                }
                let _ = told.send(digest);
            }
        });
        // somewhere in the push after some that were acknowledged
        let some = (round % 3 + 1) as usize;
        acknowledged.extend(heard.iter().take(some));
        std::thread::sleep(std::time::Duration::from_millis(u64::from(round) * 3));
        registry.die_and_start();
        pusher.join().unwrap();
        acknowledged.extend(heard);
    }
    assert!(acknowledged.len() >= 10, "{}", acknowledged.len());
    for digest in acknowledged {
        let blob = registry.get(&format!("/v2/app/blobs/{digest}"));
        assert_eq!(sha256(&blob.assert(200).body), digest);
    }
    let (code, said) = registry.verify();
    assert_eq!(code, 0, "{said}");
}

/// Whether a push was acknowledged, by a registry that may die meanwhile.
fn pushed(address: std::net::SocketAddr, path: &str, content: &[u8]) -> bool {
    use std::io::{Read as _, Write as _};
    let Ok(mut stream) = std::net::TcpStream::connect(address) else {
        return false;
    };
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {}\r\nContent-Length: {}\r\n\r\n",
        crate::client::CI,
        content.len()
    );
    let mut answer = String::new();
    stream.write_all(head.as_bytes()).is_ok()
        && stream.write_all(content).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 201")
}
