//! Logins, rights, certificates.

use std::process::Command;

use serde_json::json;

use crate::client::{Registry, sha256};

const DAVE: &str = "Basic ZGF2ZTpzM2NyZXQ=";

fn registry(anonymous: &serde_json::Value) -> Registry {
    Registry::with(json!({
        "users": [
            {"name": "ci", "password": "hunter2", "grants": [{"repositories": "team/", "rights": ["pull", "push"]}]},
            {"name": "dave", "password": "s3cret", "grants": [{"rights": ["pull"]}]},
        ],
        "anonymous": anonymous,
    }))
}

#[test]
fn nothing_is_answered_without_a_login_unless_the_configuration_says_so() {
    let registry = registry(&json!([]));
    for path in [
        "/v2/",
        "/v2/_catalog",
        "/v2/team/app/tags/list",
        "/v2/team/app/manifests/1",
    ] {
        let refused = registry.ask_as_it_is("GET", path, &[], b"");
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (401, "UNAUTHORIZED"),
            "{path}"
        );
        assert_eq!(
            refused.header("www-authenticate"),
            "Basic realm=\"registry\", charset=\"UTF-8\""
        );
        let wrong = [("Authorization", "Basic Y2k6eA==")];
        registry.ask_as_it_is("GET", path, &wrong, b"").assert(401);
    }
    let open = self::registry(&json!([{"repositories": "public", "rights": ["pull"]}]));
    open.ask_as_it_is("GET", "/v2/", &[], b"").assert(200);
    open.ask_as_it_is("GET", "/v2/public/manifests/1", &[], b"")
        .assert(404);
    open.ask_as_it_is("GET", "/v2/team/app/manifests/1", &[], b"")
        .assert(401);
    open.ask_as_it_is("POST", "/v2/public/blobs/uploads/", &[], b"")
        .assert(401);
}

#[test]
fn a_login_may_do_what_it_is_granted_and_no_more() {
    let registry = registry(&json!([]));
    let digest = registry.push_blob("team/app", b"x");
    let blob = format!("/v2/team/app/blobs/{digest}");
    registry.get(&blob).assert(200);
    assert_eq!(
        registry.ask("DELETE", &blob, &[], b"").assert(403).code(),
        "DENIED"
    );
    registry
        .ask("POST", "/v2/teams/blobs/uploads/", &[], b"")
        .assert(403);
    let dave = [("Authorization", DAVE)];
    registry.ask_as_it_is("GET", &blob, &dave, b"").assert(200);
    registry
        .ask_as_it_is("POST", "/v2/team/app/blobs/uploads/", &dave, b"")
        .assert(403);
    let from_elsewhere = format!(
        "/v2/team/x/blobs/uploads/?mount={}&from=secret",
        sha256(b"x")
    );
    registry.ask("POST", &from_elsewhere, &[], b"").assert(202);
    let log = registry.log();
    assert!(!log.contains("hunter2") && !log.contains("s3cret"), "{log}");
}

#[test]
fn an_upload_is_out_of_the_reach_of_others() {
    let everything = json!([{"rights": ["pull", "push", "delete"]}]);
    let registry = Registry::with(json!({"users": [
        {"name": "ci", "password": "hunter2", "grants": everything},
        {"name": "dave", "password": "s3cret", "grants": everything},
    ]}));
    let upload = registry.begin("app");
    let dave = [("Authorization", DAVE)];
    for (method, path) in [
        ("GET", upload.clone()),
        ("PATCH", upload.clone()),
        ("DELETE", upload.clone()),
        ("PUT", format!("{upload}?digest={}", sha256(b""))),
    ] {
        registry.ask_as_it_is(method, &path, &dave, b"").assert(404);
    }
    let elsewhere = upload.replace("/app/", "/other/");
    registry.get(&elsewhere).assert(404);
    registry.get(&upload).assert(204);
}

#[test]
fn tls_takes_a_login_or_a_client_certificate_that_stands_for_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let name = rcgen::DnType::CommonName;
    parameters
        .distinguished_name
        .push(name.clone(), "authority");
    let authority = parameters.self_signed(&authority_key).unwrap();
    std::fs::write(path("ca.pem"), authority.pem()).unwrap();
    let issuer = rcgen::Issuer::new(parameters, authority_key);
    for (file, dns) in [
        ("server", "localhost"),
        ("docker", "docker.internal"),
        ("stranger", "stranger.internal"),
    ] {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec![dns.to_owned()]).unwrap();
        parameters.distinguished_name.push(name.clone(), dns);
        parameters.extended_key_usages = vec![
            rcgen::ExtendedKeyUsagePurpose::ServerAuth,
            rcgen::ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = parameters.signed_by(&key, &issuer).unwrap();
        std::fs::write(path(&format!("{file}.pem")), certificate.pem()).unwrap();
        std::fs::write(path(&format!("{file}.key")), key.serialize_pem()).unwrap();
    }
    let registry = Registry::with(json!({
        "users": [
            {"name": "ci", "password": "hunter2", "grants": [{"rights": ["pull", "push"]}]},
            {"name": "docker", "certificate": "docker.internal", "grants": [{"rights": ["pull"]}]},
        ],
        "tls": {"certificate": path("server.pem"), "key": path("server.key"), "client_authorities": path("ca.pem")},
    }));
    let asked = |more: &[&str]| {
        let url = format!("https://localhost:{}/v2/_catalog", registry.address.port());
        let output = Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--output",
                "/dev/null",
                "--write-out",
                "%{http_code}",
            ])
            .args(["--noproxy", "*", "--cacert", &path("ca.pem")])
            .args(more)
            .arg(url)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let certificate = |name: &str| {
        vec![
            "--cert".to_owned(),
            path(&format!("{name}.pem")),
            "--key".to_owned(),
            path(&format!("{name}.key")),
        ]
    };
    let docker = certificate("docker");
    let docker: Vec<&str> = docker.iter().map(String::as_str).collect();
    let stranger = certificate("stranger");
    let stranger: Vec<&str> = stranger.iter().map(String::as_str).collect();
    assert_eq!(asked(&[]), "401");
    assert_eq!(asked(&["--user", "ci:hunter2"]), "200");
    assert_eq!(asked(&["--user", "ci:wrong"]), "401");
    assert_eq!(asked(&docker), "200");
    assert_eq!(asked(&stranger), "401");
    assert_eq!(asked(&["--tlsv1.0", "--tls-max", "1.1"]), "000");
    assert!(registry.log().contains("user=docker"), "{}", registry.log());
}
