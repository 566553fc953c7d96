//! How another registry is reached: logins, tokens, certificates, a proxy; and who never learns of them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::client::{Registry, sha256};
use crate::upstream::{Action, Upstream, mirror};

const ROOMY: &str = "10M";
/// `us:pass`.
const US: &str = "Basic dXM6cGFzcw==";

#[test]
fn a_login_is_given_where_it_is_asked_for_and_to_nobody_else() {
    let elsewhere = Upstream::serving();
    let upstream = Upstream::serving();
    let digest = upstream.blob("a", b"content");
    elsewhere.put("/far", "application/octet-stream", b"content");
    let far = format!("{}/far", elsewhere.url());
    upstream.script(move |asked| match asked.headers.get("authorization") {
        Some(login) if login == US => Action::Status(307, vec![("Location", far.clone())]),
        _ => Action::Status(
            401,
            vec![("WWW-Authenticate", "Basic realm=\"x\"".to_owned())],
        ),
    });
    let registry = mirror(
        &upstream.url(),
        json!({"max_size": ROOMY}),
        json!({"username": "us", "password": "pass"}),
    );
    let path = format!("/v2/docker.io/a/blobs/{digest}");
    assert_eq!(registry.get(&path).assert(200).body, b"content");
    let far = elsewhere.asked();
    assert!(
        far.len() == 1 && !far[0].headers.contains_key("authorization"),
        "{far:?}"
    );
    // the client's own login stays here
    assert!(upstream.asked().iter().all(|asked| {
        asked
            .headers
            .get("authorization")
            .is_none_or(|login| login == US)
    }));
    let wrong = mirror(
        &upstream.url(),
        json!({"max_size": ROOMY}),
        json!({"username": "us", "password": "s3cret"}),
    );
    let refused = wrong.get(&path);
    assert!(String::from_utf8_lossy(&refused.assert(502).body).contains("401"));
    assert!(
        !wrong.log().contains("s3cret") && !wrong.log().contains("dXM6"),
        "{}",
        wrong.log()
    );
}

#[test]
fn a_token_is_fetched_once_for_what_it_is_good_for() {
    let upstream = Upstream::serving();
    let (_, layers) = upstream.image("library/redis", "7", &[b"1".to_vec(), b"2".to_vec()]);
    upstream.script(|asked| {
        let login = asked.headers.get("authorization").map(String::as_str);
        if asked.path.starts_with("/token") {
            assert_eq!(login, Some(US));
            assert_eq!(asked.path, "/token?service=hub&scope=repository%3Alibrary%2Fredis%3Apull");
            return Action::Document(json!({"access_token": "t0ken", "expires_in": 300}));
        }
        if login == Some("Bearer t0ken") {
            return Action::Serve;
        }
        let realm = format!("Bearer realm=\"http://{}/token\",service=\"hub\",scope=\"repository:library/redis:pull\"", asked.headers["host"]);
        Action::Status(401, vec![("WWW-Authenticate", realm)])
    });
    let registry = mirror(
        &upstream.url(),
        json!({"max_size": ROOMY}),
        json!({"username": "us", "password": "pass"}),
    );
    registry
        .get("/v2/docker.io/library/redis/manifests/7")
        .assert(200);
    for digest in &layers {
        registry
            .get(&format!("/v2/docker.io/library/redis/blobs/{digest}"))
            .assert(200);
    }
    let asked = upstream.asked();
    let tokens = asked
        .iter()
        .filter(|asked| asked.path.starts_with("/token"))
        .count();
    assert_eq!((tokens, asked.len()), (1, 5));
    assert!(!registry.log().contains("t0ken"));
}

struct Authority {
    directory: tempfile::TempDir,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let name = rcgen::DnType::CommonName;
        parameters.distinguished_name.push(name, "authority");
        let pem = parameters.self_signed(&key).unwrap().pem();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), &pem).unwrap();
        Self {
            directory,
            issuer: rcgen::Issuer::new(parameters, key),
            pem,
        }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// A certificate and its key.
    fn sign(&self, dns: &str) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec![dns.to_owned()]).unwrap();
        let name = rcgen::DnType::CommonName;
        parameters.distinguished_name.push(name, dns);
        parameters.extended_key_usages = vec![
            rcgen::ExtendedKeyUsagePurpose::ServerAuth,
            rcgen::ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap().pem();
        (certificate, key.serialize_pem())
    }
}

/// A registry behind TLS that knows a client by its certificate, and a blob in it.
fn behind_tls(authority: &Authority) -> (Registry, String) {
    let (certificate, key) = authority.sign("localhost");
    std::fs::write(authority.path("server.pem"), certificate).unwrap();
    std::fs::write(authority.path("server.key"), key).unwrap();
    let upstream = Registry::with(json!({
        "users": [
            {"name": "ci", "password": "hunter2", "grants": [{"rights": ["pull", "push"]}]},
            {"name": "mirror", "certificate": "mirror.internal", "grants": [{"rights": ["pull"]}]},
        ],
        "tls": {"certificate": authority.path("server.pem"), "key": authority.path("server.key"), "client_authorities": authority.path("ca.pem")},
    }));
    let digest = sha256(b"behind TLS");
    let url = format!(
        "https://localhost:{}/v2/a/blobs/uploads/?digest={digest}",
        upstream.address.port()
    );
    let pushed = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--fail",
            "--noproxy",
            "*",
            "--user",
            "ci:hunter2",
            "--cacert",
            &authority.path("ca.pem"),
        ])
        .args(["--request", "POST", "--data-binary", "behind TLS", &url])
        .status()
        .unwrap();
    assert!(pushed.success());
    (upstream, digest)
}

