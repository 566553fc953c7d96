//! Images that a service needs besides its own: those of its `pre_start` hooks, which run in containers of their own, and those
//! that it mounts (a volume of `type: image`). They are checked, pulled and kept like its own.

use std::fmt;

use bosh_job::Secret;
use serde_json::Value;

/// What stands before the name of such an image among the images of a kept recipe, whose other names are services.
const KEPT: &str = "image ";

/// A service's other images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherImages {
    /// Where each stands.
    pub places: Vec<(Place, String)>,
    /// The hooks as Compose wrote them, if any has an image of its own.
    pub hooks: Option<Secret>,
    /// The volumes as Compose wrote them.
    pub volumes: Vec<Value>,
}

/// Where an image stands in a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The place of a hook in `pre_start`.
    Hook(usize),
    /// Where a volume is mounted.
    Volume(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hook(index) => write!(f, "hook pre_start[{index}]"),
            Self::Volume(target) => write!(f, "volume {target}"),
        }
    }
}

impl OtherImages {
    /// Those of a service, of which Compose wrote this. A hook without an image of its own runs that of its service, which
    /// Compose puts there.
    pub fn of(service: &Value) -> Self {
        let text = |value: &Value| {
            value
                .as_str()
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let own = text(&service["image"]);
        let hooks = service["pre_start"].as_array().into_iter().flatten();
        let hooks = hooks.enumerate().filter_map(|(index, hook)| {
            let image = text(&hook["image"]).filter(|image| own.as_ref() != Some(image))?;
            Some((Place::Hook(index), image))
        });
        let volumes = service["volumes"].as_array().into_iter().flatten();
        let volumes: Vec<Value> = volumes
            .filter(|volume| volume["type"] == "image")
            .cloned()
            .collect();
        let mounted = volumes.iter().filter_map(|volume| {
            let target = text(&volume["target"]).unwrap_or_default();
            Some((Place::Volume(target), text(&volume["source"])?))
        });
        let mut places: Vec<_> = hooks.collect();
        let has_hooks = !places.is_empty();
        places.extend(mounted);
        Self {
            places,
            hooks: has_hooks.then(|| Secret::new(service["pre_start"].to_string())),
            volumes,
        }
    }
}

/// The name of such an image among those of a kept recipe.
pub fn kept_name(image: &str) -> String {
    format!("{KEPT}{image}")
}
