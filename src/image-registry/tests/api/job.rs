//! The registry as a job: what its scripts do, and what monit would see.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A user that every machine has.
const USER: &str = "nobody";

/// A directory with a configuration as the job's templates render it.
struct Job {
    directory: TempDir,
    config: Value,
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Job {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path("run")).unwrap();
        let authority = authority();
        let key = KeyPair::generate().unwrap();
        let names = vec!["registry.internal".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names).unwrap();
        let certificate = certificate.signed_by(&key, &authority).unwrap();
        fs::write(path("certificate.pem"), certificate.pem()).unwrap();
        fs::write(path("key.pem"), key.serialize_pem()).unwrap();
        fs::write(path("ca.pem"), authority.pem()).unwrap();
        // others may enter what is above the store, as on a VM
        fs::set_permissions(
            directory.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        let config = json!({
            "listen": format!("127.0.0.1:{}", free_port()),
            "store": path("store"),
            "admin_socket": path("run/admin.sock"),
            "tls": {"certificate": path("certificate.pem"), "key": path("key.pem"), "ca": path("ca.pem"), "client_authorities": null},
            "users": [{"name": "ci", "password": "hunter2", "grants": [{"rights": ["pull", "push"]}]}],
            "anonymous": [],
        });
        Self { directory, config }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What a command exits with, and says: to a file, which the registry keeps open.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        fs::write(self.path("config.json"), self.config.to_string()).unwrap();
        let log = fs::File::create(self.path("log")).unwrap();
        let status = Command::new(env!("CARGO_BIN_EXE_image-registry"))
            .arg("--config")
            .arg(self.path("config.json"))
            .args(arguments)
            .stderr(log)
            .status()
            .unwrap();
        let said = fs::read_to_string(self.path("log")).unwrap();
        assert!(!said.contains("hunter2"), "{said}");
        (status.code(), said)
    }

    fn ok(&self, arguments: &[&str]) {
        let (code, said) = self.run(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
    }

    /// What a command says that fails.
    fn refused(&self, arguments: &[&str], expected: i32) -> String {
        let (code, said) = self.run(arguments);
        assert_eq!(code, Some(expected), "{arguments:?}: {said}");
        said
    }

    fn pid(&self) -> Option<u32> {
        let text = fs::read_to_string(self.path("run/registry.pid")).ok()?;
        Some(text.trim().parse().unwrap())
    }

    fn signal(&self, signal: &str) {
        let pid = self.pid().unwrap().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.pid().is_some() {
            self.ok(&["stop"]);
        }
    }
}

/// A line of `/proc/PID/status`.
fn status(pid: u32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.to_owned()
}

fn is_alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists() && !status(pid, "State:").contains('Z')
}

#[test]
fn it_starts_as_another_user_than_root_answers_stays_and_stops() {
    let job = Job::new();
    job.ok(&["pre-start", "--user", USER]);
    job.ok(&["start", "--user", USER]);
    let pid = job.pid().unwrap();
    job.ok(&["post-start"]);
    let uid = fs::metadata(job.path("store")).unwrap().uid();
    assert_ne!(uid, 0);
    assert_eq!(
        status(pid, "Uid:"),
        format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}")
    );
    assert_eq!(
        status(pid, "CapEff:").split_whitespace().last(),
        Some("0000000000000000")
    );
    assert!(status(pid, "Groups:").split_whitespace().count() == 2);
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let launcher = stat.split_whitespace().nth(3).unwrap();
    assert_ne!(launcher, std::process::id().to_string());
    job.ok(&["start", "--user", USER]);
    assert_eq!(job.pid(), Some(pid), "one that runs stays");
    job.ok(&["collect-garbage"]);
    job.ok(&["stop"]);
    assert!(!is_alive(pid) && job.pid().is_none());
    job.ok(&["stop"]);
    job.refused(&["collect-garbage"], 1);
}

