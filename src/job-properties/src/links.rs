//! What links hand over, as it is in `config.json`: null for one that nobody provides.

use serde::Deserialize;
use serde_json::Value;

/// The links of the job spec.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub registry: Option<RegistryProvider>,
}

/// What the job says that provides link `registry`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegistryProvider {
    /// The name of its instance group.
    pub address: Value,
    /// The addresses of its instances.
    pub instances: Value,
    pub port: Value,
    pub ca: Value,
    /// The hosts whose images it caches.
    pub upstreams: Value,
    pub frozen: Value,
}

impl Links {
    /// Those in a JSON value; the error says what is wrong with its shape.
    pub fn from_value(value: Value) -> Result<Self, String> {
        let Value::Object(mut links) = value else {
            return Err("is not a map".to_owned());
        };
        let registry = match links.remove("registry") {
            None => return Err("`registry` is missing".to_owned()),
            Some(Value::Null) => None,
            Some(provider @ Value::Object(_)) => Some(
                serde_json::from_value(provider).map_err(|error| format!("`registry`: {error}"))?,
            ),
            // serde would print what stands there
            Some(_) => return Err("`registry` is not a map".to_owned()),
        };
        match links.keys().next() {
            Some(unknown) => Err(format!("`{unknown}` is unknown")),
            None => Ok(Self { registry }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn says_what_is_wrong_with_the_shape_and_shows_no_value() {
        assert!(
            Links::from_value(json!({"registry": null}))
                .unwrap()
                .registry
                .is_none()
        );
        let whole = json!({"address": "r", "instances": [], "port": 1, "ca": "", "upstreams": [], "frozen": false});
        Links::from_value(json!({"registry": whole})).unwrap();
        let mut more = whole.clone();
        more["hunter2"] = json!(1);
        for (value, wanted) in [
            (json!("hunter2"), "is not a map"),
            (json!({}), "`registry` is missing"),
            (json!({"registry": "hunter2"}), "`registry` is not a map"),
            (json!({"registry": null, "db": 1}), "`db` is unknown"),
            (
                json!({"registry": {"address": "hunter2"}}),
                "`registry`: missing field `instances`",
            ),
            (
                json!({"registry": more}),
                "`registry`: unknown field `hunter2`, expected one of `address`, `instances`, `port`, `ca`, `upstreams`, `frozen`",
            ),
        ] {
            assert_eq!(Links::from_value(value).unwrap_err(), wanted);
        }
    }
}
