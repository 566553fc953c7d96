//! Certificates that `openssl req -x509` made, valid for a hundred years.

use std::time::Duration;

use base64::Engine as _;
use ureq::tls::{PemItem, parse_pem};

use super::*;

/// Its own authority, of the curve P-256, for `registry.test`.
const OWN: &str = "-----BEGIN CERTIFICATE-----\n\
MIIBoTCCAUegAwIBAgIUcSE7jCLP9MW2z9CI/p5TBFq+avMwCgYIKoZIzj0EAwIw\n\
GDEWMBQGA1UEAwwNcmVnaXN0cnkudGVzdDAgFw0yNjExMjcwMzU5MjlaGA8yMTI2\n\
MTEwMzAzNTkyOVowGDEWMBQGA1UEAwwNcmVnaXN0cnkudGVzdDBZMBMGByqGSM49\n\
AgEGCCqGSM49AwEHA0IABBR+hImXKUYXxuhmHcDz6dMYf10OdWqLlBbvZUoyJXOM\n\
zbD6qur7m57BtmrVe/E6Wdz/zl5EtaNf+AccsZt840OjbTBrMB0GA1UdDgQWBBRB\n\
GOpxwdXY9/4SjovF7mZrOZ82OTAfBgNVHSMEGDAWgBRBGOpxwdXY9/4SjovF7mZr\n\
OZ82OTAPBgNVHRMBAf8EBTADAQH/MBgGA1UdEQQRMA+CDXJlZ2lzdHJ5LnRlc3Qw\n\
CgYIKoZIzj0EAwIDSAAwRQIhAKrQoV46IswDyDgbziGbQ/ySYcI1GvDNUGZnRYRi\n\
u8dZAiB9rCL/HS0ltmXu8MP4G07eSin3bozHZhbjxpSh+H7V0g==\n\
-----END CERTIFICATE-----";
/// An authority of the curve P-521, signed with SHA-256.
const AUTHORITY: &str = "-----BEGIN CERTIFICATE-----\n\
MIIB+DCCAVqgAwIBAgIUc0hT8FOijwqAFKNDcnxYyRW1vTAwCgYIKoZIzj0EAwIw\n\
DTELMAkGA1UEAwwCY2EwIBcNMjYxMTI3MDM1OTI5WhgPMjEyNjExMDMwMzU5Mjla\n\
MA0xCzAJBgNVBAMMAmNhMIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAI55pLy0s\n\
vf8VHt1Q3uWEpT+tAm6tDXWBbs4uh+5t6tG5zQ2diovSGWF857tJtOitZy4YfxI8\n\
YKu4w8bVZJPu7PsAjIcsucYxwjhVoBRBuw0TJKcaUCEAJHYqd5wDqLUmpievtCx2\n\
LGVHP7Z15h17+0mvgy1BB2bTH3g7zA5yXoFG/F6jUzBRMB0GA1UdDgQWBBRsyCHh\n\
ILPR8NRUwssRA6o/UVT2gTAfBgNVHSMEGDAWgBRsyCHhILPR8NRUwssRA6o/UVT2\n\
gTAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA4GLADCBhwJCAf07K6eEQ1lX\n\
E8v+hfJ5+Tz8gW+irXD/PaHgpLzbsi18rSDvYIeNp5tKvz4UIeaQNxU9up1N9XLY\n\
58Hq6017N5H3AkFlBf2EHsV4pwur24VcmsbJE202Il2/wqcBzwgy7dn4Q/TJIgTq\n\
DXfMepCLlQB57B7/9Fcb9tx0bttg1b3/x20McQ==\n\
-----END CERTIFICATE-----";
/// What it signed, with SHA-512: a key of P-521 again, for `registry.test`.
const SIGNED: &str = "-----BEGIN CERTIFICATE-----\n\
MIICDTCCAW6gAwIBAgIUIY3SxfHSB++slUDL3c5sQibTchAwCgYIKoZIzj0EAwQw\n\
DTELMAkGA1UEAwwCY2EwIBcNMjYxMTI3MDM1OTI5WhgPMjEyNjExMDIwMzU5Mjla\n\
MBgxFjAUBgNVBAMMDXJlZ2lzdHJ5LnRlc3QwgZswEAYHKoZIzj0CAQYFK4EEACMD\n\
gYYABAGq1Qc5Fa7zBzUlncsujLr+rEdABdtd4t+NZi9o4KKcfl5uogo4UhwsTsyZ\n\
c53KdZY21GD/gvlayK5xsEywf9BdoAFieh0bz3fVfA9piyALctJvuLb7Ms9dLHmx\n\
FgqeXXd6u2HsaVUQv/ngUyEI+0xgTVRgVuJBFS4VoNTyWnuXi28WUqNcMFowGAYD\n\
VR0RBBEwD4INcmVnaXN0cnkudGVzdDAdBgNVHQ4EFgQUb4xeS9PBU2PIaOt9BDhA\n\
m+MabrowHwYDVR0jBBgwFoAUbMgh4SCz0fDUVMLLEQOqP1FU9oEwCgYIKoZIzj0E\n\
AwQDgYwAMIGIAkIBJ0gEPESu8RfMFNZNJU96LRLVjwIy071P/+27jgmZ6RQ/XRmP\n\
mT7rzJT1fDtvXskU2BojzHAxlqvFA9cIVmLXdjICQgCepKI+F5szZ2I4Osm/hQBW\n\
q/24BR286PgB137VgX0vSlnx+7SoMy1k81yuxETbB08P3GKerQbStscEMVfNcyxA\n\
qA==\n\
-----END CERTIFICATE-----";
/// Of that key, with SHA-512, over `what is signed`.
const SIGNATURE: &str = "MIGIAkIBet/5THiFA0SULkfUzd/0V808veNJedkRNKcE29sT0PMNNu4bA3CYsAeFhQE1bepEE4bxwAZTO0W4ntBRp0Iqmj8CQgHgYsm4ayLlM/Kkw0k4SKaXOl5BkXY6IXrhO+2whDoP/EwwQ2Uh6FBi5nvq8ZNlX2qfUqELP21HB5FIQ0NHrH5Lrw==";

