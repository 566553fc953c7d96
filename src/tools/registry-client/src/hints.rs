//! What one can do about an error.

use crate::error::Error;

impl Error {
    /// What the reader of the message can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let fixed = match self {
            Self::Mirror { source, .. } => return source.hint(),
            Self::Unauthorized {
                registry,
                anonymous: true,
                ..
            }
            | Self::Denied {
                registry,
                anonymous: true,
                ..
            } => {
                return Some(format!(
                    "check the name; if the repository is private, run `docker login {registry}` or give credentials"
                ));
            }
            Self::Unauthorized { registry, .. } | Self::Denied { registry, .. } => {
                return Some(format!(
                    "check the name and whether the credentials for {registry} are right and may read this repository"
                ));
            }
            Self::RateLimited {
                registry,
                anonymous: true,
                ..
            } => {
                return Some(format!(
                    "try again later, use a mirror, or log in: `docker login {registry}` raises many registries' limits"
                ));
            }
            Self::RateLimited { .. } => "try again later, or use a mirror",
            Self::Realm { host, .. } => {
                return Some(format!(
                    "check that this is the registry that it should be; if the token server is right, name it as insecure: `{host}`"
                ));
            }
            Self::NotFound { .. } => {
                "check the name and the tag; private repositories can look like this, too"
            }
            Self::Certificate { .. } => {
                "give the file of the authority that signed it as CA file, or name the registry as insecure"
            }
            Self::Connection { .. } => {
                "check the name, the network and the proxy settings; what has come is kept, and the next run goes on from there"
            }
            Self::Store { .. } => {
                "the registry itself let it through: check this machine's clock, and whether a proxy or firewall keeps it from that server; else its operator has to look"
            }
            Self::Stalled { .. } => {
                "try again: what has come is kept, and the next run goes on from there"
            }
            Self::Helper { .. } => {
                "install or repair the helper, or take it out of credsStore or credHelpers in Docker's configuration"
            }
            Self::Schema1 { .. } => {
                "push the image again with a Docker of 2016 or later, or use another tag"
            }
            Self::WrongDigest { .. } | Self::WrongSize { .. } => {
                "the registry, a mirror or a proxy in between serves damaged data: try again, or without the mirror"
            }
            _ => return None,
        };
        Some(fixed.to_owned())
    }
}
