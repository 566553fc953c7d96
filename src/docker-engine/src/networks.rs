//! Networks: what there is, making and removing them.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Engine, Filters, Result, Timeouts,
    nullable::or_default,
    request::{Payload, Request, segment},
};

/// A network in a list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Network {
    /// Its full ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `bridge`, `host`, `macvlan`, ….
    pub driver: String,
    /// Whether nothing leads out of it.
    pub internal: bool,
    /// The driver's options.
    #[serde(deserialize_with = "or_default")]
    pub options: BTreeMap<String, String>,
    /// Its labels.
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
    /// Its addresses.
    #[serde(rename = "IPAM", deserialize_with = "or_default")]
    pub ipam: Ipam,
}

/// Addresses of a network.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ipam {
    /// One entry a subnet.
    #[serde(deserialize_with = "or_default")]
    pub config: Vec<Subnet>,
}

/// A subnet of a network.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Subnet {
    /// In CIDR notation.
    pub subnet: String,
}

impl Engine {
    /// The networks that pass the filters.
    pub fn networks(&self, filters: &Filters) -> Result<Vec<Network>> {
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

    /// Removes a network, on which no container may run. One that is gone already is no error.
    pub fn remove_network(&self, id: &str) -> Result<()> {
        let request = Request::delete(format!("/networks/{}", segment(id)))
            .timeouts(Timeouts::silence(Duration::from_mins(1)));
        match self.done(request) {
            Err(error) if error.is_not_found() => Ok(()),
            outcome => outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_old_and_new_engines_write() {
        let networks: Vec<Network> = serde_json::from_str(
            r#"[{"Name":"host","Id":"1","Driver":"host","Internal":false,"IPAM":{"Driver":"default","Options":null,"Config":null},
                 "Options":null,"Labels":null},
                {"Name":"a","Id":"2","Driver":"bridge","Internal":true,"EnableIPv6":false,"Options":{"com.docker.network.driver.mtu":"1400"},
                 "IPAM":{"Config":[{"Subnet":"172.18.0.0/16","Gateway":"172.18.0.1"}]},"Labels":{"x":"y"},"Containers":{}}]"#,
        )
        .unwrap();
        assert!(networks[0].ipam.config.is_empty() && !networks[0].internal);
        assert_eq!(networks[1].ipam.config[0].subnet, "172.18.0.0/16");
        assert_eq!(networks[1].options["com.docker.network.driver.mtu"], "1400");
    }
}
