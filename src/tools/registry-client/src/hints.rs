//! What one can do about an error.

use crate::error::Error;

impl Error {
    /// What the reader of the message can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        if let Some((registry, is_anonymous)) = self.refused() {
            return Some(if is_anonymous {
                format!(
                    "check the name; if the repository is private, run `docker login {registry}` or give credentials"
                )
            } else {
                format!(
                    "check the name and whether the credentials for {registry} are right and may read this repository"
                )
            });
        }
        let fixed = match self {
            Self::Mirror { source, .. } => return source.hint(),
            Self::Push { source, .. } => return source.hint_of_push(),
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

    /// The registry that refused access, and whether it was asked without a login.
    fn refused(&self) -> Option<(&str, bool)> {
        match self {
            Self::Unauthorized {
                registry,
                anonymous,
                ..
            }
            | Self::Denied {
                registry,
                anonymous,
                ..
            } => Some((registry, *anonymous)),
            _ => None,
        }
    }

    /// What the reader can do about an error of a push.
    fn hint_of_push(&self) -> Option<String> {
        if let Some((registry, is_anonymous)) = self.refused() {
            return Some(if is_anonymous {
                format!(
                    "log in with `docker login {registry}` or `skopeo login {registry}`, or give --username and --password-stdin"
                )
            } else {
                format!(
                    "check that the credentials for {registry} are right, may push to this repository, and that its project is there"
                )
            });
        }
        let fixed = match self {
            Self::NotFound { .. } => {
                "check the destination's name; some registries want a project or repository to be made before anything is pushed to it"
            }
            Self::RateLimited { .. } => "try again later: what has arrived is not sent again",
            Self::Status { status: 413, .. } => {
                "have the proxy in front of the registry let larger bodies through (nginx: client_max_body_size)"
            }
            Self::Status { status: 507, .. } => {
                "the registry's disk is full: have its operator free some, then push again; what has arrived is not sent again"
            }
            Self::Connection { .. } | Self::Stalled { .. } | Self::Status { status: 500.., .. } => {
                "check the registry, the network and the proxy settings, then push again: what has arrived is not sent again"
            }
            Self::WrongDigest { .. } => {
                "the registry, or a proxy in between, stored other bytes than it was sent: have its operator look, then push again"
            }
            _ => return self.hint(),
        };
        Some(fixed.to_owned())
    }
}
