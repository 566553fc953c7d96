//! The registry's configuration (distribution, `docs/configuration.md`).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::certificates::Certificates;

/// How a registry is to be.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether it speaks TLS, with a certificate of an authority of its own, for `127.0.0.1`,
    /// `localhost` and `registry.example`.
    pub tls: bool,
    /// The one account that may pull and push, as name and password; everybody, if there is none.
    pub account: Option<(String, String)>,
    /// The URL of the registry that this one is a pull-through cache of.
    pub cache_of: Option<String>,
    /// The URL of a server to which it sends those who ask for a blob, as registries before an object store do.
    pub blobs_at: Option<String>,
    /// The URL of a token server that it wants tokens of, which nobody can have; only with TLS.
    pub token_server: Option<String>,
    /// The process in whose network it listens, and on which address of it: the loopback of this machine, if there is none.
    pub network_of: Option<(u32, std::net::Ipv4Addr)>,
}

impl Options {
    /// With TLS.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// For one account only (htpasswd).
    #[must_use]
    pub fn account(mut self, user: &str, password: &str) -> Self {
        self.account = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// As a pull-through cache.
    #[must_use]
    pub fn cache_of(mut self, url: &str) -> Self {
        self.cache_of = Some(url.to_owned());
        self
    }

    /// With its blobs elsewhere.
    #[must_use]
    pub fn blobs_at(mut self, url: &str) -> Self {
        self.blobs_at = Some(url.to_owned());
        self
    }

    /// In the network of another process.
    #[must_use]
    pub fn network_of(mut self, process: u32, address: std::net::Ipv4Addr) -> Self {
        self.network_of = Some((process, address));
        self
    }

    /// In whose network it listens, if it is another's.
    pub(crate) fn process(&self) -> Option<u32> {
        self.network_of.map(|(process, _)| process)
    }

    /// Where it listens.
    pub(crate) fn host(&self) -> std::net::Ipv4Addr {
        self.network_of
            .map_or(std::net::Ipv4Addr::LOCALHOST, |(_, address)| address)
    }

    /// With a token server.
    #[must_use]
    pub fn token_server(mut self, url: &str) -> Self {
        self.token_server = Some(url.to_owned());
        self
    }
}

pub(crate) fn write(
    directory: &Path,
    options: &Options,
    certificates: Option<&Certificates>,
    address: &str,
) -> PathBuf {
    let mut text = format!(
        "version: 0.1\n\
         log:\n  level: info\n  formatter: text\n\
         storage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\n\
         http:\n  addr: {address}\n  secret: test\n",
        directory.join("storage").display()
    );
    if let Some(Certificates {
        certificate, key, ..
    }) = certificates
    {
        let _ = write!(
            text,
            "  tls:\n    certificate: {}\n    key: {}\n",
            certificate.display(),
            key.display()
        );
    }
    if let Some((user, password)) = &options.account {
        // The least cost there is: the registry hashes the password again at every request.
        let hash = bcrypt::hash(password, 4).expect("hashing a password");
        let file = directory.join("htpasswd");
        std::fs::write(&file, format!("{user}:{hash}\n")).expect("writing the accounts");
        let _ = write!(
            text,
            "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
            file.display()
        );
    }
    if let Some(url) = &options.cache_of {
        let _ = write!(text, "proxy:\n  remoteurl: {url}\n");
    }
    if let (Some(url), Some(Certificates { authority, .. })) = (&options.token_server, certificates)
    {
        let _ = write!(
            text,
            "auth:\n  token:\n    realm: {url}\n    service: registry.example\n    issuer: test\n    rootcertbundle: {}\n",
            authority.display()
        );
    }
    if let Some(url) = &options.blobs_at {
        let _ = write!(
            text,
            "middleware:\n  storage:\n  - name: redirect\n    options:\n      baseurl: {url}\n"
        );
    }
    let file = directory.join("config.yml");
    std::fs::write(&file, text).expect("writing the registry's configuration");
    file
}
