//! Every job, rendered with BOSH's ERB semantics, and every rendered configuration fed to the programs that read it.

use std::fs;
use std::path::Path;
use std::process::Command;

use bosh_template::Renderer;
use release_tests::{Outcome, program, repository};
use serde_json::{Map, Value, json};

fn spec(job: &str) -> Value {
    serde_yaml::from_str(
        &fs::read_to_string(repository().join("jobs").join(job).join("spec")).unwrap(),
    )
    .unwrap()
}

/// The properties as a Director hands them to the templates: all that the spec declares, null where nothing sets them.
fn properties(job: &str, set: &Value) -> Value {
    let mut all = Map::new();
    for (name, about) in spec(job)["properties"].as_object().unwrap() {
        let value = set.get(name).unwrap_or(&about["default"]).clone();
        match name.split_once('.') {
            None => {
                all.insert(name.clone(), value);
            }
            // `env.http_proxy` is one value in the map `env`
            Some((map, name)) => {
                all.entry(map).or_insert_with(|| json!({}))[name] = value;
            }
        }
    }
    Value::Object(all)
}

fn render(job: &str, set: &Value, template: &Path) -> Result<String, String> {
    render_with(job, set, &json!({}), template)
}

fn render_with(job: &str, set: &Value, links: &Value, template: &Path) -> Result<String, String> {
    let context = json!({
        "name": "docker", "index": 1, "id": "3f1c", "bootstrap": false, "az": "z1", "deployment": "vault",
        "address": "10.0.0.2", "ip": "10.0.0.2", "persistent_disk": 4096, "job": {"name": job},
        "networks": {"default": {"ip": "10.0.0.2", "default": ["dns", "gateway"]}},
        "properties": properties(job, set), "links": links,
    });
    Renderer::new()
        .unwrap()
        .render_file(&context, template)
        .map_err(|error| format!("{error:?}"))
}

fn config(set: &Value) -> String {
    config_with(set, &json!({}))
}

fn config_with(set: &Value, links: &Value) -> String {
    let template = repository().join("jobs/docker/templates/config/config.json.erb");
    render_with("docker", set, links, &template).unwrap()
}

/// Link `registry`, as a Director hands it to the templates.
fn registry_link(properties: &Value) -> Value {
    json!({"registry": {
        "instance_group": "registry", "address": "q-s0.registry.default.vault.bosh", "properties": properties,
        "instances": [{"name": "registry", "index": 0, "id": "8a5d", "address": "10.0.0.9"}],
    }})
}

/// What each program says to a configuration.
fn check(config: &str) -> Vec<(&'static str, Outcome)> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    fs::write(&path, config).unwrap();
    ["docker-ctl", "image-importer", "compose-runner"]
        .map(|name| {
            let mut command = Command::new(program(name));
            (
                name,
                Outcome::of(command.arg("--config").arg(&path).arg("--check-config")),
            )
        })
        .into()
}

#[test]
fn every_template_renders_with_nothing_but_the_defaults() {
    for job in fs::read_dir(repository().join("jobs")).unwrap() {
        let job = job.unwrap().path();
        let name = job.file_name().unwrap().to_string_lossy().into_owned();
        for template in spec(&name)["templates"].as_object().unwrap().keys() {
            render(&name, &json!({}), &job.join("templates").join(template)).unwrap();
        }
        render(&name, &json!({}), &job.join("monit")).unwrap();
    }
}

#[test]
fn the_compose_process_is_there_only_with_a_recipe() {
    let monit = repository().join("jobs/docker/monit");
    for (recipe, wanted) in [
        (json!({}), false),
        (json!({"recipe": ""}), false),
        (json!({"recipe": {}}), false),
        (json!({"recipe": "services: {}"}), true),
        (json!({"recipe": {"services": {"web": {}}}}), true),
    ] {
        let text = render("docker", &recipe, &monit).unwrap();
        assert_eq!(
            text.contains("check process compose"),
            wanted,
            "{recipe}: {text}"
        );
        assert!(text.contains("check process docker"));
    }
}

