//! Values of dockerd's settings, typed until `daemon.json` is written.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;
use serde_json::Value;

/// A setting's value. Serialized, it is what dockerd takes in `daemon.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum SettingValue {
    /// On or off.
    Switch(bool),
    /// A name.
    Word(String),
    /// An IP address.
    Address(IpAddr),
    /// `name=value`, each.
    Pairs(Vec<String>),
    /// Values by name, each once.
    Options(BTreeMap<String, String>),
    /// Limits by name.
    Limits(BTreeMap<String, Ulimit>),
    /// One of property `daemon`, which dockerd alone knows the type of.
    Given(Value),
}

/// A limit of a process (`setrlimit`); -1 is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Ulimit {
    /// `nofile`, for one.
    pub name: String,
    /// What a process starts with.
    pub soft: i64,
    /// What it can raise it to.
    pub hard: i64,
}

impl From<bool> for SettingValue {
    fn from(value: bool) -> Self {
        Self::Switch(value)
    }
}
