//! A subnet for a deployment that no route of this machine and no other deployment touches.

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::links::ip;
use crate::subnet::{self, Subnet};

/// The subnet that is wanted, if it is free; else the first free one. `others` are those of other deployments, which
/// may be down; routes of `bridge`, the deployment's own, do not count.
pub(crate) fn choose_subnet(
    wanted: Option<Subnet>,
    others: &[Subnet],
    bridge: &str,
) -> Result<Subnet> {
    let routes = routes(bridge)?;
    let Some(wanted) = wanted else {
        let taken: Vec<Subnet> = routes.iter().chain(others).copied().collect();
        return subnet::first_free(&taken).ok_or(Error::NoSubnet);
    };
    let taken = |by: String| Error::SubnetTaken {
        subnet: wanted.to_string(),
        by,
    };
    if let Some(route) = routes.iter().find(|r| r.overlaps(&wanted)) {
        return Err(taken(format!("this machine's route to {route}")));
    }
    if let Some(other) = others.iter().find(|o| o.overlaps(&wanted)) {
        return Err(taken(format!("{other} of another deployment")));
    }
    if wanted.prefix() > 30 {
        return Err(Error::Invalid {
            what: "subnet",
            value: wanted.to_string(),
            why: "it has no room for this machine and an instance".to_owned(),
        });
    }
    Ok(wanted)
}

#[derive(Deserialize)]
struct Route {
    dst: String,
    #[serde(default)]
    dev: String,
}

/// Where this machine has routes to, but for the default route and for the links of `bridge`.
fn routes(bridge: &str) -> Result<Vec<Subnet>> {
    let json = ip(["-json", "-4", "route", "show", "table", "all"])?;
    let routes: Vec<Route> = serde_json::from_str(&json).map_err(|source| Error::State {
        path: "ip -json route".into(),
        source,
    })?;
    Ok(routes
        .iter()
        .filter(|r| r.dev != bridge)
        .filter_map(|r| r.dst.parse().ok())
        .collect())
}