#[test]
fn programs_accept_what_the_defaults_and_the_examples_render_to() {
    let mut examples = Map::new();
    for (name, about) in spec("docker")["properties"].as_object().unwrap() {
        examples.insert(name.clone(), about["example"].clone());
    }
    // ((variables)) stand for what BOSH puts there
    let certificate = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";
    examples["tls_cacert"] = json!(certificate);
    examples["tls_cert"] = json!(certificate);
    examples["tls_key"] = json!("-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\n");
    examples["bind_without_tls"] = json!(false);
    examples["registries"][0]["ca_cert"] = json!(certificate);
    examples["registry_ca_cert"][0]["ca_cert"] = json!(certificate);
    examples["registry_client.certificate"] = json!(certificate);
    examples["registry_client.private_key"] = examples["tls_key"].clone();
    let link = registry_link(&json!({"port": 5000, "tls": {"ca": certificate}}));
    for (set, links) in [(json!({}), json!({})), (Value::Object(examples), link)] {
        for (name, outcome) in check(&config_with(&set, &links)) {
            assert_eq!(outcome.code, 0, "{name}: {}", outcome.text());
        }
    }
}

#[test]
fn the_link_of_a_registry_brings_what_dockerd_needs_and_no_login_of_its_upstreams() {
    let handed = |properties: &Value| -> Value {
        let text = config_with(&json!({}), &registry_link(properties));
        assert!(!text.contains("hunter2"), "{text}");
        serde_json::from_str::<Value>(&text).unwrap()["links"]["registry"].take()
    };
    let upstreams = json!([
        {"host": "docker.io", "username": "u", "password": "hunter2"}, {"host": "quay.io"},
    ]);
    let all = json!({"port": 5000, "tls": {"ca": "PEM"}, "upstreams": upstreams, "frozen": true});
    let mut wanted = json!({
        "address": "q-s0.registry.default.vault.bosh", "instances": ["10.0.0.9"], "port": 5000, "ca": "PEM",
        "upstreams": ["docker.io", "quay.io"], "frozen": true,
    });
    assert_eq!(handed(&all), wanted);
    for (name, unset) in [
        ("upstreams", json!([])),
        ("frozen", json!(null)),
        ("ca", json!(null)),
    ] {
        wanted[name] = unset;
    }
    assert_eq!(handed(&json!({"port": 5000, "tls": {"ca": null}})), wanted);
    let without: Value = serde_json::from_str(&config(&json!({}))).unwrap();
    assert_eq!(without["links"], json!({"registry": null}));
}

#[test]
fn docker_ctl_refuses_a_bad_link_by_its_name() {
    for (properties, wanted) in [
        (json!({"port": null}), "port of link `registry`"),
        (
            json!({"port": 5000, "tls": {"ca": "x"}}),
            "tls.ca of link `registry`",
        ),
        (
            json!({"port": 5000, "upstreams": [{"host": "https://docker.io"}]}),
            "upstreams of link `registry`[0]",
        ),
    ] {
        let outcomes = check(&config_with(&json!({}), &registry_link(&properties)));
        let (_, outcome) = &outcomes[0];
        assert_eq!(outcome.code, 2, "{}", outcome.text());
        assert!(outcome.stderr.contains(wanted), "{}", outcome.text());
    }
}

#[test]
fn programs_accept_every_manifest() {
    let directory = repository().join("manifests");
    for file in fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let manifest: Value = serde_yaml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let groups = manifest["instance_groups"].as_array().unwrap();
        let group = groups
            .iter()
            .find(|group| group["name"] == "docker")
            .unwrap();
        let properties = &group["jobs"][0]["properties"];
        for (name, outcome) in check(&config(properties)) {
            let path = path.display();
            assert_eq!(outcome.code, 0, "{path}, {name}: {}", outcome.text());
        }
    }
}

