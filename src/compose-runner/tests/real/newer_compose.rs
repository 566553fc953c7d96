//! What Compose brought since 2.26 beside hooks: `provider`, `models`, volumes of `type: image`; and whose fault it is that `up`
//! failed, of which its exit codes tell nothing since 2.33.

use serde_json::{Value, json};

use crate::{
    hooks::{compose, deploy, note},
    recipes::{sleeper, with, words},
    vm::Vm,
};

const PROVIDER: [u32; 2] = [2, 36];
const MODELS: [u32; 2] = [2, 38];
const IMAGE_VOLUMES: [u32; 2] = [2, 35];

#[test]
fn a_provider_and_models_are_refused_where_their_programs_are_not_and_a_provider_is_not_waited_for()
{
    let vm = Vm::start();
    let none = json!({});
    let web = with(sleeper(), &json!({"depends_on": ["db"]}));
    let provided = json!({"services": {
        "db": {"provider": {"type": "provides-db", "options": {"size": "1"}}}, "web": web,
    }});
    if let Some(verdict) = deploy(&vm, PROVIDER, "provider", &provided, &none) {
        assert_eq!(verdict["exit_code"], 2, "{verdict:#}\n{}", vm.log());
        let words = words(&verdict);
        assert!(
            words.contains("service db: its provider provides-db is not on this machine"),
            "{words}"
        );
        let program = r#"#!/bin/sh
[ "$2" != metadata ] || exit 0
echo '{"type": "setenv", "message": "URL=db.example"}'
"#;
        vm.program(&vm.paths.program("provides-db"), program);
        let verdict = vm.deploy(&provided, &none);
        assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
        let services = verdict["services"].as_array().unwrap();
        assert_eq!(services.len(), 1, "{verdict:#}");
        assert!(
            vm.exec("running-web-1", &["env"])
                .contains("DB_URL=db.example")
        );
    }
    let models = json!({
        "services": {"web": with(sleeper(), &json!({"models": ["llm"]}))}, "models": {"llm": {"model": "ai/smollm2"}},
    });
    if let Some(verdict) = deploy(&vm, MODELS, "models", &models, &none) {
        assert_eq!(verdict["exit_code"], 2, "{verdict:#}\n{}", vm.log());
        let words = words(&verdict);
        assert!(
            words.contains("`models` (llm) needs the plugin docker-model"),
            "{words}"
        );
    }
}

#[test]
fn a_mounted_image_is_missed_with_its_service_and_an_engine_that_mounts_none_is_named() {
    let vm = Vm::start();
    let recipe = |image: &str| {
        let volume = json!([{"type": "image", "source": image, "target": "/tree"}]);
        json!({"services": {"web": with(sleeper(), &json!({"volumes": volume}))}})
    };
    let version = vm.engine().info().unwrap();
    let verdict = vm.deploy(&recipe("docker.io/library/test:1"), &json!({}));
    if version.major_version() < 28 || compose(&vm) < IMAGE_VOLUMES {
        note(&format!(
            "engine {} and Compose {:?} mount no images",
            version.server_version,
            compose(&vm)
        ));
        assert_eq!(verdict["exit_code"], 2, "{verdict:#}\n{}", vm.log());
        let words = words(&verdict);
        assert!(
            words.contains("Docker Engine 28 or later") || words.contains("type"),
            "{words}"
        );
        return;
    }
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    vm.exec("running-web-1", &["cat", "/tree/bin/busybox"]);
    let verdict = vm.deploy(&recipe("registry.invalid/tree:1"), &json!({}));
    assert_eq!(
        verdict["errors"][0]["what"],
        "service web: image registry.invalid/tree:1 of its volume /tree is not on this machine and cannot be pulled",
        "{verdict:#}\n{}",
        vm.log()
    );
}

#[test]
fn a_recipe_that_compose_cannot_read_after_prep_is_the_recipe_s_fault() {
    let vm = Vm::start();
    let web = with(sleeper(), &json!({"env_file": ["./web.env"]}));
    let recipe = json!({"services": {"web": web}});
    let properties: Value =
        json!({"files": {"web.env": "A=1"}, "prep": "#!/bin/sh\nrm -f web.env\n"});
    let verdict = vm.deploy(&recipe, &properties);
    assert_eq!(verdict["exit_code"], 2, "{verdict:#}\n{}", vm.log());
    let error = &verdict["errors"][0];
    let what = error["what"].as_str().unwrap();
    assert!(
        what.starts_with("property `recipe`: Compose refuses it: ") && what.contains("web.env"),
        "{verdict:#}"
    );
    assert_eq!(error["property"], "recipe");

    // `up` fails, and Compose can read the recipe
    let web = with(sleeper(), &json!({"command": ["no such program"]}));
    let verdict = vm.deploy(&json!({"services": {"web": web}}), &json!({}));
    assert_eq!(verdict["exit_code"], 3, "{verdict:#}\n{}", vm.log());
}

#[test]
fn settings_of_newer_recipes_are_taken_and_an_image_that_is_here_needs_no_registry() {
    let vm = Vm::start();
    let web = with(
        sleeper(),
        &json!({
            "pull_policy": "daily", "attach": false, "scale": 2, "annotations": {"example.com/x": "y"}, "oom_score_adj": 100,
            "develop": {"watch": [{"action": "rebuild", "path": "./src"}]},
            "env_file": [{"path": "./none.env", "required": false}, {"path": "./web.env", "required": true, "format": "raw"}],
            "label_file": ["./web.labels"],
            "ports": [{"target": 80, "published": "8080-8081", "host_ip": "127.0.0.1", "name": "http", "app_protocol": "http"}],
            "depends_on": {"db": {"condition": "service_started", "restart": true, "required": false}},
            "configs": [{"source": "inline", "target": "/inline"}], "secrets": ["secret"],
            "networks": {"front": {"driver_opts": {"example": "y"}}},
        }),
    );
    let recipe = json!({
        "services": {"web": web, "db": with(sleeper(), &json!({"networks": ["front"]}))}, "networks": {"front": null},
        "configs": {"inline": {"content": "text"}}, "secrets": {"secret": {"environment": "PW"}},
    });
    let properties = json!({
        "files": {"web.env": "A=$1", "web.labels": "example.label=z"}, "variables": {"PW": "hunter2"},
    });
    let Some(verdict) = deploy(&vm, PROVIDER, "web", &recipe, &properties) else {
        return;
    };
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    let container = vm.container("running-web-1");
    assert_eq!(container.config.labels["example.label"], "z");
    assert!(vm.exec("running-web-1", &["env"]).contains("A=$1\n"));
    assert_eq!(vm.exec("running-web-1", &["cat", "/inline"]), "text");
    let warnings = verdict["warnings"].to_string();
    assert!(
        warnings.contains("is used as it is on this machine: its `pull_policy` is daily"),
        "{warnings}"
    );
}
