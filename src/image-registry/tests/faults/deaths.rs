//! `kill -9` while images are pushed and garbage is collected, and while the registry starts.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, SystemTime};

use crate::client::{CI, Registry, sha256};
use crate::observed::{assert_cleared, assert_whole, manifest, names};
use crate::random::Random;

/// Layers that pushes and the garbage have in common.
const SHARED: usize = 5;
const PUSHERS: usize = 3;

fn layer(number: usize) -> Vec<u8> {
    format!("layer {number}").repeat(20_000).into_bytes()
}

/// An image that was acknowledged: its repository, and the digests of its manifest and layer.
type Image = (String, String, String);

/// Asks a registry that may die meanwhile; whether it acknowledged, and what it said.
fn ask(address: SocketAddr, head: &str, body: &[u8], expected: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    let length = body.len();
    let head = format!(
        "{head}Host: x\r\nConnection: close\r\nAuthorization: {CI}\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.starts_with(expected).then_some(answer)
}

/// Pushes an image; nothing if the registry died on the way.
fn push(address: SocketAddr, repository: &str, number: usize) -> Option<Image> {
    let content = layer(number);
    let digest = sha256(&content);
    let uploads = format!("/v2/{repository}/blobs/uploads/");
    let answer = ask(
        address,
        &format!("POST {uploads} HTTP/1.1\r\n"),
        b"",
        "HTTP/1.1 202",
    )?;
    let upload = answer
        .lines()
        .find_map(|line| line.strip_prefix("location: "));
    let upload = upload.unwrap();
    let (first, rest) = content.split_at(content.len() / 2);
    ask(
        address,
        &format!("PATCH {upload} HTTP/1.1\r\n"),
        first,
        "HTTP/1.1 202",
    )?;
    let end = format!("PUT {upload}?digest={digest} HTTP/1.1\r\n");
    ask(address, &end, rest, "HTTP/1.1 201")?;
    let image = manifest(&digest, &[&digest]);
    let put = format!(
        "PUT /v2/{repository}/manifests/{number} HTTP/1.1\r\nContent-Type: {}\r\n",
        image["mediaType"].as_str().unwrap()
    );
    let bytes = image.to_string();
    ask(address, &put, bytes.as_bytes(), "HTTP/1.1 201")?;
    Some((repository.to_owned(), sha256(bytes.as_bytes()), digest))
}

fn push_until_it_dies(address: SocketAddr, repository: &str, told: &Sender<Image>) {
    for number in 0.. {
        // every second layer is one that lies there as garbage
        let number = if number % 2 == 0 {
            number / 2 % SHARED
        } else {
            100 + number
        };
        match push(address, repository, number) {
            Some(image) => told.send(image).unwrap(),
            None => return,
        }
    }
}

/// Content that nobody needs, and that is older than any grace period.
fn make_garbage(registry: &Registry, round: usize) {
    let long_ago = SystemTime::now() - Duration::from_hours(5);
    for number in (0..SHARED).chain([1000 + round, 2000 + round]) {
        let hex = registry
            .push_blob("garbage", &layer(number))
            .replace("sha256:", "");
        for path in [
            format!("repositories/garbage/_blobs/sha256/{hex}"),
            format!("blobs/sha256/{}/{hex}", &hex[..2]),
        ] {
            let file = File::options().write(true).open(registry.store(&path));
            file.unwrap().set_modified(long_ago).unwrap();
        }
    }
}

#[test]
fn kills_amid_pushes_and_collections_lose_nothing_that_was_acknowledged() {
    let mut registry = Registry::start();
    let mut random = Random::new(1);
    let (told, heard) = channel();
    let mut images: Vec<Image> = Vec::new();
    // a busy machine acknowledges fewer
    for round in 0..200 {
        images.extend(heard.try_iter());
        if round >= 20 && images.len() > 20 {
            break;
        }
        make_garbage(&registry, round);
        let (address, config) = (registry.address, registry.store("../config.json"));
        let pause = Duration::from_micros(u64::try_from(random.below(60_000)).unwrap());
        let threads: Vec<_> = (0..PUSHERS)
            .map(|pusher| {
                let (told, repository) = (told.clone(), format!("team/app{pusher}"));
                std::thread::spawn(move || push_until_it_dies(address, &repository, &told))
            })
            .collect();
        let collector = std::thread::spawn(move || {
            let mut collection = Command::new(env!("CARGO_BIN_EXE_image-registry"));
            collection.arg("--config").arg(config);
            collection.arg("collect-garbage").stdout(Stdio::null());
            while collection.stderr(Stdio::null()).status().unwrap().success() {}
        });
        std::thread::sleep(pause);
        registry.kill();
        for thread in threads.into_iter().chain([collector]) {
            thread.join().unwrap();
        }
        assert_whole(&registry);
        let half_written = names(&registry.store("tmp"));
        registry.die_and_start();
        assert_cleared(&registry, &half_written);
    }
    drop(told);
    images.extend(heard);
    assert!(images.len() > 20, "{}", images.len());
    images.sort();
    images.dedup();
    for (repository, digest, layer) in images {
        let manifest = registry.get(&format!("/v2/{repository}/manifests/{digest}"));
        assert_eq!(sha256(&manifest.assert(200).body), digest);
        let blob = registry.get(&format!("/v2/{repository}/blobs/{layer}"));
        assert_eq!(sha256(&blob.assert(200).body), layer);
    }
}

#[test]
fn kills_while_it_starts_do_no_harm() {
    let mut registry = Registry::start();
    let digest = registry.push_blob("app", b"x");
    registry.push_manifest("app", "1", &manifest(&digest, &[]));
    let upload = registry.begin("app");
    registry.ask("PATCH", &upload, &[], b"began").assert(202);
    registry.kill();
    let mut random = Random::new(2);
    for round in 0..40 {
        std::fs::write(registry.store(&format!("tmp/{round}")), "half written").unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_image-registry"))
            .arg("--config")
            .arg(registry.store("../config.json"))
            .arg("serve")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(
            u64::try_from(random.below(20_000)).unwrap(),
        ));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_whole(&registry);
    let half_written = names(&registry.store("tmp"));
    registry.die_and_start();
    assert_cleared(&registry, &half_written);
    registry.get("/v2/app/manifests/1").assert(200);
    assert_eq!(registry.get(&upload).assert(204).header("range"), "0-4");
    let end = format!("{upload}?digest={}", sha256(b"began"));
    registry.ask("PUT", &end, &[], b"").assert(201);
    assert_whole(&registry);
}