/// `property`, set to `value` beside what is `set`, is refused by `refuser` as a bad setting, by its name.
fn assert_refused(refuser: &str, mut set: Value, property: &str, value: Value) {
    set[property] = value.clone();
    let outcomes = check(&config(&set));
    let (_, outcome) = outcomes.iter().find(|(name, _)| *name == refuser).unwrap();
    assert_eq!(outcome.code, 2, "{property} {value}: {}", outcome.text());
    assert!(
        outcome.stderr.contains(property),
        "{property} {value}: {}",
        outcome.stderr
    );
}

#[test]
fn docker_ctl_refuses_each_bad_property_by_its_name() {
    for (property, value) in [
        ("bind", json!(5001)),
        ("bind", json!("nowhere")),
        ("bind", json!(70000)),
        ("tls_cert", json!("x")),
        ("insecure-registries", json!("a")),
        ("insecure-registries", json!([7])),
        ("image_store", json!("zfs")),
        ("bip", json!("10.200.0.0/24")),
        ("default_address_pools", json!([{"base": "10.200.0.0/16"}])),
        ("mtu", json!("1400")),
        ("dns_servers", json!(["127.0.0.1"])),
        ("dns_search", json!("a.example")),
        ("dns_options", json!([1])),
        ("internal_dns_domains", json!(["."])),
        ("log_level", json!("loud")),
        ("start_timeout", json!("soon")),
        ("stop_timeout", json!(1000)),
        ("stable_seconds", json!(-1)),
        ("restart_limit", json!({"restarts": 3})),
        ("restart_limit", json!([])),
        ("bind_without_tls", json!("yes")),
    ] {
        assert_refused("docker-ctl", json!({}), property, value);
    }
}

#[test]
fn compose_runner_refuses_each_bad_property_of_the_recipe_by_its_name() {
    for (property, value) in [
        ("recipe", json!(["services"])),
        ("recipe", json!(7)),
        ("files", json!({"/etc/passwd": "x"})),
        ("files", json!({"a/../../b": "x"})),
        ("files", json!({"a": {"content": "x", "mode": "778"}})),
        ("files", json!([{"a": "1"}, {"a": "2"}])),
        ("files", json!("x")),
        ("on_duplicate_files", json!("ignore")),
        ("variables", json!({"A-B": "x"})),
        ("variables", json!({"PATH": "x"})),
        ("variables", json!({"A": ["x"]})),
        ("project_name", json!("Not Good")),
        ("prep", json!(["x"])),
        ("volumes_without_persistent_disk", json!("forbid")),
    ] {
        assert_refused(
            "compose-runner",
            json!({"recipe": "services: {}"}),
            property,
            value,
        );
    }
}

#[test]
fn the_smoke_test_accepts_its_defaults_and_examples_and_refuses_each_bad_property_by_its_name() {
    let check = |set: &Value| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        let template = repository().join("jobs/smoke-tests/templates/config/config.json.erb");
        fs::write(&path, render("smoke-tests", set, &template).unwrap()).unwrap();
        let mut command = Command::new(program("docker-ctl"));
        Outcome::of(
            command
                .args(["--check-config", "smoke-test", "--settings"])
                .arg(&path),
        )
    };
    let mut examples = Map::new();
    for (name, about) in spec("smoke-tests")["properties"].as_object().unwrap() {
        examples.insert(name.clone(), about["example"].clone());
    }
    for set in [json!({}), Value::Object(examples)] {
        let outcome = check(&set);
        assert_eq!(outcome.code, 0, "{}", outcome.text());
    }
    for (property, value) in [("timeout", json!("1m")), ("dns_names", json!("a b"))] {
        let outcome = check(&json!({property: value}));
        assert!(
            outcome.code == 2 && outcome.stderr.contains(property),
            "{}",
            outcome.text()
        );
    }
}

