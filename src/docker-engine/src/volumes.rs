//! Volumes: making, listing and removing them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Engine, Filters, Result,
    nullable::or_default,
    request::{Payload, Request, segment},
};

/// A volume in a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumeSummary {
    /// Its name.
    pub name: String,
    /// Its driver.
    #[serde(default)]
    pub driver: String,
    /// The driver's options.
    #[serde(default, deserialize_with = "or_default")]
    pub options: BTreeMap<String, String>,
    /// Its labels.
    #[serde(default, deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
}

impl Engine {
    /// The volumes that pass the filters.
    pub fn volumes(&self, filters: &Filters) -> Result<Vec<VolumeSummary>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct List {
            #[serde(default, deserialize_with = "or_default")]
            volumes: Vec<VolumeSummary>,
        }
        let list: List =
            self.json(Request::get("/volumes").query("filters", filters.to_query()))?;
        Ok(list.volumes)
    }

    /// Makes a volume with these labels, on the engine's own disk.
    pub fn create_volume(&self, name: &str, labels: &Value) -> Result<()> {
        let config = json!({"Name": name, "Labels": labels});
        self.done(Request::post("/volumes/create").payload(Payload::Json(config)))
    }

    /// Removes a volume with its data; no container may use it. One that is gone already is no error.
    pub fn remove_volume(&self, name: &str) -> Result<()> {
        match self.done(Request::delete(format!("/volumes/{}", segment(name)))) {
            Err(error) if error.is_not_found() => Ok(()),
            outcome => outcome,
        }
    }
}
