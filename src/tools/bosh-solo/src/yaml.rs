//! YAML files of a release, read by the rules of YAML 1.1, by which BOSH reads them.

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use std::fs;
use std::path::Path;

/// Reads a file into a type.
pub fn read_as<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let value =
        bosh_manifest::parse(&text).with_context(|| format!("reading {}", path.display()))?;
    let json =
        bosh_manifest::to_json(&value).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_value(json).with_context(|| format!("reading {}", path.display()))
}
