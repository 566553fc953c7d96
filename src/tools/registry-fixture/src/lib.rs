//! A real registry of a test's own: Debian's `docker-registry` on a free port of the loopback, with its own storage,
//! gone when dropped.
//!
//! The environment variable `CONTAINERS_TEST_REGISTRY` names the program. Without it a test fails; it is not skipped.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "it serves tests only"
)]

mod certificates;
mod configuration;
mod process;
mod push;
mod requests;

use std::path::{Path, PathBuf};

use crate::certificates::Certificates;
use crate::process::Process;

pub use configuration::Options;
pub use push::{Pushed, digest};
pub use requests::Request;

/// Names the program `docker-registry`.
pub const VARIABLE: &str = "CONTAINERS_TEST_REGISTRY";

/// A registry that runs.
#[derive(Debug)]
pub struct Registry {
    process: Process,
    options: Options,
    certificates: Option<Certificates>,
    agent: ureq::Agent,
    directory: tempfile::TempDir,
}

impl Registry {
    /// Starts one over plain HTTP, open to everybody.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// Starts one with TLS, with accounts, or in front of another registry.
    ///
    /// Panics, with the registry's log, if it does not listen within half a minute.
    #[must_use]
    pub fn start_with(options: Options) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("registry-")
            .tempdir()
            .expect("making a directory");
        let certificates = options
            .tls
            .then(|| Certificates::write(directory.path(), options.host()));
        let configuration = configuration::write(
            directory.path(),
            &options,
            certificates.as_ref(),
            &format!("{}:0", options.host()),
        );
        let process = Process::start(&configuration, directory.path(), options.process());
        Self {
            agent: push::agent(certificates.as_ref()),
            process,
            options,
            certificates,
            directory,
        }
    }

    /// `127.0.0.1:PORT`, or another address: the registry's part of a reference.
    pub fn address(&self) -> &str {
        self.process.address()
    }

    /// `http://127.0.0.1:PORT` or `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        let scheme = if self.options.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address())
    }

    /// The PEM file of the authority that signed the registry's certificate.
    ///
    /// Panics if the registry has none.
    pub fn ca_file(&self) -> &Path {
        let certificates = self.certificates.as_ref().expect("a registry with TLS");
        &certificates.authority
    }

    /// Where the registry keeps what was pushed: for tests that damage it.
    pub fn storage(&self) -> PathBuf {
        self.directory.path().join("storage")
    }

    /// What the registry was asked so far, oldest first. It logs a request when it has answered it.
    pub fn requests(&self) -> Vec<Request> {
        requests::read(&self.process.log())
    }

    /// Ends the registry; what was pushed stays. [`Registry::restart`] starts it again.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Starts the registry again, on the same storage and port.
    pub fn restart(&mut self) {
        self.process.stop();
        let configuration = configuration::write(
            self.directory.path(),
            &self.options,
            self.certificates.as_ref(),
            self.process.address(),
        );
        self.process = Process::start(
            &configuration,
            self.directory.path(),
            self.options.process(),
        );
    }
}
