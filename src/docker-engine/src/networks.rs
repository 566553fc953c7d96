//! Networks: making, listing and removing them.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Engine, Filters, Result,
    request::{Payload, Request, segment},
};

/// A network in a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkSummary {
    /// Its full ID.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
}

impl Engine {
    /// The networks that pass the filters.
    pub fn networks(&self, filters: &Filters) -> Result<Vec<NetworkSummary>> {
        self.json(Request::get("/networks").query("filters", filters.to_query()))
    }

    /// Makes a network with these labels, its driver the engine's default (`bridge`), and returns its ID.
    pub fn create_network(&self, name: &str, labels: &Value) -> Result<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Created {
            id: String,
        }
        let request = Request::post("/networks/create");
        let config = json!({"Name": name, "CheckDuplicate": true, "Labels": labels});
        let created: Created = self.json(request.payload(Payload::Json(config)))?;
        Ok(created.id)
    }

    /// Removes a network that no container is on. One that is gone already is no error.
    pub fn remove_network(&self, id: &str) -> Result<()> {
        match self.done(Request::delete(format!("/networks/{}", segment(id)))) {
            Err(error) if error.is_not_found() => Ok(()),
            outcome => outcome,
        }
    }
}