#[test]
fn a_registry_is_trusted_by_its_authority_and_shown_a_certificate() {
    let authority = Authority::new();
    let (upstream, digest) = behind_tls(&authority);
    let (certificate, key) = authority.sign("mirror.internal");
    let url = format!("https://localhost:{}", upstream.address.port());
    let path = format!("/v2/docker.io/a/blobs/{digest}");
    let shown = json!({"ca_certificate": authority.pem, "client_certificate": certificate, "client_key": key});
    let registry = mirror(&url, json!({"max_size": ROOMY}), shown);
    assert_eq!(registry.get(&path).assert(200).body, b"behind TLS");
    let nameless = mirror(
        &url,
        json!({"max_size": ROOMY}),
        json!({"ca_certificate": authority.pem}),
    );
    assert!(String::from_utf8_lossy(&nameless.get(&path).assert(502).body).contains("401"));
    let distrusting = mirror(&url, json!({"max_size": ROOMY}), json!({}));
    assert!(String::from_utf8_lossy(&distrusting.get(&path).assert(502).body).contains("TLS"));
}

/// A proxy that makes tunnels for `us:pass`, and the heads that it got.
fn proxy() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let shared = heads.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, heads) = (stream.unwrap(), shared.clone());
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
                let target = head.split(' ').nth(1).unwrap().to_owned();
                let is_known = head
                    .to_lowercase()
                    .contains(&format!("proxy-authorization: {}", US.to_lowercase()));
                heads.lock().unwrap().push(head);
                if !is_known {
                    let _ = stream.write_all(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n");
                    return;
                }
                let mut there = TcpStream::connect(target).unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                let (mut from, mut to) = (there.try_clone().unwrap(), stream.try_clone().unwrap());
                std::thread::spawn(move || drop(std::io::copy(&mut from, &mut to)));
                let _ = std::io::copy(&mut reader, &mut there);
            });
        }
    });
    (address, heads)
}

#[test]
fn a_proxy_makes_a_tunnel_through_which_the_registry_is_verified() {
    let authority = Authority::new();
    let (upstream, digest) = behind_tls(&authority);
    let (proxy, heads) = proxy();
    let target = format!("localhost:{}", upstream.address.port());
    let path = format!("/v2/docker.io/a/blobs/{digest}");
    let through = |login: &str| {
        let more = json!({"ca_certificate": authority.pem, "username": "ci", "password": "hunter2", "proxy": format!("http://{login}{proxy}")});
        mirror(
            &format!("https://{target}"),
            json!({"max_size": ROOMY}),
            more,
        )
    };
    assert_eq!(
        through("us:pass@").get(&path).assert(200).body,
        b"behind TLS"
    );
    assert!(
        heads
            .lock()
            .unwrap()
            .iter()
            .all(|head| head.starts_with(&format!("CONNECT {target} ")))
    );
    let refused = through("us:s3cret@");
    let text = String::from_utf8_lossy(&refused.get(&path).assert(502).body).into_owned();
    assert!(
        text.contains("proxy") && text.contains("407") && !text.contains("s3cret"),
        "{text}"
    );
    assert!(!refused.log().contains("s3cret"));
}

#[test]
fn a_configuration_that_cannot_be_is_refused_in_words_without_secrets() {
    let check = |config: serde_json::Value| {
        let directory = tempfile::tempdir().unwrap();
        let mut config = config;
        config["listen"] = json!("127.0.0.1:0");
        config["admin_socket"] = json!(directory.path().join("admin.sock"));
        config["store"] = json!(directory.path().join("store"));
        let file = directory.path().join("config.json");
        std::fs::write(&file, config.to_string()).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_image-registry"))
            .arg("--config")
            .arg(file)
            .arg("check-config")
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let cache = json!({"max_size": "1G"});
    let with =
        |upstream: serde_json::Value| check(json!({"upstreams": [upstream], "cache": cache}));
    let (_, text) = with(json!({"host": "docker.io"}));
    assert!(text.contains("tls.certificate"), "{text}");
    for (upstream, said) in [
        (json!({"host": "registry.corp:5000"}), "`repository`"),
        (json!({"host": "a.b", "addresses": ["a.b"]}), "https://HOST"),
        (
            json!({"host": "a.b", "addresses": ["https://a.b/path"]}),
            "https://HOST",
        ),
        (json!({"host": "a.b", "username": "us"}), "`password`"),
        (
            json!({"host": "a.b", "ca_certificate": "x"}),
            "`ca_certificate`",
        ),
        (
            json!({"host": "a.b", "client_key": "s3cret"}),
            "`client_certificate`",
        ),
        (
            json!({"host": "a.b", "proxy": "us:s3cret@proxy"}),
            "`proxy`",
        ),
    ] {
        let (is_good, text) = with(upstream);
        assert!(
            !is_good && text.contains(said) && !text.contains("s3cret"),
            "{text}"
        );
    }
    let (is_good, text) = check(json!({"upstreams": [{"host": "docker.io"}]}));
    assert!(!is_good && text.contains("cache.max_size"), "{text}");
    let twice = json!([{"host": "a.b", "repository": "x"}, {"host": "c.d", "repository": "x/y"}]);
    let (is_good, text) = check(json!({"upstreams": twice, "cache": cache}));
    assert!(
        !is_good && text.contains("a.b") && text.contains("c.d"),
        "{text}"
    );
}
