//! Flags that say how to reach registries.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;
use registry_client::{Client, Credentials, Secret, Settings, environment};

use crate::source;

/// How to reach registries; beside these flags count the logins of Docker, with its credential helpers, podman and skopeo,
/// `DOCKER_AUTH_CONFIG`, and `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.
#[derive(Clone, Debug, Default, Args)]
pub struct Access {
    /// Log in to the registry as this user
    #[arg(
        long,
        value_name = "NAME",
        requires = "password_stdin",
        help_heading = "Registries"
    )]
    pub username: Option<String>,
    /// Read the password, or a token in its place, from standard input
    #[arg(long, requires = "username", help_heading = "Registries")]
    pub password_stdin: bool,
    /// Take the logins from this file instead of those of Docker, podman and skopeo [env: `REGISTRY_AUTH_FILE`]
    #[arg(long, value_name = "FILE", help_heading = "Registries")]
    pub authfile: Option<PathBuf>,
    /// Trust the certificate authorities in this PEM file, too
    #[arg(long, value_name = "FILE", help_heading = "Registries")]
    pub ca: Vec<PathBuf>,
    /// Take this registry with any certificate, or over plain HTTP; loopback addresses always are
    #[arg(long, value_name = "HOST", help_heading = "Registries")]
    pub insecure: Vec<String>,
    /// Ask this mirror before the registry
    #[arg(long, value_name = "HOST=URL", value_parser = mirror, help_heading = "Registries")]
    pub mirror: Vec<(String, String)>,
}

/// Longest password that is read.
const PASSWORD: u64 = 64 << 10;

/// Why the flags cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A password is for one registry, and nobody else may see it.
    #[error("--username is for one registry, but the images are in {}", registries.join(", "))]
    Registries {
        /// Where the images are.
        registries: Vec<String>,
    },
    /// Standard input.
    #[error("reading the password from standard input")]
    Password(#[source] std::io::Error),
    /// What came is no password.
    #[error("standard input holds no password")]
    NoPassword,
    /// A file of logins that is named and not there.
    #[error("there is no file {} with logins", path.display())]
    NoAuthfile {
        /// The file.
        path: PathBuf,
    },
    /// The client does not take the settings.
    #[error(transparent)]
    Client(#[from] source::Error),
}

impl Error {
    /// Whether the command line or a file of settings is at fault.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Registries { .. } | Self::NoPassword | Self::NoAuthfile { .. } => true,
            Self::Password(_) => false,
            Self::Client(error) => error.is_usage(),
        }
    }

    /// What the reader of the message can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Registries { .. } => Some(
                "freeze the images of that registry by themselves, or log in with `docker login` or `skopeo login`".to_owned(),
            ),
            Self::NoPassword => Some("write it as `… --password-stdin < FILE`".to_owned()),
            Self::NoAuthfile { .. } => Some(
                "name another with --authfile, or make it with `podman login --authfile FILE`".to_owned(),
            ),
            Self::Password(_) => None,
            Self::Client(error) => error.hint(),
        }
    }
}

impl Access {
    /// A client for these registries.
    pub fn client(&self, registries: &BTreeSet<String>) -> Result<Client, Error> {
        let mut settings = Settings::from_environment();
        let authfile = self.authfile.clone();
        let authfile = authfile.or_else(environment::registry_auth_file);
        if let Some(path) = self.authfile.as_ref().filter(|path| !path.exists()) {
            return Err(Error::NoAuthfile { path: path.clone() });
        }
        if authfile.is_some() {
            settings.docker_config = authfile;
            settings.auth_files.clear();
        }
        settings.ca_files.clone_from(&self.ca);
        settings.insecure.clone_from(&self.insecure);
        settings.user_agent = format!("image-packager/{}", env!("CARGO_PKG_VERSION"));
        for (registry, url) in &self.mirror {
            settings
                .mirrors
                .entry(registry.clone())
                .or_default()
                .push(url.clone());
        }
        if let Some(user) = &self.username {
            let mut of = registries.iter();
            let (Some(registry), None) = (of.next(), of.next()) else {
                return Err(Error::Registries {
                    registries: registries.iter().cloned().collect(),
                });
            };
            let credentials = Credentials::Password {
                user: user.clone(),
                password: password()?,
            };
            settings.credentials.insert(registry.clone(), credentials);
        }
        Ok(Client::new(settings).map_err(source::Error::from)?)
    }
}

/// The first line of standard input, as `docker login --password-stdin` takes it.
fn password() -> Result<Secret, Error> {
    let mut text = String::new();
    std::io::stdin()
        .take(PASSWORD)
        .read_to_string(&mut text)
        .map_err(Error::Password)?;
    let password = text.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        return Err(Error::NoPassword);
    }
    Ok(Secret::new(password))
}

fn mirror(text: &str) -> Result<(String, String), String> {
    let (registry, url) = text
        .split_once('=')
        .ok_or("write it as HOST=URL: docker.io=https://mirror.example")?;
    if registry.is_empty() || !(url.starts_with("https://") || url.starts_with("http://")) {
        return Err("write it as HOST=URL: docker.io=https://mirror.example".to_owned());
    }
    Ok((registry.to_owned(), url.to_owned()))
}
