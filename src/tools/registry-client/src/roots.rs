//! Whom to believe who a server is.

use std::path::{Path, PathBuf};

use ureq::tls::{Certificate, PemItem, parse_pem};

use crate::error::{Error, Result};

/// The certificates of these PEM files.
pub(crate) fn from_files(files: &[PathBuf]) -> Result<Vec<Certificate<'static>>> {
    let mut certificates = Vec::new();
    for file in files {
        certificates.extend(from_file(file)?);
    }
    Ok(certificates)
}

/// The system's authorities (`SSL_CERT_FILE`, `SSL_CERT_DIR`, or where the distribution has them); Mozilla's list, where
/// the system has none, as in a bare container.
pub(crate) fn of_the_system() -> Vec<Certificate<'static>> {
    let found = rustls_native_certs::load_native_certs().certs;
    if found.is_empty() {
        return webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .map(|certificate| Certificate::from_der(certificate))
            .collect();
    }
    found
        .iter()
        .map(|certificate| Certificate::from_der(certificate).to_owned())
        .collect()
}

fn from_file(file: &Path) -> Result<Vec<Certificate<'static>>> {
    let unusable = |why: String| Error::SettingFile {
        what: "the CA file",
        path: file.to_owned(),
        why,
    };
    let pem = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate.to_owned()),
            Ok(_) => {}
            Err(error) => return Err(unusable(error.to_string())),
        }
    }
    if certificates.is_empty() {
        return Err(unusable("there is no certificate in PEM in it".into()));
    }
    Ok(certificates)
}
