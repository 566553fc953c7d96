//! Properties `tls_cacert`, `tls_cert` and `tls_key`: all of them or none.

use serde_json::Value;

use super::values::{is_unset, kind};
use bosh_job::{Problem, Problems, Secret};

/// What mutual TLS needs, as PEM texts that were looked at: each holds what its name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsMaterial {
    /// The authority whose client certificates are let in.
    pub cacert: Secret,
    /// dockerd's certificate, perhaps with intermediate ones.
    pub cert: Secret,
    /// The certificate's private key.
    pub key: Secret,
}

const KEY: &str = "a private key without passphrase";
const NAMES: [&str; 3] = ["tls_cacert", "tls_cert", "tls_key"];

/// The material, or none when no property is set.
pub(super) fn parse(
    cacert: &Value,
    cert: &Value,
    key: &Value,
) -> Result<Option<TlsMaterial>, Problems> {
    let values = [cacert, cert, key];
    let missing: Vec<&str> = NAMES
        .into_iter()
        .zip(values)
        .filter(|(_, value)| is_unset(value))
        .map(|(name, _)| name)
        .collect();
    if missing.len() == NAMES.len() {
        return Ok(None);
    }
    let mut problems = Problems::default();
    for name in &missing {
        let others: Vec<String> = NAMES
            .iter()
            .filter(|other| !missing.contains(other))
            .map(|other| format!("`{other}`"))
            .collect();
        let problem = Problem::new(
            *name,
            format!(
                "is missing, while {} is set: mutual TLS needs all three",
                others.join(" and ")
            ),
        )
        .hint("operations/enable-tls.yml has BOSH generate all of them");
        problems.push(problem);
    }
    let mut material = |name: &str, value: &Value, is_label: fn(&str) -> bool, content: &str| {
        if is_unset(value) {
            None
        } else {
            problems.note(pem(name, value, is_label, content))
        }
    };
    let cacert = material("tls_cacert", cacert, is_certificate, "a certificate");
    let cert = material("tls_cert", cert, is_certificate, "a certificate");
    let key = material("tls_key", key, is_private_key, KEY);
    let all = (|| {
        Some(TlsMaterial {
            cacert: cacert?,
            cert: cert?,
            key: key?,
        })
    })();
    problems.into_result(Some(all))
}

fn is_certificate(label: &str) -> bool {
    label == "CERTIFICATE"
}

fn is_private_key(label: &str) -> bool {
    matches!(label, "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY")
}

/// Certificates in PEM.
pub(super) fn certificate(name: &str, value: &Value) -> Result<String, Problem> {
    pem(name, value, is_certificate, "a certificate").map(|pem| pem.reveal().to_owned())
}

/// A private key in PEM.
pub(super) fn private_key(name: &str, value: &Value) -> Result<Secret, Problem> {
    pem(name, value, is_private_key, KEY)
}

/// A PEM text with at least one block of the right label, every block whole (RFC 7468).
fn pem(
    name: &str,
    value: &Value,
    is_label: fn(&str) -> bool,
    content: &str,
) -> Result<Secret, Problem> {
    let wrong = |what: &str| {
        Problem::new(name, format!("must be {content} in PEM form, and {what}")).hint(
            "it begins with a line -----BEGIN …-----; in a manifest use a block scalar (`|`), so that its lines stay lines",
        )
    };
    let text = value
        .as_str()
        .ok_or_else(|| wrong(&format!("is {}", kind(value))))?;
    let labels = blocks(text).map_err(wrong)?;
    if labels.is_empty() {
        return Err(wrong("holds no PEM block"));
    }
    if !labels.into_iter().any(is_label) {
        return Err(wrong("holds another kind of PEM block"));
    }
    let mut text = text.trim().to_owned();
    text.push('\n');
    Ok(Secret::new(text))
}

/// The labels of the blocks in a PEM text. The error says what is wrong, without showing any of it.
fn blocks(text: &str) -> Result<Vec<&str>, &'static str> {
    let mut labels = Vec::new();
    let mut open: Option<(&str, bool)> = None;
    for line in text.lines().map(str::trim) {
        if let Some(label) = boundary(line, "-----BEGIN ") {
            if open.is_some() {
                return Err("has a block that begins before the one before it has ended");
            }
            open = Some((label, false));
        } else if let Some(label) = boundary(line, "-----END ") {
            match open.take() {
                Some((begun, true)) if begun == label => labels.push(label),
                Some((begun, false)) if begun == label => return Err("has an empty block"),
                _ => return Err("has an end line without its begin line"),
            }
        } else if let Some((_, content)) = &mut open {
            if line.starts_with("Proc-Type:") {
                return Err("is encrypted");
            }
            if !line
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '='))
            {
                return Err("has a block that is not base64");
            }
            *content |= !line.is_empty();
        }
    }
    if open.is_some() {
        Err("has a block without its end line")
    } else {
        Ok(labels)
    }
}

fn boundary<'a>(line: &'a str, prefix: &str) -> Option<&'a str> {
    line.strip_prefix(prefix)?.strip_suffix("-----")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CERT: &str = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN RSA PRIVATE KEY-----\nQUJD\n-----END RSA PRIVATE KEY-----";

    fn problem(cacert: &Value, cert: &Value, key: &Value) -> Problems {
        parse(cacert, cert, key).unwrap_err()
    }

    #[test]
    fn takes_all_three_or_none() {
        assert_eq!(parse(&Value::Null, &json!(""), &Value::Null).unwrap(), None);
        let material = parse(&json!(CERT), &json!(format!("{CERT}{CERT}")), &json!(KEY))
            .unwrap()
            .unwrap();
        assert_eq!(material.key.reveal(), format!("{KEY}\n"));
    }

    #[test]
    fn refuses_a_part_of_the_material_by_the_names_of_what_is_missing() {
        let problems = problem(&json!(CERT), &Value::Null, &Value::Null);
        let named: Vec<_> = problems
            .iter()
            .map(|problem| problem.property.as_str())
            .collect();
        assert_eq!(named, ["tls_cert", "tls_key"]);
    }

    #[test]
    fn refuses_what_is_no_pem_of_the_right_kind_without_showing_it() {
        for bad in [
            json!("hunter2"),
            json!(7),
            json!(CERT),
            json!("-----BEGIN PRIVATE KEY-----\nhunter2"),
            json!("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----"),
            json!("-----BEGIN PRIVATE KEY-----\nhunter2 hunter2\n-----END PRIVATE KEY-----"),
            json!("-----BEGIN PRIVATE KEY----- aHVudGVyMg== -----END PRIVATE KEY-----"),
            json!(
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nhunter2\n-----END ENCRYPTED PRIVATE KEY-----"
            ),
            json!(
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nhunter2\n-----END RSA PRIVATE KEY-----"
            ),
        ] {
            let problems = problem(&json!(CERT), &json!(CERT), &bad);
            assert_eq!(problems.iter().next().unwrap().property, "tls_key", "{bad}");
            assert!(
                !format!("{problems:?}{problems}").contains("hunter2"),
                "{problems}"
            );
        }
    }
}
