//! Where to look for what a container wrote: `docker logs` cannot read every log driver.

use docker_engine::Container;

/// Drivers that the engine reads by itself.
const READABLE: [&str; 3] = ["json-file", "local", "journald"];
/// Options of drivers that say where output goes; others hold credentials.
const DESTINATIONS: [&str; 6] = [
    "syslog-address",
    "gelf-address",
    "fluentd-address",
    "awslogs-group",
    "splunk-index",
    "logentries-region",
];

/// A hint where to look for all that a container wrote. `tail` is what the engine gave when it was asked for the last lines.
pub fn where_it_is(
    name: &str,
    container: Option<&Container>,
    tail: &docker_engine::Result<Vec<String>>,
) -> String {
    let Some(container) = container else {
        return format!(
            "container {name} is gone; what it wrote to the log driver json-file is in the job's log directory, \
             in the file of its service"
        );
    };
    let log = &container.host_config.log_config;
    let driver = log.driver.as_str();
    if driver == "none" {
        return "its log driver is `none`: what it writes is kept nowhere; without `logging` in the recipe it is".to_owned();
    }
    // What the engine cannot read now it may read later; a driver that it never can says so.
    if tail.is_ok() || READABLE.contains(&driver) {
        return format!("all that it said: `docker logs {name}`");
    }
    let destination: Vec<String> = DESTINATIONS
        .iter()
        .filter_map(|option| {
            Some(format!(
                "{option} {}",
                without_user(log.options.get(*option)?)
            ))
        })
        .collect();
    let destination = if destination.is_empty() {
        String::new()
    } else {
        format!(" ({})", destination.join(", "))
    };
    format!(
        "what it writes goes to the log driver {driver}{destination}, which `docker logs` cannot read: look there"
    )
}

/// An address without the user and password that a URL may have.
fn without_user(address: &str) -> String {
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(driver: &str, options: &str, is_readable: bool) -> String {
        let container: Container = serde_json::from_str(&format!(
            r#"{{"Id":"a","State":{{}},"HostConfig":{{"LogConfig":{{"Type":"{driver}","Config":{options}}}}}}}"#
        ))
        .unwrap();
        let tail = if is_readable {
            Ok(Vec::new())
        } else {
            docker_engine::Engine::new("/nonexistent").logs_tail("a", 1)
        };
        where_it_is("running-web-1", Some(&container), &tail)
    }

    #[test]
    fn docker_logs_is_named_only_where_it_can_read() {
        for driver in ["json-file", "local", "journald"] {
            assert_eq!(
                hint(driver, "null", false),
                "all that it said: `docker logs running-web-1`"
            );
        }
        // the engine keeps a copy of what others get, unless that is switched off
        let options = r#"{"syslog-address":"tcp://user:pw@logs:514","tag":"x"}"#;
        assert!(hint("syslog", options, true).contains("`docker logs running-web-1`"));
        assert_eq!(
            hint("syslog", options, false),
            "what it writes goes to the log driver syslog (syslog-address tcp://logs:514), which `docker logs` cannot read: look there"
        );
        let of_splunk = hint("splunk", r#"{"splunk-token":"secret"}"#, false);
        assert!(of_splunk.contains("log driver splunk, which") && !of_splunk.contains("secret"));
        for is_readable in [true, false] {
            let none = hint("none", "{}", is_readable);
            assert!(none.contains("kept nowhere") && !none.contains("docker logs"));
        }
        let gone = where_it_is("running-web-1", None, &Ok(Vec::new()));
        assert!(gone.contains("is gone") && !gone.contains("docker logs"));
    }
}
