//! One blob, fetched into a file of its own.

use std::path::PathBuf;

use image_archive::{Descriptor, Reference};
use registry_client::{Client, Result, Settings};

use super::server::Server;

/// A client's end of the trial.
pub struct Trial {
    pub client: Client,
    pub reference: Reference,
    pub part: PathBuf,
    _directory: tempfile::TempDir,
}

impl Trial {
    pub fn new(server: &Server, settings: Settings) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            client: Client::new(settings).unwrap(),
            reference: format!("{}/team/app:1", server.address()).parse().unwrap(),
            part: directory.path().join("part"),
            _directory: directory,
        }
    }

    pub fn fetch(&self, blob: &Descriptor) -> Result<()> {
        self.client.blob(&self.reference, blob, &self.part, &|_| ())
    }

    pub fn got(&self) -> Vec<u8> {
        std::fs::read(&self.part).unwrap()
    }
}
