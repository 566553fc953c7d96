//! `certs.d/<registry>/hosts.toml`: registries that dockerd asks for another one's images first. Engines from 28.0 on read it, for
//! pulls of the containerd image store and for builds with either store; the others pass over it, and mirror Docker Hub alone, by
//! `registry-mirrors`. Where the file lists a mirror, dockerd takes nothing of that registry from its own settings any more, neither
//! mirrors nor whether it is insecure, nor its certificates (moby, `daemon/hosts.go`): all of it is in the file.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use bosh_job::Paths;
use job_properties::{LinkedRegistry, Mirror, Registries, RegistryAddress};
use tracing::warn;

use crate::registry_authorities::{names, update_files};

const NAME: &str = "hosts.toml";
/// A file that does not begin with it is not the job's.
const FIRST_LINE: &str = "# Written by the BOSH job docker, out of link `registry`.";

/// Makes the job's files those for the hosts that the registry of the link mirrors. Certificates are there already.
pub fn update(paths: &Paths, registries: &Registries) -> anyhow::Result<()> {
    let dir = paths.registry_authorities();
    let mirrored = registries.mirrored();
    let linked = registries.linked().map(LinkedRegistry::mirrored);
    let mut wanted = BTreeMap::new();
    for host in linked.into_iter().flatten() {
        let mirrors = mirrored.get(host).map_or(&[][..], Vec::as_slice);
        let text = hosts_file(&dir, registries, host, mirrors)?;
        wanted.insert(host.as_str().to_owned(), text);
    }
    let mut of_others = Vec::new();
    for registry in names(&dir)? {
        if is_of_another(&dir.join(&registry).join(NAME))? {
            of_others.push(registry);
        }
    }
    for registry in &of_others {
        if wanted.remove(registry).is_some() {
            let file = dir.join(registry).join(NAME);
            warn!(
                file = %file.display(),
                "the file is not the job's and stays as it is; the registry of link `registry` is not asked for images of {registry}"
            );
        }
    }
    update_files(&dir, NAME, 0o644, &wanted, &of_others)
}

/// Whether somebody else wrote the file.
fn is_of_another(file: &Path) -> anyhow::Result<bool> {
    match std::fs::read(file) {
        Ok(content) => Ok(!content.starts_with(FIRST_LINE.as_bytes())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(error).with_context(|| format!("reading {}", file.display())),
    }
}

fn hosts_file(
    dir: &Path,
    registries: &Registries,
    host: &RegistryAddress,
    mirrors: &[Mirror],
) -> anyhow::Result<String> {
    let mut text = format!(
        "{FIRST_LINE}\n# Asked for images of {} first; then that itself.\n",
        host.as_str()
    );
    // what is before the first table is of the host itself
    if registries.is_insecure(host) {
        // tried over TLS, then without (containerd, `core/remotes/docker/config/hosts.go`)
        line(
            &mut text,
            "server",
            &quoted(&format!("http://{}", host.as_str())),
        );
        line(&mut text, "skip_verify", "true");
    }
    text.push_str(&Certificates::of(&dir.join(host.as_str()))?.lines());
    for mirror in mirrors {
        let is_insecure = registries.is_insecure(&mirror.address);
        let url = mirror.url.trim_end_matches('/');
        let url = match url.strip_prefix("https://") {
            Some(rest) if is_insecure => format!("http://{rest}"),
            _ => url.to_owned(),
        };
        let _ = write!(text, "\n[host.{}]\n", quoted(&url));
        line(&mut text, "capabilities", "[\"pull\", \"resolve\"]");
        if is_insecure {
            line(&mut text, "skip_verify", "true");
        } else {
            let certificates = Certificates::of(&dir.join(mirror.address.as_str()))?;
            text.push_str(&certificates.lines());
        }
    }
    Ok(text)
}

/// A line of TOML. Writing to a string cannot fail.
fn line(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "{key} = {value}");
}

/// A string of TOML, which has all of JSON's escapes.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What is in a registry's directory, the job's and others'.
#[derive(Default)]
struct Certificates {
    authorities: Vec<PathBuf>,
    /// Certificates that have their keys.
    clients: Vec<(PathBuf, PathBuf)>,
}

impl Certificates {
    fn of(dir: &Path) -> anyhow::Result<Self> {
        let mut found = Self::default();
        let mut files = names(dir)?;
        files.sort();
        for file in files {
            let path = dir.join(&file);
            match path.extension().and_then(OsStr::to_str) {
                Some("crt") => found.authorities.push(path),
                Some("cert") => {
                    let key = path.with_extension("key");
                    if key.is_file() {
                        found.clients.push((path, key));
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }

    fn lines(&self) -> String {
        let path = |path: &PathBuf| quoted(&path.to_string_lossy());
        let authorities: Vec<_> = self.authorities.iter().map(path).collect();
        let clients = self.clients.iter();
        let clients: Vec<_> = clients
            .map(|(certificate, key)| format!("[{}, {}]", path(certificate), path(key)))
            .collect();
        let mut text = String::new();
        for (key, values) in [("ca", authorities), ("client", clients)] {
            if !values.is_empty() {
                line(&mut text, key, &format!("[{}]", values.join(", ")));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests;
