//! Configs, secrets and files that changed, volumes that cannot change, and data that ends with the VM.

use std::fs;

use serde_json::{Value, json};

use crate::{
    recipes::{sleeper, with, words},
    vm::Vm,
};

#[test]
fn a_service_is_recreated_when_its_config_or_secret_without_a_file_changes() {
    let vm = Vm::start();
    let recipe = json!({
        "services": {
            "content": with(sleeper(), &json!({"configs": [{"source": "conf", "target": "/etc/app.conf"}]})),
            "variable": with(sleeper(), &json!({"configs": [{"source": "level", "target": "/level"}]})),
            "secret": with(sleeper(), &json!({"secrets": ["pw"]})),
            "none": sleeper(),
        },
        "configs": {"conf": {"content": "level=${LEVEL}\n"}, "level": {"environment": "OTHER"}},
        "secrets": {"pw": {"environment": "PW"}},
    });
    let names = ["content", "variable", "secret", "none"].map(|name| format!("running-{name}-1"));
    let ids = || names.clone().map(|name| vm.container(&name).id);
    let variables = |level: &str, other: &str, pw: &str| json!({"variables": {"LEVEL": level, "OTHER": other, "PW": pw}});
    let deploy = |variables: &Value| {
        let verdict = vm.deploy(&recipe, variables);
        assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
        ids()
    };
    let changed = |before: &[String; 4], after: &[String; 4]| {
        [0, 1, 2, 3].map(|service| before[service] != after[service])
    };
    let first = deploy(&variables("info", "a", "first-secret-1"));
    assert_eq!(deploy(&variables("info", "a", "first-secret-1")), first);
    let second = deploy(&variables("debug", "a", "first-secret-1"));
    assert_eq!(changed(&first, &second), [true, false, false, false]);
    assert_eq!(
        vm.exec("running-content-1", &["cat", "/etc/app.conf"]),
        "level=debug\n"
    );
    let third = deploy(&variables("debug", "b", "first-secret-1"));
    assert_eq!(changed(&second, &third), [false, true, false, false]);
    let fourth = deploy(&variables("debug", "b", "second-secret-2"));
    assert_eq!(changed(&third, &fourth), [false, false, true, false]);
    assert_eq!(
        vm.exec("running-secret-1", &["cat", "/run/secrets/pw"]),
        "second-secret-2"
    );
    let labels = vm.docker(&["inspect", "running-secret-1"]).stdout;
    assert!(!String::from_utf8_lossy(&labels).contains("second-secret"));
    assert!(
        vm.container("running-none-1")
            .config
            .labels
            .keys()
            .all(|label| !label.starts_with("containers."))
    );
}

#[test]
fn a_service_is_recreated_when_a_file_of_another_job_or_of_prep_is_replaced() {
    let vm = Vm::start();
    let root = vm.root().display().to_string();
    let release = |number: u32, content: &str| {
        let config = vm.root().join(format!("data/jobs/nats/{number}/config"));
        fs::create_dir_all(&config).unwrap();
        fs::write(config.join("cert.pem"), content).unwrap();
        vm.sh(&format!(
            "ln -sfn {root}/data/jobs/nats/{number} {root}/jobs/nats"
        ));
    };
    let recipe = json!({"services": {
        "file": with(sleeper(), &json!({"volumes": [format!("{root}/jobs/nats/config/cert.pem:/cert.pem:ro")]})),
        "tree": with(sleeper(), &json!({"volumes": [{"type": "bind", "source": format!("{root}/jobs/nats/config"), "target": "/config"}]})),
        "prep": with(sleeper(), &json!({"volumes": [format!("{root}/data/app.conf:/app.conf")]})),
    }});
    let prep = format!(
        r#"echo "$TEXT" >{root}/data/app.new && mv {root}/data/app.new {root}/data/app.conf"#
    );
    let names = ["file", "tree", "prep"].map(|name| format!("running-{name}-1"));
    let deploy = |text: &str| {
        let more = json!({"prep": prep, "variables": {"TEXT": text}});
        let verdict = vm.deploy(&recipe, &more);
        assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
        names.clone().map(|name| vm.container(&name).id)
    };
    release(1, "old");
    let first = deploy("one");
    release(2, "old");
    assert_eq!(deploy("one"), first, "the same content in another place");
    release(3, "new");
    let second = deploy("one");
    assert!(second[0] != first[0] && second[1] != first[1] && second[2] == first[2]);
    assert_eq!(vm.exec("running-file-1", &["cat", "/cert.pem"]), "new");
    assert_eq!(
        vm.exec("running-tree-1", &["cat", "/config/cert.pem"]),
        "new"
    );
    let third = deploy("two");
    assert!(third[0] == second[0] && third[1] == second[1] && third[2] != second[2]);
    assert_eq!(vm.exec("running-prep-1", &["cat", "/app.conf"]), "two\n");
}