fn der(pem: &str) -> CertificateDer<'static> {
    let item = parse_pem(pem.as_bytes()).next();
    let Some(Ok(PemItem::Certificate(certificate))) = item else {
        panic!("it is no certificate");
    };
    CertificateDer::from(certificate.der()).into_owned()
}

fn verified(trusted: &[&str], server: &str, name: &str, year: u64) -> Result<(), Error> {
    let trust = Trust::new(trusted.iter().map(|pem| der(pem)).collect());
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs((year - 1970) * 31_557_600));
    trust
        .verify_server_cert(&der(server), &[], &name, &[], now)
        .map(|_| ())
}

#[test]
fn a_certificate_that_is_its_own_authority_is_trusted_for_its_name_and_time_where_it_is_named() {
    verified(&[OWN], OWN, "registry.test", 2040).unwrap();
    verified(&[AUTHORITY, OWN], OWN, "registry.test", 2040).unwrap();
    for (trusted, name, year, why) in [
        (&[OWN][..], "other.test", 2040, "NotValidForName"),
        (&[OWN], "registry.test", 2020, "NotValidYet"),
        (&[OWN], "registry.test", 2200, "Expired"),
        (&[AUTHORITY], "registry.test", 2040, "CaUsedAsEndEntity"),
        (&[], "registry.test", 2040, "UnknownIssuer"),
    ] {
        let error = format!("{:?}", verified(trusted, OWN, name, year).unwrap_err());
        assert!(error.contains(why), "{why}: {error}");
    }
}

#[test]
fn keys_of_the_curve_p_521_are_verified_as_authorities_and_as_servers() {
    verified(&[AUTHORITY], SIGNED, "registry.test", 2040).unwrap();
    verified(&[AUTHORITY], AUTHORITY, "ca", 2040).unwrap_err();
    verified(&[OWN], SIGNED, "registry.test", 2040).unwrap_err();
    let signature = base64::prelude::BASE64_STANDARD.decode(SIGNATURE).unwrap();
    let server = der(SIGNED);
    let (_, parsed) = x509_parser::parse_x509_certificate(&server).unwrap();
    let key = &parsed.public_key().subject_public_key.data;
    let algorithms = provider().signature_verification_algorithms;
    let (_, of_scheme) = (algorithms.mapping.iter())
        .find(|(scheme, _)| *scheme == SignatureScheme::ECDSA_NISTP521_SHA512)
        .unwrap();
    let verify = |message: &[u8]| of_scheme[0].verify_signature(key, message, &signature);
    verify(b"what is signed").unwrap();
    verify(b"what is not").unwrap_err();
}