#[test]
fn one_that_was_killed_is_started_again_and_one_that_hangs_is_ended() {
    let job = Job::new();
    job.ok(&["start", "--user", USER]);
    let first = job.pid().unwrap();
    job.signal("-KILL");
    job.ok(&["start", "--user", USER]);
    let second = job.pid().unwrap();
    assert_ne!(first, second);
    job.ok(&["post-start"]);
    job.signal("-STOP");
    let began = Instant::now();
    job.ok(&["stop"]);
    assert!(!is_alive(second) && began.elapsed() < Duration::from_secs(30));
}

#[test]
fn the_admin_socket_is_for_root_alone_even_if_its_mode_lets_others_in() {
    let job = Job::new();
    job.ok(&["start", "--user", USER]);
    let socket = job.path("run/admin.sock");
    let metadata = fs::metadata(&socket).unwrap();
    assert_eq!((metadata.uid(), metadata.mode() & 0o777), (0, 0o600));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    fs::set_permissions(&socket, mode).unwrap();
    let config = job.path("config.json").display().to_string();
    // a copy that others may read: the test's own directory may be root's
    let program = job.path("image-registry");
    fs::copy(env!("CARGO_BIN_EXE_image-registry"), &program).unwrap();
    let ask = |user: &str| {
        Command::new("setpriv")
            .args(["--reuid", user, "--clear-groups"])
            .arg(&program)
            .args(["--config", &config, "collect-garbage", "--dry-run"])
            .output()
            .unwrap()
    };
    assert!(ask("root").status.success());
    let refused = ask(USER);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("asking the registry"),
        "{said}"
    );
}

#[test]
fn without_tls_or_a_login_nothing_starts_and_the_property_is_named() {
    for (pointer, value, property) in [
        ("/tls/certificate", json!("/dev/null"), "`tls.certificate`"),
        ("/tls/key", json!("/dev/null"), "`tls.private_key`"),
        ("/tls/ca", json!("/dev/null"), "`tls.ca`"),
        ("/tls/key", json!("ca.pem"), "`tls.private_key`"),
        ("/tls/certificate", json!("ca.pem"), "`tls.private_key`"),
        ("/users", json!([]), "`users`"),
        ("/users", json!([{"name": "ci"}]), "`users`"),
        (
            "/users",
            json!([{"name": "ci", "certificate": "a.example"}]),
            "`tls.client_ca`",
        ),
        (
            "/users",
            json!([{"name": "ci", "password": "hunter2", "grants": [{"rights": ["pull", "hunter2"]}]}]),
            "`users[0].grants[0].rights[1]`",
        ),
        (
            "/users",
            json!([{"name": "ci", "pasword": "hunter2"}]),
            "`users[0].pasword`",
        ),
        ("/anonymous", json!("pull"), "`anonymous`"),
        ("/listen", json!("here:5000"), "`bind` or `port`"),
    ] {
        let mut job = Job::new();
        let value = match value.as_str() {
            Some("ca.pem") => json!(job.path("ca.pem")),
            _ => value,
        };
        *job.config.pointer_mut(pointer).unwrap() = value;
        for command in ["pre-start", "start"] {
            let said = job.refused(&[command, "--user", USER], 2);
            assert!(said.contains(property), "{pointer}: {said}");
        }
        assert!(job.pid().is_none());
    }
}

#[test]
fn a_certificate_that_docker_vms_would_refuse_fails_post_start() {
    let job = Job::new();
    job.ok(&["start", "--user", USER]);
    fs::write(job.path("ca.pem"), authority().pem()).unwrap();
    let said = job.refused(&["post-start"], 1);
    assert!(said.contains("`tls.certificate`"), "{said}");
}

#[test]
fn one_that_cannot_listen_fails_its_start_and_leaves_the_other_alone() {
    let first = Job::new();
    first.ok(&["start", "--user", USER]);
    let mut second = Job::new();
    second.config["listen"] = first.config["listen"].clone();
    let said = second.refused(&["start", "--user", USER], 1);
    assert!(said.contains("`bind` and `port`"), "{said}");
    assert!(second.pid().is_none());
    first.ok(&["post-start"]);
}