#[test]
fn other_options_of_a_volume_that_is_there_are_refused_before_anything_is_touched() {
    let vm = Vm::start();
    let files = json!({"files": {"one/f1": "1", "two/f2": "2"}});
    let recipe = |volume: Value| {
        json!({
            "services": {"a": with(sleeper(), &json!({"volumes": ["vol:/d"]})), "b": sleeper()},
            "volumes": {"vol": volume},
        })
    };
    let bound = |directory: &str| json!({"driver_opts": {"type": "none", "o": "bind", "device": format!("${{PWD}}/{directory}")}});
    let deploy = |volume: Value| vm.deploy(&recipe(volume), &files);
    assert_eq!(deploy(bound("one"))["state"], "up", "{}", vm.log());
    let started = [vm.started_at("running-a-1"), vm.started_at("running-b-1")];
    assert_eq!(deploy(bound("one"))["state"], "up", "{}", vm.log());
    let running = vm.paths.running().display().to_string();
    for (volume, cause) in [
        (
            bound("two"),
            format!(
                "`driver_opts.device`: the volume has {running}/one, the recipe says {running}/two"
            ),
        ),
        (
            json!({}),
            "`driver_opts.o`: the volume has bind, the recipe says nothing".to_owned(),
        ),
        (
            with(bound("one"), &json!({"labels": {"backup": "daily"}})),
            "`labels.backup`: the volume has nothing, the recipe says daily".to_owned(),
        ),
    ] {
        let verdict = deploy(volume);
        assert_eq!(
            (&verdict["state"], &verdict["exit_code"]),
            (&json!("failed"), &json!(2)),
            "{verdict:#}"
        );
        assert!(
            words(&verdict)
                .starts_with("volume vol (running_vol) of service a is there with other options"),
            "{verdict:#}"
        );
        let causes = verdict["errors"][0]["causes"].as_array().unwrap();
        assert!(causes.contains(&json!(cause)), "{causes:?}");
        assert!(
            verdict["errors"][0]["hint"]
                .as_str()
                .unwrap()
                .contains("copy the data")
        );
        assert_eq!(
            [vm.started_at("running-a-1"), vm.started_at("running-b-1")],
            started
        );
    }
    // somebody else's, and one that nobody uses
    let external = json!({"name": "running_vol", "external": true});
    assert_eq!(deploy(external)["state"], "up", "{}", vm.log());
    let mut idle = recipe(bound("two"));
    idle["services"]["a"]["scale"] = json!(0);
    assert_eq!(vm.deploy(&idle, &files)["state"], "up", "{}", vm.log());
}

#[test]
fn data_beside_the_persistent_disk_is_warned_of_or_refused() {
    let vm = Vm::start();
    let root = vm.root().display().to_string();
    let recipe = json!({
        "services": {"db": with(sleeper(), &json!({"volumes": [
            "./data:/data", "~/home:/home", format!("{root}/store/kept:/kept"), "./conf:/conf", "./data:/read:ro",
            "/dev/null:/null", "bound:/bound", "named:/named",
        ]}))},
        "volumes": {"named": {}, "bound": {"driver_opts": {"type": "none", "o": "bind", "device": format!("{root}/data/bound")}}},
    });
    fs::create_dir_all(vm.root().join("data/bound")).unwrap();
    let more = json!({"prep": "mkdir -p data", "files": {"conf/x": "y"}});
    let disk = |config: &mut Value| config["instance"]["persistent_disk"] = json!(10240);
    let home = vm.paths.cli_dir().join("home").display().to_string();
    let causes = json!([
        format!("service db: directory {home}"),
        format!(
            "service db: directory {}/data",
            vm.paths.running().display()
        ),
        format!("service db: volume bound, directory {root}/data/bound"),
    ]);
    vm.stop_runner_alone();
    vm.configure_with(
        &recipe,
        &with(
            more.clone(),
            &json!({"volumes_without_persistent_disk": "refuse"}),
        ),
        disk,
    );
    vm.start_runner();
    let verdict = vm.verdict();
    let what = "the recipe keeps data outside the persistent disk: it ends with the VM";
    assert_eq!(words(&verdict), what, "{verdict:#}");
    assert_eq!(verdict["errors"][0]["causes"], causes);
    vm.stop_runner_alone();
    vm.configure_with(&recipe, &more, disk);
    vm.start_runner();
    let verdict = vm.verdict();
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    assert_eq!(verdict["warnings"][0]["what"], what);
    assert_eq!(verdict["warnings"][0]["causes"], causes);
}

