//! Credential helpers: programs `docker-credential-NAME` that keep secrets (docker/docker-credential-helpers, README).

use std::io::{ErrorKind, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::secret::{Credentials, Secret};
use crate::words::clean;

const LONGEST_ANSWER: u64 = 256 << 10;
/// The user that stands for an identity token.
const TOKEN_USER: &str = "<token>";
/// What helpers say when there is nothing to say.
const NOT_FOUND: &str = "credentials not found in native keychain";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stored {
    username: String,
    secret: String,
}

/// What the helper has for a registry.
pub(super) fn get(helper: &str, registry: &str, time: Duration) -> Result<Option<Credentials>> {
    let failed = |why: String| Error::Helper {
        helper: helper.to_owned(),
        registry: registry.to_owned(),
        why,
    };
    if !helper
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    {
        return Err(failed("that is not the name of a helper".into()));
    }
    let program = format!("docker-credential-{helper}");
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| {
            failed(if error.kind() == ErrorKind::NotFound {
                format!("there is no program {program} in PATH")
            } else {
                format!("it cannot be started: {error}")
            })
        })?;
    let (status, answer) = converse(&mut child, &server_address(registry), time).map_err(failed)?;
    if !status.success() {
        let said = String::from_utf8_lossy(&answer);
        if said.trim() == NOT_FOUND {
            return Ok(None);
        }
        return Err(failed(format!("{status}: {}", clean(&said))));
    }
    // What the parser says could quote the secret.
    let stored: Stored = serde_json::from_slice(&answer)
        .map_err(|_| failed("its answer is not JSON with Username and Secret".into()))?;
    if stored.secret.is_empty() {
        return Ok(None);
    }
    Ok(Some(match stored.username.as_str() {
        TOKEN_USER => Credentials::IdentityToken(Secret::new(stored.secret)),
        _ => Credentials::Password {
            user: stored.username,
            password: Secret::new(stored.secret),
        },
    }))
}

/// The name under which `docker login` has a registry kept.
fn server_address(registry: &str) -> String {
    match registry {
        "docker.io" => "https://index.docker.io/v1/".to_owned(),
        other => other.to_owned(),
    }
}

/// Sends one line, and reads the answer on a thread of its own, so that a helper that hangs can be ended.
fn converse(
    child: &mut Child,
    line: &str,
    time: Duration,
) -> std::result::Result<(ExitStatus, Vec<u8>), String> {
    if let Some(mut input) = child.stdin.take() {
        // One that does not read has made up its mind already.
        let _ = writeln!(input, "{line}");
    }
    let output = child.stdout.take();
    let reader = thread::spawn(move || {
        let mut answer = Vec::new();
        if let Some(output) = output {
            let _ = output.take(LONGEST_ANSWER).read_to_end(&mut answer);
        }
        answer
    });
    let started = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if started.elapsed() < time => thread::sleep(Duration::from_millis(5)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("it did not answer within {} s", time.as_secs()));
            }
            Err(error) => return Err(error.to_string()),
        }
    };
    // A grandchild may hold the pipe open; what matters has been said when the helper has ended.
    while !reader.is_finished() && started.elapsed() < time {
        thread::sleep(Duration::from_millis(5));
    }
    if !reader.is_finished() {
        return Err("its output did not end".into());
    }
    Ok((status, reader.join().unwrap_or_default()))
}
