//! A client for OCI registries: it reads and puts manifests by tag or digest, and blobs by digest.
//!
//! It is blocking, needs no Docker daemon, and holds no more of a blob in memory than a buffer. What comes from a
//! registry, a mirror or a token server is taken as hostile: every byte is checked against a digest, every wait and
//! every document is bounded, credentials go only to the server that they are for.
//!
//! Sources: the OCI distribution specification (`spec.md`), distribution's `spec/auth/token.md` and `oauth.md`, and
//! Docker's client for what `config.json` means.

mod answer;
mod auth;
mod auth_files;
mod blob;
mod cancel;
mod client;
mod endpoint;
pub mod environment;
mod error;
mod hints;
mod host_rules;
mod images;
mod location;
mod manifest;
mod p521_signatures;
mod part;
mod proxy;
mod push;
mod rate_limit;
mod registry_keys;
mod registry_session;
mod request;
mod retry;
mod roots;
mod secret;
mod settings;
mod tls;
mod transport;
mod trust;
mod words;

#[cfg(feature = "fuzzing")]
pub mod fuzzing;

pub use client::Client;
pub use error::{Error, Result};
pub use images::Resolved;
pub use push::{Content, Mount, OpenUpload};
pub use secret::{Credentials, Secret};
pub use settings::{Limits, Proxies, Retry, Settings, Timeouts};
