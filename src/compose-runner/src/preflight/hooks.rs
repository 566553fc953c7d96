//! `pre_start` hooks with `per_replica: true`: Compose takes them for valid and refuses them in `up` only, when the earlier
//! containers are gone (docker/compose, `pkg/compose/pre_start.go`).

use bosh_job::ErrorReport;

use crate::{failure::error, model::Model};

/// Hooks that Compose does not run.
pub fn check(model: &Model) -> Vec<ErrorReport> {
    let services = model.services.iter();
    let hooks = services.flat_map(|(name, service)| {
        let places = service.per_replica_hooks.iter();
        places.map(move |place| (name, place))
    });
    let refused = hooks.map(|(name, place)| {
        let mut found = error(format!(
            "service {name}: pre_start[{place}] has `per_replica: true`, which Compose does not support yet"
        ));
        found.service = Some(name.clone());
        found.property = Some("recipe".to_owned());
        found.hint = Some(
            "take `per_replica` out: the hook then runs once, before the first container of the service"
                .to_owned(),
        );
        found
    });
    refused.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_for_each_replica_is_refused_with_its_service_and_place() {
        let model = r#"{"services":{"web":{"pre_start":[{"image":"a"},{"image":"b","per_replica":true}]},
            "db":{"pre_start":[{"image":"a","per_replica":false}]},"plain":{"pre_start":null}}}"#;
        let errors = check(&Model::parse(model.as_bytes()).unwrap());
        let told: Vec<&str> = errors.iter().map(|error| error.what.as_str()).collect();
        assert_eq!(
            told,
            [
                "service web: pre_start[1] has `per_replica: true`, which Compose does not support yet"
            ]
        );
    }
}
