//! `config.json` of the Docker client, which Compose reads, too: logins to registries, and proxies for containers. It is a file
//! that operators write as well (`docker login`); theirs stays, the job's own follows the properties.

use std::collections::BTreeSet;

use anyhow::Context;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bosh_job::{Paths, atomic_write};
use job_properties::Daemon;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tracing::{info, warn};

/// What docker-ctl put into the file, by the file's own keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Written {
    logins: BTreeSet<String>,
    proxies: bool,
}

/// Makes the file, if there is none.
pub fn make(paths: &Paths) -> anyhow::Result<()> {
    if paths.cli_config().exists() {
        return Ok(());
    }
    write(paths, &fresh(paths))
}

/// Makes the file say what the properties say.
pub fn update(paths: &Paths, daemon: &Daemon) -> anyhow::Result<()> {
    let before = read_written(paths)?;
    let old = read(paths)?;
    let mut config = old.clone();
    add_plugins(paths, &mut config);

    let mut logins = match config.remove("auths") {
        Some(Value::Object(logins)) => logins,
        _ => Map::new(),
    };
    logins.retain(|key, _| !before.logins.contains(key));
    let mut now = Written::default();
    for (address, login) in daemon.registries.logins() {
        let key = address.login_key().to_owned();
        let pair = format!("{}:{}", login.username, login.password.reveal());
        let entry = json!({"auth": BASE64_STANDARD.encode(pair)});
        if logins.insert(key.clone(), entry).is_some() {
            info!(
                registry = address.as_str(),
                "a login by hand is replaced by the one of property `registries`"
            );
        }
        now.logins.insert(key);
    }
    if !logins.is_empty() {
        config.insert("auths".to_owned(), Value::Object(logins));
    }

    if before.proxies {
        config.remove("proxies");
    }
    if daemon.proxies.for_containers {
        now.proxies = true;
        config.insert("proxies".to_owned(), proxies(daemon));
    }
    // before the logins: what is on the list and not in the file does no harm
    let all = Written {
        logins: before.logins.union(&now.logins).cloned().collect(),
        proxies: before.proxies || now.proxies,
    };
    if all != before {
        remember(paths, &all)?;
    }
    if config != old {
        write(paths, &config)?;
        info!(
            logins = now.logins.len(),
            container_proxies = now.proxies,
            "the Docker client's configuration written"
        );
    }
    if now != all {
        remember(paths, &now)?;
    }
    Ok(())
}

fn proxies(daemon: &Daemon) -> Value {
    let mut settings = Map::new();
    for (name, url) in [
        ("httpProxy", &daemon.proxies.http),
        ("httpsProxy", &daemon.proxies.https),
    ] {
        if let Some(url) = url {
            settings.insert(name.to_owned(), json!(url.reveal()));
        }
    }
    settings.insert("noProxy".to_owned(), json!(daemon.proxies.direct));
    json!({ "default": settings })
}

/// What Compose and Buildx are found by, also when somebody else made the file: without Buildx, Compose falls back to the
/// legacy builder.
fn add_plugins(paths: &Paths, config: &mut Map<String, Value>) {
    let ours = json!(paths.cli_plugins());
    let directories = config
        .entry("cliPluginsExtraDirs")
        .or_insert_with(|| json!([]));
    match directories {
        Value::Array(directories) if directories.contains(&ours) => {}
        // the first that has a plugin wins: what an operator put there goes before ours
        Value::Array(directories) => directories.push(ours),
        // no list is none to the client either, which then refuses to start
        other => *other = json!([ours]),
    }
}

fn fresh(paths: &Paths) -> Map<String, Value> {
    let mut config = Map::new();
    add_plugins(paths, &mut config);
    config
}

/// The file's content. One that is broken is put aside, so that nobody's login is lost and dockerd starts all the same.
fn read(paths: &Paths) -> anyhow::Result<Map<String, Value>> {
    let path = paths.cli_config();
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(error) => {
            return Err(error).with_context(|| format!("reading {}", path.display()));
        }
    };
    if let Ok(config) = serde_json::from_slice(&bytes) {
        return Ok(config);
    }
    let aside = path.with_extension("json.broken");
    std::fs::rename(&path, &aside)
        .with_context(|| format!("putting {} aside, which is no JSON map", path.display()))?;
    warn!(
        "{} is no JSON map; it lies in {} now",
        path.display(),
        aside.display()
    );
    Ok(Map::new())
}

fn write(paths: &Paths, config: &Map<String, Value>) -> anyhow::Result<()> {
    let bytes = serde_json::to_vec_pretty(config)?;
    Ok(atomic_write(&paths.cli_config(), &bytes, 0o600)?)
}

