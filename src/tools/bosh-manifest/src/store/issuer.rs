//! A CA that is among the variables, with the key to sign with.

use base64::Engine;
use rcgen::KeyPair;

use crate::Value;
use crate::report::Report;

/// What signs.
pub(super) type Issuer = rcgen::Issuer<'static, KeyPair>;

/// The issuer that a variable's value holds, and its certificate in PEM.
pub(super) fn load(name: &str, value: Option<&Value>) -> Result<(Issuer, String), Report> {
    let value = value.ok_or_else(|| {
        Report::Message(format!(
            "Expected to find variable '{name}' with a certificate"
        ))
    })?;
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let certificate = pem_block(text("certificate"))
        .ok_or_else(|| Report::message("Certificate did not contain PEM formatted block"))?;
    let key = read_key(text("private_key"))?;
    let issuer = rcgen::Issuer::from_ca_cert_pem(certificate, key)
        .map_err(|error| Report::message(error).within("Parsing certificate"))?;
    Ok((issuer, format!("{certificate}\n")))
}

fn read_key(text: &str) -> Result<KeyPair, Report> {
    let block = pem_block(text)
        .ok_or_else(|| Report::message("Private key did not contain PEM formatted block"))?;
    let unreadable = |error: rcgen::Error| Report::message(error).within("Parsing private key");
    if !block.starts_with("-----BEGIN RSA PRIVATE KEY-----") {
        return KeyPair::from_pem(block).map_err(unreadable);
    }
    // The BOSH CLI writes PKCS#1, which ring does not read.
    let body: String = block
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .map(str::trim)
        .collect();
    let pkcs1 = base64::engine::general_purpose::STANDARD
        .decode(body)
        .map_err(|error| Report::message(error).within("Parsing private key"))?;
    KeyPair::try_from(pkcs8_of_rsa(&pkcs1)).map_err(unreadable)
}

/// The first PEM block of a text, its markers included.
fn pem_block(text: &str) -> Option<&str> {
    let start = text.find("-----BEGIN ")?;
    let end = start + text[start..].find("-----END ")?;
    let end = end + "-----END ".len();
    let end = end + text[end..].find("-----")? + "-----".len();
    Some(&text[start..end])
}

/// Wraps a PKCS#1 key into PKCS#8 (RFC 5208): version 0, algorithm rsaEncryption, the key.
fn pkcs8_of_rsa(pkcs1: &[u8]) -> Vec<u8> {
    const VERSION_AND_ALGORITHM: [u8; 18] = [
        0x02, 0x01, 0x00, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
        0x01, 0x05, 0x00,
    ];
    let key = der(0x04, pkcs1);
    der(0x30, &[VERSION_AND_ALGORITHM.as_slice(), &key].concat())
}

/// A DER value with its tag and length.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut encoded = vec![tag];
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    match significant.as_slice() {
        [] => encoded.push(0),
        [short @ 0..=0x7f] => encoded.push(*short),
        long => {
            encoded.push(0x80 | u8::try_from(long.len()).unwrap_or(0x7f));
            encoded.extend(long);
        }
    }
    encoded.extend(content);
    encoded
}
