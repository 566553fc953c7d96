//! The site's own registry by manifests/registry.yml: two docker hosts push to it and pull from it, nobody else does, and what they
//! pushed outlives whatever happens to it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use release_tests::{Outcome, program, repository, wait_until};
use serde_json::Value;

const NAME: &str = "registry";
const IMAGE: &str = "registry.internal:5000/team/app:1";
const LIMIT: Duration = Duration::from_mins(2);
const PIDFILE: &str = "/var/vcap/sys/run/registry/registry.pid";

/// The deployment of the manifest, deleted when dropped.
struct Site {
    store: PathBuf,
    operations: Vec<String>,
}

impl Site {
    /// With a small image on the docker hosts, which they bring themselves.
    fn new() -> Self {
        let directory = repository().join("tmp/manifests");
        std::fs::create_dir_all(&directory).unwrap();
        let images = directory.join("registry-images.yml");
        let fixtures = repository().join("ci/fixtures/release");
        let text = format!(
            "- {{type: replace, path: /releases/-, value: {{name: fixture-images, version: latest, path: {}}}}}\n\
             - {{type: replace, path: /instance_groups/name=docker/jobs/-, value: {{name: busybox-image, release: fixture-images}}}}\n",
            fixtures.display()
        );
        std::fs::write(&images, text).unwrap();
        let mut site = Self {
            store: directory.join("registry-vars.yml"),
            operations: vec!["-o".to_owned(), images.display().to_string()],
        };
        site.operation(
            "registry-user",
            &["registry_user=ci", "registry_user_repositories=team"],
        );
        site
    }

    fn operation(&mut self, name: &str, variables: &[&str]) {
        let path = repository().join(format!("manifests/operations/{name}.yml"));
        let path = path.display().to_string();
        self.operations.extend(["-o".to_owned(), path]);
        for variable in variables {
            self.operations
                .extend(["-v".to_owned(), (*variable).to_owned()]);
        }
    }

    fn solo(arguments: &[&str]) -> Outcome {
        let mut command = Command::new(program("bosh-solo"));
        Outcome::of(command.args(["-n", "-d", NAME]).args(arguments))
    }

    fn deploy(&self) -> String {
        let manifest = repository().join("manifests/registry.yml");
        let (manifest, store) = (manifest.to_string_lossy(), self.store.to_string_lossy());
        let mut arguments = vec!["deploy", &*manifest, "--vars-store", &*store];
        arguments.extend(self.operations.iter().map(String::as_str));
        let outcome = Self::solo(&arguments);
        let log = "tail -n 50 /var/vcap/sys/log/registry/*";
        assert_eq!(
            outcome.code,
            0,
            "{}\n{}",
            outcome.text(),
            Self::on("registry/0", log).text()
        );
        outcome.text()
    }

    fn on(instance: &str, command: &str) -> Outcome {
        Self::solo(&["ssh", instance, "-c", command])
    }

    fn docker(index: usize, arguments: &str) -> Outcome {
        let command = format!(". /var/vcap/jobs/docker/envrc && docker {arguments}");
        Self::on(&format!("docker/{index}"), &command)
    }

    /// What the registry answers to a docker host that shows no certificate: with a login, or without one.
    fn status(login: &str, method: &str, path: &str) -> String {
        let ca = "$(ls /etc/docker/certs.d/registry.internal:5000/*.crt | head -n 1)";
        let command = format!(
            "curl --silent --output /dev/null --write-out '%{{http_code}}' --cacert {ca} {login} --request {method} https://registry.internal:5000{path}"
        );
        Self::on("docker/0", &command).ok()
    }

    fn secret(&self, variable: &str) -> String {
        let text = std::fs::read_to_string(&self.store).unwrap();
        let variables: Value = serde_yaml::from_str(&text).unwrap();
        variables[variable].as_str().unwrap().to_owned()
    }

    /// The states that `bosh instances` shows of the registry's instance.
    fn state() -> String {
        let text = Self::solo(&["instances", "--json"]).ok();
        let table: Value = serde_json::from_str(&text).unwrap();
        let rows = table["Tables"][0]["Rows"].as_array().unwrap().clone();
        let of_registry = |row: &&Value| row["instance"].as_str().unwrap().starts_with("registry/");
        let row = rows
            .iter()
            .find(of_registry)
            .unwrap_or_else(|| panic!("{text}"));
        row["process_state"].as_str().unwrap().to_owned()
    }

    fn pid() -> String {
        Self::on("registry/0", &format!("cat {PIDFILE}")).ok()
    }

