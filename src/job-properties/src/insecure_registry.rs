//! A registry that dockerd does not hold to TLS.

use serde_json::Value;

use super::address::{RegistryAddress, is_host_and_port, is_network};
use super::values::kind;
use bosh_job::Problem;
use vm_networks::Cidr;

/// A registry that is reached without TLS, or whose certificate is not checked: host, host:port, or a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsecureRegistry(String);

impl InsecureRegistry {
    /// As dockerd takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether dockerd does not hold a registry to TLS because of it. A name's addresses, which dockerd looks up for networks,
    /// are not known here.
    pub(super) fn covers(&self, registry: &RegistryAddress) -> bool {
        let network: Option<Cidr> = self.0.parse().ok();
        let in_network = || Some(network?.contains(&Cidr::host(registry.ip()?)));
        self.0 == registry.as_str() || in_network().unwrap_or_default()
    }

    pub(super) fn parse(place: &str, value: &Value) -> Result<Self, Problem> {
        let Some(text) = value.as_str() else {
            let what = format!(
                "must be host, host:port or a network, and is {}",
                kind(value)
            );
            return Err(Problem::new(place, what));
        };
        let wrong = |what: &str| {
            // it may hold a password where somebody wrote a whole URL
            Err(Problem::new(place, what)
                .hint("write registry.example:5000, or a network as 10.0.0.0/8"))
        };
        if text.contains("://") {
            return wrong("must be host, host:port or a network, without a scheme");
        }
        if text.contains('@') {
            return wrong("must be host, host:port or a network, without a user");
        }
        if is_network(text) || is_host_and_port(text) {
            return Ok(Self(text.to_owned()));
        }
        wrong("must be host, host:port or a network")
    }
}

impl From<&RegistryAddress> for InsecureRegistry {
    fn from(address: &RegistryAddress) -> Self {
        Self(address.as_str().to_owned())
    }
}
