//! Properties `log_driver` and `log_options`: what the engine does with the output of containers.

use std::collections::BTreeMap;

use serde_json::Value;

use super::setting_value::SettingValue;
use super::values::{pairs, word};
use bosh_job::{Problem, Problems};

/// The engine's own drivers that keep files; without a cap these grow until the disk is full.
const WITH_FILES: [&str; 2] = ["json-file", "local"];
/// What a container's files may take, unless `log_options` says otherwise.
const CAP: [(&str, &str); 2] = [("max-size", "10m"), ("max-file", "3")];

/// `log-driver` and `log-opts` of `daemon.json`.
pub(super) fn parse(
    driver: &Value,
    options: &Value,
) -> Result<BTreeMap<String, SettingValue>, Problems> {
    let mut problems = Problems::default();
    let driver = problems.note(word("log_driver", driver));
    let options = problems.note_all(pairs("log_options", options));
    let settings = (|| {
        let (driver, options) = (driver?, options?);
        let mut all = BTreeMap::new();
        if WITH_FILES.contains(&driver) {
            all.extend(CAP.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        for (position, (name, value)) in options.iter().enumerate() {
            if options[..position].iter().any(|(other, _)| other == name) {
                let what = format!("sets {name} a second time");
                problems.push(Problem::new(format!("log_options[{position}]"), what));
            }
            all.insert((*name).to_owned(), (*value).to_owned());
        }
        let mut settings = BTreeMap::new();
        let word = SettingValue::Word(driver.to_owned());
        settings.insert("log-driver".to_owned(), word);
        if !all.is_empty() {
            settings.insert("log-opts".to_owned(), SettingValue::Options(all));
        }
        Some(settings)
    })();
    problems.into_result(settings)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(driver: &Value, options: &Value) -> Value {
        json!(parse(driver, options).unwrap())
    }

    #[test]
    fn the_engines_own_drivers_are_capped_unless_told_otherwise() {
        for driver in WITH_FILES {
            let settings = parsed(&json!(driver), &json!(["max-file=7"]));
            assert_eq!(settings["log-driver"], driver);
            assert_eq!(
                settings["log-opts"],
                json!({"max-size": "10m", "max-file": "7"})
            );
        }
    }

    #[test]
    fn another_driver_gets_what_it_is_given() {
        assert_eq!(
            parsed(&json!("journald"), &json!([])),
            json!({"log-driver": "journald"})
        );
        let syslog = parsed(&json!("syslog"), &json!(["tag=a=b"]));
        assert_eq!(syslog["log-opts"], json!({"tag": "a=b"}));
    }

    #[test]
    fn refuses_what_is_no_option_without_showing_it() {
        let bad = json!(["hunter2", "a=1", "a=hunter2", 7]);
        let problems = parse(&json!("x y"), &bad).unwrap_err();
        let named: Vec<_> = problems
            .iter()
            .map(|problem| problem.property.as_str())
            .collect();
        assert_eq!(named, ["log_driver", "log_options[0]", "log_options[3]"]);
        assert!(!problems.to_string().contains("hunter2"));
        let twice = parse(&json!("local"), &json!(["a=1", "a=hunter2"])).unwrap_err();
        assert_eq!(twice.iter().next().unwrap().property, "log_options[1]");
        assert!(!twice.to_string().contains("hunter2"));
    }
}
