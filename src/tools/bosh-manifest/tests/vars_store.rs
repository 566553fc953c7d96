//! Variables that are made and kept: passwords, certificates, the file that holds them.

#![allow(
    clippy::unwrap_used,
    reason = "a helper that cannot go on fails the test"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bosh_manifest::{InterpolateError, InterpolateOptions, Value, interpolate};
use tempfile::TempDir;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::X509Certificate;

const CERTIFICATES: &str = "
variables:
- name: ca
  type: certificate
  options: {is_ca: true, common_name: docker-ca}
- name: server
  type: certificate
  options:
    ca: ca
    common_name: docker
    organization: Acme
    alternative_names: [127.0.0.1, '::1', docker.internal]
    extended_key_usage: [server_auth, client_auth]
    duration: 30
server: ((server))
ca: ((ca))
";

fn run(manifest: &str, directory: &Path) -> Result<Value, InterpolateError> {
    fs::write(directory.join("manifest.yml"), manifest).unwrap();
    interpolate(&InterpolateOptions {
        manifest: directory.join("manifest.yml"),
        vars_store: Some(directory.join("creds.yml")),
        ..InterpolateOptions::default()
    })
}

fn text<'v>(value: &'v Value, variable: &str, key: &str) -> &'v str {
    value
        .get(variable)
        .unwrap()
        .get(key)
        .unwrap()
        .as_str()
        .unwrap()
}

/// Parses a certificate and hands it to `check`.
fn inspect(pem: &str, check: impl FnOnce(&X509Certificate<'_>)) {
    let (_, pem) = parse_x509_pem(pem.as_bytes()).unwrap();
    check(&pem.parse_x509().unwrap());
}

#[test]
fn makes_a_value_once_and_keeps_it_in_a_file_for_its_owner_alone() {
    let directory = TempDir::new().unwrap();
    let manifest = "variables: [{name: pw, type: password}]\npw: ((pw))\n";
    let first = run(manifest, directory.path()).unwrap();
    let again = run(
        "variables: [{name: pw, type: password, options: {length: 40}}]\npw: ((pw))\n",
        directory.path(),
    );
    assert_eq!(first.get("pw").unwrap().as_str().unwrap().len(), 20);
    assert_eq!(first, again.unwrap());
    assert_eq!(first.get("variables").unwrap().as_seq().unwrap().len(), 0);
    let store = directory.path().join("creds.yml");
    assert_eq!(
        fs::metadata(&store).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        2,
        "a draft was left behind"
    );
}

#[test]
fn keeps_the_values_of_others_in_the_file() {
    let directory = TempDir::new().unwrap();
    fs::write(
        directory.path().join("creds.yml"),
        "mine: {a: [1, 2]}\npw: old\n",
    )
    .unwrap();
    let value = run(
        "variables: [{name: new, type: password}]\npw: ((pw))\nm: ((mine.a.1))\n",
        directory.path(),
    );
    let value = value.unwrap();
    assert_eq!(value.get("pw").unwrap().as_str(), Some("old"));
    assert_eq!(value.get("m").unwrap().as_i64(), Some(2));
    let kept = fs::read_to_string(directory.path().join("creds.yml")).unwrap();
    assert!(
        kept.starts_with("mine:\n  a:\n  - 1\n  - 2\nnew: ") && kept.ends_with("\npw: old\n"),
        "{kept}"
    );
}

#[test]
fn makes_certificates_that_their_ca_has_signed() {
    let directory = TempDir::new().unwrap();
    let value = run(CERTIFICATES, directory.path()).unwrap();
    let ca = text(&value, "ca", "certificate");
    assert_eq!(text(&value, "ca", "ca"), ca);
    assert_eq!(text(&value, "server", "ca"), ca);
    assert!(text(&value, "server", "private_key").starts_with("-----BEGIN PRIVATE KEY-----\n"));
    inspect(ca, |ca| {
        assert!(ca.is_ca() && ca.verify_signature(None).is_ok());
        assert_eq!(
            ca.subject().to_string(),
            "C=US, O=Cloud Foundry, CN=docker-ca"
        );
        let usage = ca.key_usage().unwrap().unwrap().value;
        assert!(usage.key_cert_sign() && usage.crl_sign() && !usage.digital_signature());
        let validity = ca.validity();
        assert_eq!(
            validity.not_after.timestamp() - validity.not_before.timestamp(),
            365 * 24 * 60 * 60
        );
        inspect(text(&value, "server", "certificate"), |server| {
            assert!(!server.is_ca() && server.verify_signature(Some(ca.public_key())).is_ok());
            assert_eq!(server.issuer(), ca.subject());
        });
    });
}

#[test]
fn gives_a_certificate_the_names_and_usages_that_were_asked_for() {
    let directory = TempDir::new().unwrap();
    let value = run(CERTIFICATES, directory.path()).unwrap();
    inspect(text(&value, "server", "certificate"), |server| {
        assert_eq!(server.subject().to_string(), "C=US, O=Acme, CN=docker");
        let usage = server.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.server_auth && usage.client_auth);
        let names = &server
            .subject_alternative_name()
            .unwrap()
            .unwrap()
            .value
            .general_names;
        let mut ipv6 = [0; 16];
        ipv6[15] = 1;
        let expected = [
            GeneralName::IPAddress(&[127, 0, 0, 1]),
            GeneralName::IPAddress(&ipv6),
            GeneralName::DNSName("docker.internal"),
        ];
        assert_eq!(names, &expected);
        let validity = server.validity();
        assert_eq!(
            validity.not_after.timestamp() - validity.not_before.timestamp(),
            30 * 24 * 60 * 60
        );
    });
}

#[test]
fn signs_with_a_ca_that_the_bosh_cli_has_made() {
    let directory = TempDir::new().unwrap();
    let made_by_cli = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ca-of-the-cli.yml");
    fs::copy(made_by_cli, directory.path().join("creds.yml")).unwrap();
    let value = run(CERTIFICATES, directory.path()).unwrap();
    inspect(text(&value, "ca", "certificate"), |ca| {
        inspect(text(&value, "server", "certificate"), |server| {
            assert!(server.verify_signature(Some(ca.public_key())).is_ok());
        });
    });
}

#[test]
fn tells_why_a_variable_cannot_be_made() {
    let cases = [
        ("type: ssh", "Unsupported value type: ssh"),
        ("type: user", "Unsupported value type: user"),
        (
            "type: certificate, options: {common_name: x}",
            "Missing required CA name",
        ),
        (
            "type: certificate, options: {ca: none}",
            "Expected to find variable 'none' with a certificate",
        ),
        (
            "type: certificate, options: {is_ca: true, key_length: 5}",
            "Invalid key_length: 5.  Must be one of: [2048 3072 4096]",
        ),
        (
            "type: certificate, options: {is_ca: maybe}",
            "Expected 'is_ca' to be a boolean but found 'string'",
        ),
    ];
    for (definition, reason) in cases {
        let directory = TempDir::new().unwrap();
        let error = run(
            &format!("variables: [{{name: v, {definition}}}]\n"),
            directory.path(),
        )
        .unwrap_err()
        .to_string();
        assert!(
            error.contains("Generating variable 'v'") && error.contains(reason),
            "{error}"
        );
        assert!(!directory.path().join("creds.yml").exists());
    }
}