fn read_written(paths: &Paths) -> anyhow::Result<Written> {
    let path = paths.cli_logins();
    match std::fs::read(&path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Written::default()),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

fn remember(paths: &Paths, written: &Written) -> anyhow::Result<()> {
    let bytes = serde_json::to_vec(written)?;
    Ok(atomic_write(&paths.cli_logins(), &bytes, 0o600)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use job_fixture::rendered;
    use job_properties::JobConfig;

    use super::*;

    struct Vm(tempfile::TempDir);

    impl Vm {
        fn new() -> Self {
            let vm = Self(tempfile::tempdir().unwrap());
            std::fs::create_dir_all(vm.paths().cli_dir()).unwrap();
            vm
        }

        fn paths(&self) -> Paths {
            Paths::new(self.0.path())
        }

        fn update(&self, properties: &[(&str, Value)]) -> Value {
            let mut config = rendered();
            for (name, value) in properties {
                config["properties"][*name] = value.clone();
            }
            let daemon = JobConfig::from_value(config).unwrap().daemon().unwrap();
            update(&self.paths(), &daemon).unwrap();
            let bytes = std::fs::read(self.paths().cli_config()).unwrap();
            serde_json::from_slice(&bytes).unwrap()
        }

        fn write(&self, config: &Value) {
            std::fs::write(self.paths().cli_config(), config.to_string()).unwrap();
        }
    }

    fn registries(entries: &[(&str, &str)]) -> (&'static str, Value) {
        let entries: Vec<_> = entries
            .iter()
            .map(|(address, password)| json!({"address": address, "username": "u", "password": password}))
            .collect();
        ("registries", json!(entries))
    }

    #[test]
    fn logins_follow_the_properties_and_those_by_hand_stay() {
        let vm = Vm::new();
        make(&vm.paths()).unwrap();
        let config = vm.update(&[registries(&[("a:1", "x"), ("docker.io", "y")])]);
        assert_eq!(config["auths"]["a:1"]["auth"], "dTp4");
        assert_eq!(
            config["auths"]["https://index.docker.io/v1/"]["auth"],
            "dTp5"
        );
        assert!(config["cliPluginsExtraDirs"][0].is_string());
        for file in [vm.paths().cli_config(), vm.paths().cli_logins()] {
            let mode = std::fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o600, "{}", file.display());
        }

        let mut by_hand = config;
        by_hand["auths"]["b:1"] = json!({"auth": "hand"});
        by_hand["credHelpers"] = json!({"c:1": "x"});
        vm.write(&by_hand);
        let config = vm.update(&[registries(&[("a:1", "z")])]);
        let wanted = json!({"a:1": {"auth": "dTp6"}, "b:1": {"auth": "hand"}});
        assert_eq!(config["auths"], wanted);
        assert_eq!(config["credHelpers"], json!({"c:1": "x"}));

        let config = vm.update(&[]);
        assert_eq!(config["auths"], json!({"b:1": {"auth": "hand"}}));
        let list = std::fs::read_to_string(vm.paths().cli_logins()).unwrap();
        assert!(!list.contains("a:1"), "{list}");
    }

    #[test]
    fn proxies_are_there_for_containers_only_when_wanted() {
        let vm = Vm::new();
        let env = json!({"http_proxy": "http://p:1", "https_proxy": null, "no_proxy": null});
        let config = vm.update(&[("env", env.clone())]);
        assert!(config.get("proxies").is_none());
        let config = vm.update(&[("env", env), ("container_proxies", json!(true))]);
        let proxies = &config["proxies"]["default"];
        assert_eq!(proxies["httpProxy"], "http://p:1");
        assert!(proxies.get("httpsProxy").is_none());
        assert!(
            proxies["noProxy"]
                .as_str()
                .unwrap()
                .contains(".bosh,10.0.0.2")
        );
        assert!(vm.update(&[]).get("proxies").is_none());
    }

    #[test]
    fn compose_and_buildx_are_found_beside_the_plugins_of_an_operator() {
        let vm = Vm::new();
        let ours = json!(vm.paths().cli_plugins());
        for (by_hand, wanted) in [
            (json!({}), json!([ours])),
            (
                json!({"cliPluginsExtraDirs": ["/opt/plugins"]}),
                json!(["/opt/plugins", ours]),
            ),
            (
                json!({"cliPluginsExtraDirs": [ours, "/opt"]}),
                json!([ours, "/opt"]),
            ),
            (json!({"cliPluginsExtraDirs": null}), json!([ours])),
        ] {
            vm.write(&by_hand);
            assert_eq!(vm.update(&[])["cliPluginsExtraDirs"], wanted, "{by_hand}");
        }
    }

    #[test]
    fn a_broken_file_is_put_aside() {
        let vm = Vm::new();
        std::fs::write(vm.paths().cli_config(), "{").unwrap();
        let config = vm.update(&[registries(&[("a:1", "x")])]);
        assert_eq!(config["auths"]["a:1"]["auth"], "dTp4");
        let aside = vm.paths().cli_config().with_extension("json.broken");
        assert_eq!(std::fs::read_to_string(aside).unwrap(), "{");
    }
}
