//! `docker-ctl smoke-test` against a real dockerd: what it proves, what it names when something is broken, and that it
//! leaves nothing.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail by panicking, also in its helpers"
)]

mod support;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use docker_engine::{Filters, ImageStore};
use serde_json::{Value, json};
use support::{Run, Vm, inside, start_if_it_has};

/// The address that the configuration says the VM has.
const ADDRESS: &str = "10.0.0.2";

/// A VM with its address, the job's settings, and a name server that knows `here.example`.
struct Site {
    vm: Vm,
    dns: Child,
}

impl Site {
    fn new() -> Self {
        let ok = |program: &str, args: &[&str]| {
            assert!(Command::new(program).args(args).status().unwrap().success());
        };
        ok(
            "ip",
            &["address", "add", &format!("{ADDRESS}/32"), "dev", "lo"],
        );
        let vm = Vm::with_engine();
        let resolv_conf = vm.paths().root().join("resolv.conf");
        std::fs::write(&resolv_conf, format!("nameserver {ADDRESS}\n")).unwrap();
        // The namespace's own mount: the machine keeps its file.
        ok("mount", &["--make-rprivate", "/"]);
        ok(
            "mount",
            &["--bind", &resolv_conf.to_string_lossy(), "/etc/resolv.conf"],
        );
        let dns = Command::new("dnsmasq")
            .args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--no-resolv",
                "--no-hosts",
                "--pid-file",
            ])
            .args([
                "--bind-interfaces",
                "--user=root",
                "--address=/here.example/192.0.2.7",
            ])
            .arg(format!("--listen-address={ADDRESS}"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let site = Self { vm, dns };
        site.settings(&json!(["here.example"]));
        site
    }

    fn settings(&self, dns_names: &Value) {
        let path = self
            .vm
            .paths()
            .root()
            .join("jobs/smoke-tests/config/config.json");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let settings = json!({"properties": {"timeout": 120, "dns_names": dns_names}});
        std::fs::write(path, settings.to_string()).unwrap();
    }

    fn smoke_test(&self) -> Run {
        self.vm.run(&["smoke-test"])
    }

    /// Everything that the engine has.
    fn inventory(&self) -> Vec<String> {
        let engine = self.vm.engine();
        let mut all: Vec<String> = Vec::new();
        let containers = engine.containers(&Filters::all()).unwrap();
        all.extend(containers.into_iter().map(|one| one.id));
        all.extend(
            engine
                .networks(&Filters::all())
                .unwrap()
                .into_iter()
                .map(|one| one.name),
        );
        all.extend(
            engine
                .volumes(&Filters::all())
                .unwrap()
                .into_iter()
                .map(|one| one.name),
        );
        all.extend(engine.images().unwrap().into_iter().map(|one| one.id));
        all.sort();
        all
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.dns.kill();
        let _ = self.dns.wait();
        let _ = self.vm.run(&["stop"]);
    }
}

/// The word and the text of the line about a check.
fn line<'a>(run: &'a Run, check: &str) -> (&'a str, &'a str) {
    let line = run
        .stdout
        .lines()
        .find(|line| line.get(8..).is_some_and(|rest| rest.starts_with(check)));
    let line = line.unwrap_or_else(|| panic!("nothing of {check} in {run:#?}"));
    (line[..8].trim(), &line[16..])
}

fn proves_all_on(store: &str, wanted: ImageStore, times: usize) {
    let site = Site::new();
    let cert = json!(include_str!("data/cert.pem"));
    site.vm.set(&[
        ("image_store", json!(store)),
        ("bind", json!(5001)),
        ("tls_cacert", cert.clone()),
        ("tls_cert", cert),
        ("tls_key", json!(include_str!("data/key.pem"))),
    ]);
    if !start_if_it_has(&site.vm, wanted) {
        return;
    }
    let before = site.inventory();
    for _ in 0..times {
        let run = site.smoke_test().ok();
        for (check, shown) in [
            ("engine", store),
            ("import", "made on the spot"),
            ("network", "by service name"),
            ("port", "10.0.0.2:"),
            ("dns", "here.example (192.0.2.7)"),
            ("volume", "outlives"),
            ("logs", "stdout and stderr"),
            ("tls", "refuses"),
            ("cleanup", "nothing"),
        ] {
            let (word, text) = line(&run, check);
            assert!(word == "ok" && text.contains(shown), "{check}: {run:#?}");
        }
        assert!(
            line(&run, "dns").1.contains("the default network"),
            "{run:#?}"
        );
        assert!(run.stdout.contains("all 9 checks"), "{run:#?}");
        assert_eq!(site.inventory(), before);
    }
}

