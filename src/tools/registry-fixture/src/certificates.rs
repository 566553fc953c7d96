//! An authority of the registry's own, and a certificate by it.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// Whom the certificate is for, besides the address on which the registry listens; the last name is reached through a proxy of the test's own.
const NAMES: [&str; 3] = ["127.0.0.1", "localhost", "registry.example"];

/// Files in PEM.
#[derive(Debug)]
pub(crate) struct Certificates {
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificates {
    /// Recreates them.
    pub(crate) fn write(directory: &Path, host: std::net::Ipv4Addr) -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        authority
            .distinguished_name
            .push(DnType::CommonName, "authority of a test");
        let authority_key = KeyPair::generate().expect("making a key");
        let authority_certificate = authority
            .self_signed(&authority_key)
            .expect("signing the authority's certificate");
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().expect("making a key");
        let mut names: Vec<String> = NAMES.map(str::to_owned).into();
        names.push(host.to_string());
        names.dedup();
        let mut server = CertificateParams::new(names).expect("naming the registry");
        server
            .distinguished_name
            .push(DnType::CommonName, "registry of a test");
        let certificate = server
            .signed_by(&key, &issuer)
            .expect("signing the registry's certificate");
        let write = |name: &str, pem: String| {
            let file = directory.join(name);
            std::fs::write(&file, pem).expect("writing a certificate");
            file
        };
        Self {
            authority: write("ca.pem", authority_certificate.pem()),
            certificate: write("certificate.pem", certificate.pem()),
            key: write("key.pem", key.serialize_pem()),
        }
    }
}
