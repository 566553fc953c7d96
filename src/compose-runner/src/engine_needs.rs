//! What a recipe needs of the engine that older engines do not have: they would run the service without it, or fail half-way.

use docker_engine::ApiVersion;
use serde_json::Value;

/// Something that an older engine does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineNeed {
    /// Where it stands in the service.
    pub place: String,
    /// The version of the API that knows it.
    pub api: ApiVersion,
    /// The engine that speaks it.
    pub engine: &'static str,
}

impl EngineNeed {
    fn new(place: String, minor: u16, engine: &'static str) -> Self {
        Self {
            place,
            api: ApiVersion::new(1, minor),
            engine,
        }
    }
}

/// What a service needs, of which Compose wrote this.
pub fn engine_needs(service: &Value) -> Vec<EngineNeed> {
    let mut needs = Vec::new();
    for volume in service["volumes"].as_array().into_iter().flatten() {
        let target = volume["target"].as_str().unwrap_or_default();
        if volume["type"] == "image" {
            needs.push(EngineNeed::new(
                format!("an image as volume {target} (`type: image`)"),
                48,
                "28",
            ));
        }
        if !volume["volume"]["subpath"]
            .as_str()
            .unwrap_or_default()
            .is_empty()
        {
            needs.push(EngineNeed::new(
                format!("`subpath` of volume {target}"),
                45,
                "26",
            ));
        }
    }
    let networks = service["networks"].as_object().into_iter().flatten();
    for (name, network) in networks {
        if !network["interface_name"]
            .as_str()
            .unwrap_or_default()
            .is_empty()
        {
            needs.push(EngineNeed::new(
                format!("`interface_name` in network {name}"),
                49,
                "28.1",
            ));
        }
        if network["gw_priority"]
            .as_i64()
            .is_some_and(|priority| priority != 0)
        {
            needs.push(EngineNeed::new(
                format!("`gw_priority` in network {name}"),
                48,
                "28",
            ));
        }
    }
    needs
}