#[test]
fn a_store_that_is_mounted_is_a_persistent_disk_though_the_spec_does_not_say_so() {
    let mut vm = Vm::start();
    let recipe = json!({"services": {"db": with(sleeper(), &json!({"volumes": ["data:/data"]}))}, "volumes": {"data": {}}});
    let create_env = |config: &mut Value| {
        for name in ["persistent_disk", "ip"] {
            config["instance"][name] = Value::Null;
        }
    };
    vm.sh("ip address add 10.9.8.7/24 dev lo && ip link set lo up");
    vm.configure_with(&recipe, &json!({}), create_env);
    vm.start_runner();
    let verdict = vm.verdict();
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    assert_eq!(
        verdict["warnings"].as_array().unwrap().len(),
        1,
        "{verdict:#}"
    );
    vm.stop();
    vm.end_dockerd();
    vm.sh(&format!(
        "mount -t tmpfs tmpfs {}",
        vm.root().join("store").display()
    ));
    vm.start_dockerd();
    let image = vm.root().join("image.tar");
    vm.docker(&["import", image.to_str().unwrap(), "test:1"]);
    let environment = json!({"services": {"db": with(sleeper(), &json!({"volumes": ["data:/data"], "environment": {"IP": "${BOSH_IP}"}}))}, "volumes": {"data": {}}});
    vm.configure_with(&environment, &json!({}), create_env);
    vm.start_runner();
    let verdict = vm.verdict();
    assert_eq!(verdict["warnings"], json!([]), "{verdict:#}\n{}", vm.log());
    assert!(
        vm.exec("running-db-1", &["env"]).contains("IP=10.9.8.7\n"),
        "{}",
        vm.log()
    );
}

#[test]
fn a_service_that_mounts_the_engines_socket_has_the_one_of_the_dockerd_that_runs() {
    let mut vm = Vm::start();
    // as docker-ctl puts it there
    let usual = vm.paths.usual_socket();
    let recipe = json!({"services": {
        "proxy": with(sleeper(), &json!({"volumes": [format!("{}:/var/run/docker.sock:ro", usual.display())]})),
        "other": sleeper(),
    }});
    fs::create_dir_all(&usual).unwrap();
    let verdict = vm.deploy(&recipe, &json!({}));
    assert_eq!(verdict["state"], "failed", "{verdict:#}");
    assert!(
        words(&verdict).ends_with("docker.sock, which is a directory there"),
        "{verdict:#}"
    );
    let socket = vm.paths.socket();
    assert!(
        verdict["errors"][0]["hint"]
            .as_str()
            .unwrap()
            .contains(socket.to_str().unwrap())
    );
    fs::remove_dir(&usual).unwrap();
    std::os::unix::fs::symlink(&socket, &usual).unwrap();
    let verdict = vm.deploy(&recipe, &json!({}));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    let answers = |vm: &Vm| {
        let pid = vm.container("running-proxy-1").state.pid;
        let inside = format!("/proc/{pid}/root/var/run/docker.sock");
        std::os::unix::net::UnixStream::connect(inside).is_ok()
    };
    assert!(answers(&vm));
    let ids = |vm: &Vm| ["running-proxy-1", "running-other-1"].map(|name| vm.container(name).id);
    let first = ids(&vm);
    assert_eq!(vm.deploy(&recipe, &json!({}))["state"], "up");
    assert_eq!(ids(&vm), first, "dockerd is the same");

    // as in an update
    vm.stop_runner_alone();
    vm.end_dockerd();
    vm.start_dockerd();
    assert!(!answers(&vm), "the old socket is dead");
    vm.start_runner();
    assert_eq!(vm.verdict()["state"], "up", "{}", vm.log());
    let second = ids(&vm);
    assert!(answers(&vm) && second[0] != first[0] && second[1] == first[1]);

    // as when dockerd dies and monit starts another
    vm.end_dockerd();
    vm.start_dockerd();
    crate::vm::until(|| answers(&vm).then_some(())).unwrap_or_else(|| panic!("{}", vm.log()));
    assert_eq!(ids(&vm)[1], first[1]);
    vm.verdict_that(|verdict| verdict["state"] == "up");
}