/// What the registry says to what its templates render of properties.
fn check_registry(set: &Value) -> Outcome {
    let directory = tempfile::tempdir().unwrap();
    let jobs = directory.path().join("jobs");
    let job = jobs.join("registry");
    fs::create_dir_all(job.join("config/tls")).unwrap();
    let templates = repository().join("jobs/registry/templates");
    for (template, rendered) in spec("registry")["templates"].as_object().unwrap() {
        let rendered = rendered.as_str().unwrap();
        if rendered.starts_with("config/") {
            let text = render("registry", set, &templates.join(template)).unwrap();
            let here = text.replace("/var/vcap/jobs", &jobs.to_string_lossy());
            fs::write(job.join(rendered), here).unwrap();
        }
    }
    let mut command = Command::new(program("image-registry"));
    let config = job.join("config/config.json");
    Outcome::of(command.arg("--config").arg(config).arg("check-config"))
}

/// The properties of the job in manifests/registry.yml, with certificates and passwords as BOSH makes them.
fn registry_of_the_manifest() -> Value {
    let store = tempfile::tempdir().unwrap();
    let mut interpolate = Command::new(program("bosh-solo"));
    interpolate
        .arg("interpolate")
        .arg(repository().join("manifests/registry.yml"))
        .arg("--vars-store")
        .arg(store.path().join("vars.yml"))
        .args([
            "--path",
            "/instance_groups/name=registry/jobs/name=registry/properties",
        ]);
    let mut nested: Value = serde_yaml::from_str(&Outcome::of(&mut interpolate).ok()).unwrap();
    let tls = nested.as_object_mut().unwrap().remove("tls").unwrap();
    for (name, value) in tls.as_object().unwrap() {
        nested[format!("tls.{name}")] = value.clone();
    }
    nested
}

#[test]
fn the_registry_accepts_its_manifest_and_examples_and_refuses_each_bad_property_by_its_name() {
    let good = registry_of_the_manifest();
    let outcome = check_registry(&good);
    assert_eq!(outcome.code, 0, "{}", outcome.text());
    let mut examples = good.clone();
    for (name, about) in spec("registry")["properties"].as_object().unwrap() {
        if !name.starts_with("tls.") {
            examples[name] = about["example"].clone();
        }
    }
    let outcome = check_registry(&examples);
    assert_eq!(outcome.code, 0, "{}", outcome.text());
    for (property, value) in [
        ("tls.certificate", Value::Null),
        ("tls.private_key", Value::Null),
        ("tls.private_key", json!("hunter2")),
        ("tls.ca", Value::Null),
        ("tls.client_ca", Value::Null),
        ("tls.client_ca", json!("hunter2")),
        ("users", json!([])),
        ("users", json!({"ci": "hunter2"})),
        ("users", json!([{"name": "ci", "pasword": "hunter2"}])),
        (
            "users",
            json!([{"name": "ci", "password": "hunter2", "grants": [{"rights": ["read"]}]}]),
        ),
        ("anonymous", json!(["pull"])),
        ("port", json!("https")),
        ("bind", json!("registry.internal")),
    ] {
        let mut set = good.clone();
        set[property] = value.clone();
        let outcome = check_registry(&set);
        assert!(
            outcome.code == 2 && outcome.stderr.contains(&format!("`{property}")),
            "{property} {value}: {}",
            outcome.text()
        );
        assert!(!outcome.text().contains("hunter2"), "{}", outcome.text());
    }
}

#[test]
fn no_error_shows_a_secret() {
    let set = json!({
        "recipe": "services: {}", "bind": "nowhere", "tls_key": "hunter2-tls", "variables": {"A-B": "hunter2-variable"},
        "files": {"../x": "hunter2-file", "y": {"content": "hunter2-content", "mode": "9"}}, "prep": ["hunter2-prep"],
    });
    for (name, outcome) in check(&config(&set)) {
        assert!(
            !outcome.text().contains("hunter2"),
            "{name}: {}",
            outcome.text()
        );
    }
}
