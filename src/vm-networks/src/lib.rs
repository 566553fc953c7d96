//! The networks that a VM has, and the resolvers that it was given: what dockerd's own networks must keep out of, and what
//! their containers ask.

mod cidr;
mod networks;
mod own_address;
mod question;
mod resolv_conf;

pub use cidr::{Cidr, NoCidr};
pub use networks::{
    VmNetwork, VmNetworksError, bridge_of, bridges, interface_addresses, is_named_by_dockerd,
    vm_networks,
};
pub use own_address::own_address;
#[cfg(any(test, feature = "test-support"))]
pub use question::query;
pub use question::{Question, REFUSED, SERVER_FAILURE};
pub use resolv_conf::ResolvConf;
