//! An instance before its templates are rendered.

use std::net::Ipv4Addr;

/// What is known of an instance before its templates are rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceFacts {
    /// Its group.
    pub group: String,
    /// Its place in the group, from 0.
    pub index: usize,
    /// Its UUID, the same for all its life.
    pub id: String,
    /// Its availability zone, if the group has any.
    pub az: Option<String>,
    /// Its address.
    pub ip: Ipv4Addr,
    /// The address of the private network's other end.
    pub gateway: Ipv4Addr,
    /// The network's mask.
    pub netmask: Ipv4Addr,
}
