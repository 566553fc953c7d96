//! Property `daemon`: settings of dockerd that have no property of their own.

use serde_json::{Map, Value};

use super::daemon_settings::{DAEMON_SETTINGS, DaemonSetting, DaemonSource};
use super::values::kind;
use bosh_job::{Problem, Problems};

/// The settings, none of which a property or the job owns. dockerd itself says which it does not know.
pub(super) fn parse(value: &Value) -> Result<Map<String, Value>, Problems> {
    let settings = match value {
        Value::Null => return Ok(Map::new()),
        Value::Object(settings) => settings,
        other => {
            let what = format!(
                "must be a map of dockerd's settings, and is {}",
                kind(other)
            );
            return Err(Problem::new("daemon", what).into());
        }
    };
    let mut problems = Problems::default();
    for (key, value) in settings {
        if let Some(problem) = owned(key, value) {
            problems.push(problem);
        }
    }
    problems.into_result(Some(settings.clone()))
}

fn owned(key: &str, value: &Value) -> Option<Problem> {
    let place = format!("daemon.{key}");
    if let Some(setting) = DaemonSetting::find(key) {
        return refusal(place, setting);
    }
    let mut inner = DAEMON_SETTINGS
        .iter()
        .filter_map(|setting| Some((setting.key.split_once('.')?, setting)))
        .filter(|((map, _), _)| *map == key)
        .peekable();
    if inner.peek().is_some() && !value.is_object() {
        return Some(Problem::new(
            place,
            format!("must be a map, and is {}", kind(value)),
        ));
    }
    let (_, setting) = inner.find(|((_, name), _)| value.get(name).is_some())?;
    refusal(format!("daemon.{}", setting.key), setting)
}

/// Why the setting does not belong into `daemon`, if it is another's.
fn refusal(place: String, setting: &DaemonSetting) -> Option<Problem> {
    match setting.source {
        DaemonSource::Plain(property) | DaemonSource::Section(property) => Some(
            Problem::new(place, format!("belongs to the property `{property}`"))
                .hint(format!("set `{property}` instead")),
        ),
        DaemonSource::Job(why) => {
            let what = format!("is the job's own, and cannot be changed: {why}");
            Some(Problem::new(place, what).hint("take it out of `daemon`"))
        }
        DaemonSource::Map => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn takes_what_nobody_owns() {
        let settings = json!({"max-concurrent-downloads": 5, "features": {"buildkit": true}});
        assert_eq!(Value::Object(parse(&settings).unwrap()), settings);
        assert!(parse(&Value::Null).unwrap().is_empty());
    }

    #[test]
    fn refuses_every_owned_key_with_the_property_to_use() {
        let flat = |setting: &&DaemonSetting| !setting.key.contains('.');
        for setting in DAEMON_SETTINGS.iter().filter(flat) {
            let Some(property) = setting.property() else {
                continue;
            };
            for key in [Some(setting.key), setting.flag].into_iter().flatten() {
                refuses(key, property);
            }
        }
        assert!(DaemonSetting::find("storage-opt").is_some());
    }

    fn refuses(key: &str, property: &str) {
        let problems = parse(&json!({ key: "hunter2" })).unwrap_err();
        let problem = problems.iter().next().unwrap();
        assert_eq!(problem.property, format!("daemon.{key}"));
        assert!(
            problem.to_string().contains(&format!("`{property}`")),
            "{problem}"
        );
        assert!(!problem.to_string().contains("hunter2"));
    }

    #[test]
    fn refuses_what_is_the_jobs_own_and_the_image_store() {
        for setting in DAEMON_SETTINGS {
            if let DaemonSource::Job(why) = setting.source {
                let problems = parse(&json!({ setting.key: 1 })).unwrap_err();
                assert!(problems.to_string().contains(why), "{problems}");
            }
        }
        let store = json!({"features": {"containerd-snapshotter": true}});
        assert!(
            parse(&store)
                .unwrap_err()
                .to_string()
                .contains("`image_store`")
        );
        let features = parse(&json!({"features": "hunter2"})).unwrap_err();
        assert!(!features.to_string().contains("hunter2"));
        assert_eq!(parse(&json!([])).unwrap_err().iter().count(), 1);
    }
}