    /// Pulls the image on the second host, where it was not, and runs it.
    fn assert_pulled_and_run() {
        Self::docker(1, &format!("image rm --force {IMAGE}")).ok();
        Self::docker(1, &format!("pull {IMAGE}")).ok();
        let said = Self::docker(1, &format!("run --rm {IMAGE} cat /pushed")).ok();
        assert_eq!(said, "by docker/0");
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::env::var_os("CONTAINERS_TEST_KEEP_DEPLOYMENTS").is_some() {
            return;
        }
        let outcome = Self::solo(&["delete-deployment"]);
        assert!(
            outcome.code == 0 || std::thread::panicking(),
            "{}",
            outcome.text()
        );
    }
}

#[test]
fn docker_hosts_push_and_pull_nobody_else_does_and_a_registry_that_dies_or_hangs_loses_nothing() {
    let mut site = Site::new();
    site.deploy();
    assert_eq!(Site::state(), "running");
    let owner = "stat --format '%U' /var/vcap/store/registry; ps -o user= -p $(cat /var/vcap/sys/run/registry/registry.pid)";
    assert_eq!(Site::on("registry/0", owner).ok(), "vcap\nvcap");

    // a new layer, pushed and pulled with the certificate that BOSH gave the hosts
    let make = "run --name made fixture/busybox:1 sh -c 'echo by docker/0 >/pushed'";
    Site::docker(0, make).ok();
    Site::docker(0, &format!("commit made {IMAGE}")).ok();
    Site::docker(0, &format!("push {IMAGE}")).ok();
    Site::assert_pulled_and_run();

    // nobody
    for (login, method, path, expected) in [
        ("", "GET", "/v2/", "401"),
        ("", "GET", "/v2/team/app/manifests/1", "401"),
        ("", "POST", "/v2/team/app/blobs/uploads/", "401"),
        ("--user ci:wrong", "GET", "/v2/team/app/manifests/1", "401"),
    ] {
        assert_eq!(
            Site::status(login, method, path),
            expected,
            "{login} {method} {path}"
        );
    }
    let password = site.secret("registry_user_password");
    let user = format!("--user ci:{password}");
    assert_eq!(
        Site::status(&user, "GET", "/v2/team/app/manifests/1"),
        "200"
    );
    assert_eq!(
        Site::status(&user, "POST", "/v2/other/blobs/uploads/"),
        "403"
    );
    let found = Site::on(
        "registry/0",
        &format!(
            "grep -rlF '{password}' /var/vcap/sys/log; ps axww | grep -F '{password}' | grep -v grep"
        ),
    );
    assert_eq!(
        found.stdout.trim(),
        "",
        "the password is in a log or in the process list"
    );

    // nothing changes
    let before = Site::pid();
    let said = site.deploy();
    assert!(!said.contains("Updating instance"), "{said}");
    assert_eq!(Site::pid(), before);

    // it dies
    Site::on("registry/0", &format!("kill -9 {before}")).ok();
    wait_until("monit starts it again", LIMIT, || {
        // wakes monit, which looks every ten seconds
        drop(Site::on("registry/0", "monit"));
        let now = Site::on("registry/0", &format!("cat {PIDFILE}"));
        now.code == 0 && now.stdout.trim() != before
    });
    wait_until("it runs", LIMIT, || Site::state() == "running");
    Site::assert_pulled_and_run();

    // it hangs
    let pid = Site::pid();
    Site::on("registry/0", &format!("kill -STOP {pid}")).ok();
    wait_until("it shows", LIMIT, || Site::state() == "failing");
    Site::on("registry/0", &format!("kill -CONT {pid}")).ok();
    wait_until("it runs again", LIMIT, || Site::state() == "running");

    // the errands, and a reboot with the store on its disk
    let said = Site::solo(&["run-errand", "collect-garbage"]).ok();
    assert!(
        said.contains("freed ") && said.contains("Exit Code  0"),
        "{said}"
    );
    let said = Site::solo(&["run-errand", "catalog"]).ok();
    assert!(said.contains("team/app"), "{said}");
    Site::solo(&["recreate", "registry/0"]).ok();
    Site::assert_pulled_and_run();
    let verify = "/var/vcap/packages/image-registry/bin/image-registry verify";
    let verified = Site::on("registry/0", verify).ok();
    let mut lines = verified.lines();
    assert!(lines.all(|line| line.ends_with(" 0 faults")), "{verified}");

    // anyone, where the manifest says so
    site.operation(
        "registry-anonymous-pull",
        &["registry_anonymous_repositories=team"],
    );
    site.deploy();
    assert_eq!(Site::status("", "GET", "/v2/team/app/manifests/1"), "200");
    assert_eq!(
        Site::status("", "POST", "/v2/team/app/blobs/uploads/"),
        "401"
    );
}
