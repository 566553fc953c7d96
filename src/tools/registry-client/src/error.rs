//! What can go wrong between here and a registry.
//!
//! No variant holds a credential, a token or the query of a URL: object stores sign their URLs in the query.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use image_archive::Digest;

use crate::words::span;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be had of a registry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting makes no sense.
    #[error("{what} `{value}` is not usable: {why}")]
    Setting {
        /// Which setting: `mirror`, `proxy`.
        what: &'static str,
        /// Its value, without credentials.
        value: String,
        /// The rule that it breaks.
        why: String,
    },
    /// A file of the settings cannot be used.
    #[error("{what} {} is not usable: {why}", path.display())]
    SettingFile {
        /// What it should hold: `Docker's configuration`, `the CA file`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A credential helper failed.
    #[error("docker-credential-{helper} gave no credentials for {registry}: {why}")]
    Helper {
        /// The helper's name, as Docker's configuration has it.
        helper: String,
        /// The registry.
        registry: String,
        /// What happened, without what the helper may have said of secrets.
        why: String,
    },
    /// No connection, or it broke, as often as it was tried.
    #[error("{method} {url} failed after {attempts} attempts")]
    Connection {
        /// `GET`, `PUT` or another.
        method: &'static str,
        /// Without its query.
        url: String,
        /// How often it was tried.
        attempts: u32,
        /// The last failure.
        source: io::Error,
    },
    /// The server's certificate is not trusted.
    #[error("the certificate of {host} is not trusted")]
    Certificate {
        /// The server, with its port.
        host: String,
        /// Why not.
        source: io::Error,
    },
    /// Bytes came too slowly, or not at all.
    #[error("{url} stalled: {bytes} bytes in {} (attempts: {attempts})", span(*window))]
    Stalled {
        /// Without its query.
        url: String,
        /// What came in the last window.
        bytes: u64,
        /// The window.
        window: Duration,
        /// How often it was tried.
        attempts: u32,
    },
    /// The registry wants other credentials, or any (401).
    #[error("{registry} refused access to {what}{}{}", if *.anonymous { " without credentials" } else { "" }, said(message.as_deref()))]
    Unauthorized {
        /// The registry or mirror.
        registry: String,
        /// Repository with tag or digest.
        what: String,
        /// Whether there were no credentials for this registry.
        anonymous: bool,
        /// What the registry said.
        message: Option<String>,
    },
    /// The registry knows who asks, and refuses (403).
    #[error("{registry} denied access to {what}{}", said(message.as_deref()))]
    Denied {
        /// The registry or mirror.
        registry: String,
        /// Repository with tag or digest.
        what: String,
        /// Whether there were no credentials for this registry.
        anonymous: bool,
        /// What the registry said.
        message: Option<String>,
    },
    /// There is no such thing (404).
    #[error("{registry} has no {what}{}", said(message.as_deref()))]
    NotFound {
        /// The registry or mirror.
        registry: String,
        /// Repository with tag or digest.
        what: String,
        /// What the registry said.
        message: Option<String>,
    },
    /// The registry wants to be asked less often (429).
    #[error("{registry} limits requests{}{}{}", limit.as_ref().map(|limit| format!(" ({limit})")).unwrap_or_default(), said(message.as_deref()), retry_after.map(|wait| format!("; it can be asked again in {}", span(wait))).unwrap_or_default())]
    RateLimited {
        /// The registry or mirror.
        registry: String,
        /// In how long it will answer again, if it says.
        retry_after: Option<Duration>,
        /// The limit, as the registry's `RateLimit` headers have it: `100 requests in 6 h, 0 left`.
        limit: Option<String>,
        /// Whether there were no credentials for this registry.
        anonymous: bool,
        /// What the registry said.
        message: Option<String>,
    },
    /// Any other status.
    #[error(
        "{method} {url} was answered with status {status} (attempts: {attempts}){}",
        said(message.as_deref())
    )]
    Status {
        /// `GET`, `PUT` or another.
        method: &'static str,
        /// Without its query.
        url: String,
        /// The status.
        status: u16,
        /// How often it was tried.
        attempts: u32,
        /// What the server said.
        message: Option<String>,
    },
    /// The server that a registry sends to for its blobs does not give one out.
    #[error(
        "{registry} sends to {store} for {what}, which refuses with status {status} (attempts: {attempts}){}",
        said(message.as_deref())
    )]
    Store {
        /// The registry or mirror.
        registry: String,
        /// The server's URL, without its query.
        store: String,
        /// Repository with digest.
        what: String,
        /// The status.
        status: u16,
        /// How often it was tried, each time by a URL of its own.
        attempts: u32,
        /// What the server said.
        message: Option<String>,
    },
    /// The token server gave no token.
    #[error("{realm} gave no token for {registry}: {why}")]
    Token {
        /// The token server's URL, without its query.
        realm: String,
        /// The registry that named it.
        registry: String,
        /// What is wrong.
        why: String,
    },
    /// A token server where a registry in the internet can have none. It was not asked.
    #[error(
        "{registry} names a token server on this machine or in a private network, {realm}, which was not asked"
    )]
    Realm {
        /// The token server's URL, without its query.
        realm: String,
        /// Its host and port.
        host: String,
        /// The registry that named it.
        registry: String,
    },
    /// A redirect that is not followed.
    #[error("{url} redirects to where it may not: {why}")]
    Redirect {
        /// What was asked, without its query.
        url: String,
        /// Why it is not followed.
        why: String,
    },
    /// An answer that breaks the protocol.
    #[error("{url} was answered wrongly: {why}")]
    Protocol {
        /// Without its query.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// A document larger than any real one.
    #[error("{what} at {registry} is larger than {limit} bytes")]
    TooLarge {
        /// The registry or mirror.
        registry: String,
        /// Repository with tag or digest.
        what: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// A manifest or index that is none.
    #[error("{what} at {registry} is not a manifest: {why}")]
    NotAManifest {
        /// The registry or mirror.
        registry: String,
        /// Repository with tag or digest.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// A manifest of a kind from before content was addressed by digest.
    #[error("{what} at {registry} is a manifest of schema 1, which cannot be verified")]
    Schema1 {
        /// The registry or mirror.
        registry: String,
        /// Repository with tag or digest.
        what: String,
    },
    /// Other bytes than asked for.
    #[error("{what} of {registry} has digest {actual} instead of {expected}")]
    WrongDigest {
        /// The registry or mirror.
        registry: String,
        /// Repository with tag or digest.
        what: String,
        /// The digest asked for, or that the registry said.
        expected: Digest,
        /// The digest of what came.
        actual: Digest,
    },
    /// More or fewer bytes than the descriptor says.
    #[error("{what} of {registry} has {}{actual} bytes instead of {expected}", if *.at_least { "at least " } else { "" })]
    WrongSize {
        /// The registry or mirror.
        registry: String,
        /// Repository with digest.
        what: String,
        /// Size in the descriptor.
        expected: u64,
        /// Size of what came or was announced.
        actual: u64,
        /// Whether reading stopped at `actual`.
        at_least: bool,
    },
    /// The file that a blob is written to.
    #[error("{doing} {}", path.display())]
    File {
        /// As a gerund: `writing`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// Neither a mirror nor the registry served it.
    #[error("neither mirror {mirror} ({failure}) nor what comes after it could serve this")]
    Mirror {
        /// The mirror.
        mirror: String,
        /// What went wrong with the mirror.
        failure: String,
        /// What went wrong after that, with the next mirror or the registry.
        source: Box<Error>,
    },
    /// The registry did not take something.
    #[error("{doing}")]
    Push {
        /// As a gerund, with what and where.
        doing: String,
        /// What went wrong.
        source: Box<Error>,
    },
    /// [`Client::cancel`](crate::Client::cancel) was called.
    #[error("cancelled")]
    Cancelled,
}

fn said(message: Option<&str>) -> String {
    message
        .map(|message| format!(": {message}"))
        .unwrap_or_default()
}

impl Error {
    /// Notes how often it was tried.
    pub(crate) fn after(mut self, made: u32) -> Self {
        if let Self::Connection { attempts, .. }
        | Self::Stalled { attempts, .. }
        | Self::Status { attempts, .. }
        | Self::Store { attempts, .. } = &mut self
        {
            *attempts = made;
        }
        self
    }

    /// Whether this is about this machine or this program, so that another server would not help.
    pub(crate) fn is_ours(&self) -> bool {
        self.is_settings() || matches!(self, Self::File { .. } | Self::Cancelled)
    }

    /// Whether what came is not what was to come, rather than that nothing came.
    #[must_use]
    pub fn is_verification(&self) -> bool {
        match self {
            Self::Mirror { source, .. } | Self::Push { source, .. } => source.is_verification(),
            Self::WrongDigest { .. }
            | Self::WrongSize { .. }
            | Self::TooLarge { .. }
            | Self::NotAManifest { .. }
            | Self::Schema1 { .. } => true,
            _ => false,
        }
    }

    /// Whether the settings are at fault: exit code 2.
    #[must_use]
    pub fn is_settings(&self) -> bool {
        matches!(self, Self::Setting { .. } | Self::SettingFile { .. })
    }

    /// Whether the registry said that there is no such thing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Mirror { source, .. } => source.is_not_found(),
            Self::NotFound { .. } => true,
            _ => false,
        }
    }
}
