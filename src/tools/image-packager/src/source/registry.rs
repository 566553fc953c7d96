//! Images in registries.

use std::fmt;

use image_archive::{Descriptor, Platform, Reference};
use registry_client::Client;

use super::chain::{self, Documents};
use super::{Fetch, Found, Origin, Result};

/// A repository of a registry.
#[derive(Clone)]
pub struct Repository {
    client: Client,
    reference: Reference,
}

impl fmt::Debug for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Repository")
            .field(&self.reference.repository())
            .finish()
    }
}

impl Documents for Repository {
    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        Ok(self.client.document(&self.reference, descriptor)?)
    }
}

impl Repository {
    /// Fetches a layer, going on from what the part file holds already.
    pub fn fetch(&self, fetch: Fetch<'_>, progress: &dyn Fn(u64)) -> Result<()> {
        let descriptor = &fetch.layer.descriptor;
        Ok(self
            .client
            .blob(&self.reference, descriptor, fetch.part, progress)?)
    }
}

/// Asks the registry what `reference` stands for, and for documents and config of the image for `platform`.
pub fn find(
    client: &Client,
    reference: &Reference,
    named: Option<&Reference>,
    platform: &Platform,
) -> Result<Found> {
    let repository = Repository {
        client: client.clone(),
        reference: reference.clone(),
    };
    let resolved = client.resolve(reference)?;
    let first = (resolved.descriptor, resolved.bytes);
    let described = chain::describe(&repository, &first, platform, &reference.familiar())?;
    Ok(Found {
        reference: named.unwrap_or(reference).clone(),
        described,
        note: named.map(|_| format!("docker://{reference}")),
        origin: Origin::Registry(repository),
    })
}