#[test]
fn proves_all_on_the_graph_drivers_store() {
    if inside("proves_all_on_the_graph_drivers_store") {
        proves_all_on("graphdriver", ImageStore::GraphDriver, 2);
    }
}

#[test]
fn proves_all_on_the_containerd_store() {
    if inside("proves_all_on_the_containerd_store") {
        proves_all_on("containerd", ImageStore::Containerd, 1);
    }
}

#[test]
fn what_is_broken_is_named_and_the_rest_is_tried() {
    if !inside("what_is_broken_is_named_and_the_rest_is_tried") {
        return;
    }
    let mut site = Site::new();
    // nothing runs
    let run = site.smoke_test();
    assert_eq!(run.code, 1, "{run:#?}");
    assert!(
        line(&run, "engine").0 == "FAILED" && line(&run, "tls").0 == "not run",
        "{run:#?}"
    );
    assert!(run.stdout.contains("dockerd is not running"), "{run:#?}");

    site.vm
        .set(&[("bind", json!(5001)), ("bind_without_tls", json!(true))]);
    site.vm.run(&["start"]).ok();
    let before = site.inventory();
    // a name that the VM knows and containers do not
    std::fs::write(
        site.vm.paths().root().join("hosts"),
        "192.0.2.9 hidden.example\n",
    )
    .unwrap();
    let hosts = site.vm.paths().root().join("hosts");
    let mount = Command::new("mount")
        .arg("--bind")
        .arg(&hosts)
        .arg("/etc/hosts")
        .status();
    assert!(mount.unwrap().success());
    site.settings(&json!(["here.example", "hidden.example"]));
    let run = site.smoke_test();
    assert_eq!(run.code, 1, "{run:#?}");
    assert!(
        line(&run, "dns").0 == "FAILED" && line(&run, "dns").1.contains("hidden.example"),
        "{run:#?}"
    );
    assert!(run.stderr.contains("smoke test failed: dns"), "{run:#?}");
    for check in [
        "engine", "import", "network", "port", "volume", "logs", "cleanup",
    ] {
        assert_eq!(line(&run, check).0, "ok", "{run:#?}");
    }
    let (word, text) = line(&run, "tls");
    assert!(
        word == "skipped" && text.contains("bind_without_tls"),
        "{run:#?}"
    );
    assert_eq!(site.inventory(), before);

    // no name server, no names: said, and no failure
    site.dns.kill().unwrap();
    site.dns.wait().unwrap();
    site.settings(&json!([]));
    let run = site.smoke_test().ok();
    assert_eq!(line(&run, "dns").0, "skipped", "{run:#?}");

    // nobody reads what it prints
    let mut child = site
        .vm
        .command(&["smoke-test"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(!child.wait().unwrap().success());
    assert_eq!(site.inventory(), before);

    // a run that is told to end, and one that is killed
    for (signal, leaves) in [("TERM", false), ("KILL", true)] {
        let mut child = site
            .vm
            .command(&["smoke-test"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let label = Filters::all().label("containers.smoke-test");
        let deadline = Instant::now() + Duration::from_mins(1);
        while site.vm.engine().containers(&label).unwrap().is_empty() {
            assert!(Instant::now() < deadline, "no container was made");
        }
        let pid = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        assert!(!child.wait().unwrap().success());
        assert_eq!(site.inventory() != before, leaves, "{signal}");
    }
    // ... which leaves something for the next one to find
    let run = site.smoke_test().ok();
    assert_eq!(site.inventory(), before, "{run:#?}");
    site.settings(&json!("none"));
    let run = site.smoke_test();
    assert!(
        run.code == 2 && run.stderr.contains("`dns_names`"),
        "{run:#?}"
    );
}
