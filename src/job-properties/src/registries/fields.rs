//! The fields of an entry of `registries` and `registry_ca_cert`.

use serde_json::{Map, Value};

use super::Login;
use crate::address::RegistryAddress;
use crate::tls;
use crate::values::{is_unset, kind};
use bosh_job::{Problem, Problems, Secret};

pub(super) fn map<'a>(
    place: &str,
    entry: &'a Value,
    known: &[&str],
) -> Result<&'a Map<String, Value>, Problems> {
    let Value::Object(fields) = entry else {
        let what = format!("must be a map with {}, and is {}", list(known), kind(entry));
        return Err(Problem::new(place, what).into());
    };
    let mut problems = Problems::default();
    for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
        let what = format!("is unknown; an entry has {}", list(known));
        problems.push(Problem::new(format!("{place}.{name}"), what));
    }
    problems.into_result(Some(fields))
}

fn list(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

pub(super) fn address(
    place: &str,
    name: &str,
    fields: &Map<String, Value>,
) -> Result<RegistryAddress, Problem> {
    let value = fields.get(name).unwrap_or(&Value::Null);
    let wrong = |what: String| {
        // it may hold a password where somebody wrote a whole URL
        Problem::new(format!("{place}.{name}"), what)
            .hint("write it as references have it: registry.example:5000, or docker.io")
    };
    let text = value
        .as_str()
        .ok_or_else(|| wrong(format!("must be host or host:port, and is {}", kind(value))))?;
    RegistryAddress::parse(text.trim())
        .ok_or_else(|| wrong("must be host or host:port, without scheme, user or path".to_owned()))
}

pub(super) fn login(place: &str, fields: &Map<String, Value>) -> Result<Option<Login>, Problems> {
    let mut problems = Problems::default();
    let mut text = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(Value::String(text)) if text.is_empty() => Some(None),
        Some(Value::String(text)) => Some(Some(text.clone())),
        Some(other) => {
            let what = format!("must be a string, and is {}; quote a number", kind(other));
            problems.push(Problem::new(format!("{place}.{name}"), what));
            None
        }
    };
    let (username, password) = (text("username"), text("password"));
    let login = match (username, password) {
        (Some(Some(username)), Some(Some(password))) => {
            if username.contains(':') {
                let what = "holds a colon, which ends the name in a login of HTTP";
                problems.push(Problem::new(format!("{place}.username"), what));
            }
            Some(Some(Login {
                username,
                password: Secret::new(password),
            }))
        }
        (Some(None), Some(None)) => Some(None),
        (Some(None), Some(Some(_))) => {
            let what = "is missing, while `password` is set";
            problems.push(Problem::new(format!("{place}.username"), what));
            None
        }
        (Some(Some(_)), Some(None)) => {
            let what = "is missing, while `username` is set";
            problems.push(Problem::new(format!("{place}.password"), what));
            None
        }
        _ => None,
    };
    problems.into_result(login)
}

pub(super) fn certificate(
    place: &str,
    fields: &Map<String, Value>,
) -> Result<Option<String>, Problem> {
    match fields.get("ca_cert") {
        None => Ok(None),
        Some(value) if is_unset(value) => Ok(None),
        Some(value) => tls::certificate(&format!("{place}.ca_cert"), value).map(Some),
    }
}
