//! A VM for the runner: a root of its own with a real dockerd in network and mount namespaces of its own, so that
//! nothing of the machine changes.
//!
//! It needs root, the engine directory that `CONTAINERS_TEST_ENGINE` names, and a static busybox. Without them a test fails; it is
//! not skipped.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::{fs::symlink, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use bosh_job::Paths;
use docker_engine::{Container, Engine, Filters};
use serde_json::{Value, json};

use crate::namespaces::{inside, spawn_anchor, spawn_dockerd};

/// Any step of a test.
const PATIENCE: Duration = Duration::from_secs(90);

pub struct Vm {
    directory: Option<tempfile::TempDir>,
    pub paths: Paths,
    /// Holds the namespaces.
    anchor: Child,
    dockerd: Child,
    binaries: PathBuf,
}

impl Vm {
    pub fn start() -> Self {
        let binaries = engine_fixture::engine_directory();
        assert!(
            rustix::process::geteuid().is_root(),
            "a test with a real dockerd needs root"
        );
        let directory = tempfile::Builder::new().prefix("vm-").tempdir().unwrap();
        let paths = Paths::new(directory.path());
        for dir in [
            paths.run_dir(),
            paths.log_dir(),
            paths.tmp(),
            paths.cli_dir(),
            paths.compose_dir(),
            paths.data_root(),
            paths.exec_root(),
            paths.programs_dir(),
            directory.path().join("jobs/docker/config"),
            directory.path().join("packages/docker-compose/bin"),
            paths.cli_plugins(),
        ] {
            fs::create_dir_all(dir).unwrap();
        }
        fs::create_dir_all(directory.path().join("packages/docker")).unwrap();
        symlink(&binaries, paths.docker_bin_dir()).unwrap();
        symlink(binaries.join("docker-compose"), paths.compose_bin()).unwrap();
        for plugin in ["docker-compose", "docker-buildx"] {
            symlink(binaries.join(plugin), paths.cli_plugins().join(plugin)).unwrap();
        }
        // as docker-ctl writes it
        let client = json!({"cliPluginsExtraDirs": [paths.cli_plugins()]});
        fs::write(paths.cli_config(), client.to_string()).unwrap();
        symlink(
            env!("CARGO_BIN_EXE_compose-runner"),
            paths.program("compose-runner"),
        )
        .unwrap();
        let anchor = spawn_anchor();
        let dockerd = spawn_dockerd(&anchor, &binaries, &paths, &json!({}));
        let vm = Self {
            directory: Some(directory),
            paths,
            anchor,
            dockerd,
            binaries,
        };
        vm.importer("exit 0");
        vm.wait_for_dockerd();
        vm.import_busybox();
        vm
    }

    pub fn root(&self) -> &Path {
        self.paths.root()
    }

    pub fn engine(&self) -> Engine {
        Engine::new(self.paths.socket())
    }

    /// What stands in for image-importer, which has tests of its own.
    pub fn importer(&self, script: &str) {
        self.program(
            &self.paths.program("image-importer"),
            &format!("#!/bin/sh\n{script}\n"),
        );
    }

    /// Puts a script in a program's place.
    pub fn program(&self, program: &Path, script: &str) {
        let source = self.root().join("program.sh");
        fs::write(&source, script).unwrap();
        // Another process writes the program: one that another test's thread forks just then would hold it open for
        // writing, and what is open for writing cannot be executed (`ETXTBSY`).
        let status = Command::new("install").arg(&source).arg(program).status();
        assert!(status.unwrap().success());
    }

    /// Writes the configuration: a recipe, and whatever else differs from the defaults.
    pub fn configure(&self, recipe: &Value, more: &Value) {
        self.configure_with(recipe, more, |_| {});
    }

    /// The same, and whatever else differs.
    pub fn configure_with(&self, recipe: &Value, more: &Value, change: impl FnOnce(&mut Value)) {
        let mut config = job_fixture::rendered();
        config["instance"]["index"] = 7.into();
        config["instance"]["deployment"] = "test".into();
        let properties = &mut config["properties"];
        properties["recipe"] = recipe.clone();
        // short times: tests wait for them all day long
        properties["stable_seconds"] = 1.into();
        properties["start_timeout"] = 60.into();
        properties["stop_timeout"] = 60.into();
        for (name, value) in more.as_object().unwrap() {
            assert!(properties.get(name).is_some(), "{name} is no property");
            properties[name] = value.clone();
        }
        change(&mut config);
        fs::write(self.paths.job_config(), config.to_string()).unwrap();
    }

    /// Makes an image of the VM's tree for images, whose own layer has this text.
    pub fn import_image(&self, name: &str, version: &str) {
        let directory = self.root().join("image");
        fs::write(directory.join("version"), version).unwrap();
        let archive = self.root().join("next.tar");
        let mut tar = Command::new("tar");
        tar.arg("-C")
            .arg(directory)
            .arg("-cf")
            .arg(&archive)
            .arg(".");
        assert!(tar.status().unwrap().success());
        self.docker(&["import", archive.to_str().unwrap(), name]);
    }

    /// A command in the VM's namespaces.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = inside(&self.anchor, program);
        // monit gives its programs next to nothing.
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// Runs a line of shell in the VM's namespaces.
    pub fn sh(&self, line: &str) -> String {
        let mut command = self.command(Path::new("/bin/sh"));
        let output = command.args(["-ec", line]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// dnsmasq on 169.254.0.2, as BOSH DNS on a VM, and the VM's resolv.conf; until it is dropped. It knows `names`.
    pub fn bosh_dns(&self, names: &[&str]) -> Listener {
        let resolv_conf = self.root().join("resolv.conf");
        fs::write(&resolv_conf, "nameserver 169.254.0.2\n").unwrap();
        self.sh("ip address add 169.254.0.2/32 dev lo");
        self.sh(&format!(
            "mount --bind {} /etc/resolv.conf",
            resolv_conf.display()
        ));
        let mut command = self.command(Path::new("dnsmasq"));
        command
            .args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--pid-file",
                "--user=root",
            ])
            .args([
                "--no-resolv",
                "--no-hosts",
                "--bind-interfaces",
                "--listen-address=169.254.0.2",
            ])
            .args(names.iter().map(|name| format!("--address=/{name}")))
            .stdin(Stdio::null());
        let dns = Listener(command.spawn().unwrap());
        until(|| {
            self.sh("ss -Hlnu 'sport = 53'")
                .contains("169.254.0.2")
                .then_some(())
        })
        .expect("dnsmasq");
        dns
    }

    /// The settings under which dockerd runs, as docker-ctl writes them, as far as the runner reads them.
    pub fn daemon_json(&self, settings: &Value) {
        let path = self.paths.daemon_json();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, settings.to_string()).unwrap();
    }

    /// A process that listens on a port of the VM until it is dropped.
    pub fn listen(&self, port: u16) -> Listener {
        let mut command = self.command(&self.root().join("image/bin/busybox"));
        command
            .args(["httpd", "-f", "-p", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::null());
        let listener = Listener(
            command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        let table = format!("/proc/{}/net/tcp", self.anchor.id());
        let socket = format!(":{port:04X} 00000000:0000 0A");
        let listens = || {
            fs::read_to_string(&table)
                .unwrap()
                .contains(&socket)
                .then_some(())
        };
        until(listens).expect("listening");
        listener
    }

    /// Runs `compose-runner` with a command, its output into its log as the job's shim does it.
    pub fn runner(&self, arguments: &[&str]) -> Output {
        self.runner_with(arguments, &[])
    }

    fn runner_with(&self, arguments: &[&str], environment: &[(&str, String)]) -> Output {
        self.runner_command(arguments, environment)
            .output()
            .unwrap()
    }

    /// Begins a command of `compose-runner`, as monit does, which does not wait for its programs.
    pub fn begin_runner(&self, arguments: &[&str]) -> Child {
        self.runner_command(arguments, &[]).spawn().unwrap()
    }

    fn runner_command(&self, arguments: &[&str], environment: &[(&str, String)]) -> Command {
        let mut command = self.command(&self.paths.program("compose-runner"));
        let log = || {
            File::options()
                .create(true)
                .append(true)
                .open(self.paths.log_file("compose-runner"))
                .unwrap()
        };
        command
            .args(arguments)
            .arg("--root")
            .arg(self.root())
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdout(log())
            .stderr(log());
        command
    }

    pub fn start_runner(&self) {
        self.start_runner_with(&[]);
    }

    pub fn start_runner_with(&self, environment: &[(&str, String)]) {
        let output = self.runner_with(&["start"], environment);
        assert!(output.status.success(), "{}", self.log());
        // As monit, which waits for the process and not for the program.
        until(|| self.monit_sees_runner().then_some(()))
            .unwrap_or_else(|| panic!("no pidfile: {}", self.log()));
    }

    /// Starts the runner as BOSH does in a deploy, after a stop that leaves the containers, and returns its verdict.
    pub fn deploy(&self, recipe: &Value, more: &Value) -> Value {
        state_files::Marker::new(self.paths.keep_containers())
            .set()
            .unwrap();
        assert!(self.runner(&["stop"]).status.success(), "{}", self.log());
        state_files::Marker::new(self.paths.keep_containers())
            .clear()
            .unwrap();
        self.configure(recipe, more);
        self.start_runner();
        self.verdict()
    }

    /// Stops the runner as an update does: the containers stay.
    pub fn stop_runner_alone(&self) {
        let marker = state_files::Marker::new(self.paths.keep_containers());
        marker.set().unwrap();
        self.stop();
        marker.clear().unwrap();
    }

    /// The process of Compose that brings the recipe up, if there is one.
    pub fn compose_pid(&self) -> Option<i32> {
        let file = self.paths.compose_file().display().to_string();
        let is_up = |info: &bosh_job::ProcessInfo| {
            info.program() == "docker-compose"
                && info.has_argument(&file)
                && info.has_argument("up")
        };
        let found = bosh_job::Process::find(is_up);
        let process = found.iter().find(|process| process.is_alive())?;
        Some(process.pid().as_raw_nonzero().get())
    }

    /// Stops as an operator does.
    pub fn stop(&self) {
        assert!(self.runner(&["stop"]).status.success(), "{}", self.log());
    }

    /// Waits until a process has ended, reaped or not.
    pub fn wait_for_end(&self, pid: i32) {
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        let ended = || {
            bosh_job::ProcessInfo::read(pid)
                .is_none_or(|process| !process.is_alive())
                .then_some(())
        };
        until(ended).unwrap_or_else(|| panic!("process {pid:?} lives on\n{}", self.log()));
    }

    /// The verdict, when there is one.
    pub fn verdict(&self) -> Value {
        self.verdict_that(|verdict| verdict["state"] != "starting")
    }

    /// The verdict, when it is as wanted.
    pub fn verdict_that(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let found = until(|| {
            last = serde_json::from_slice(&fs::read(self.paths.verdict()).ok()?).ok()?;
            wanted(&last).then(|| last.clone())
        });
        found.unwrap_or_else(|| panic!("no such verdict: {last:#}\n{}", self.log()))
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.paths.log_file("compose-runner")).unwrap_or_default()
    }

    /// The PID in the runner's pidfile.
    pub fn runner_pid(&self) -> Option<i32> {
        fs::read_to_string(self.paths.compose_pidfile())
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    /// Whether monit sees a process in the pidfile.
    pub fn monit_sees_runner(&self) -> bool {
        let pid = self.runner_pid().and_then(bosh_job::Pid::from_raw);
        pid.and_then(bosh_job::ProcessInfo::read)
            .is_some_and(|process| process.is_alive())
    }

    pub fn container(&self, name: &str) -> Container {
        self.engine()
            .inspect_container(name)
            .unwrap_or_else(|error| panic!("{error}\n{}", self.log()))
    }

    pub fn started_at(&self, name: &str) -> String {
        self.container(name).state.started_at
    }

    /// Runs a command in a container.
    pub fn exec(&self, container: &str, arguments: &[&str]) -> String {
        let output = self.docker(&[&["exec", container], arguments].concat());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn docker(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(self.binaries.join("docker"));
        command
            .arg("--host")
            .arg(format!("unix://{}", self.paths.socket().display()))
            .args(arguments);
        let output = command
            .env_clear()
            .env("HOME", self.root())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "docker {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// What `health.sock` says; nothing if one cannot connect.
    pub fn health(&self) -> Option<Value> {
        let mut text = String::new();
        UnixStream::connect(self.paths.health_socket())
            .ok()?
            .read_to_string(&mut text)
            .ok()?;
        serde_json::from_str(&text).ok()
    }

    pub fn dockerd_pid(&self) -> i32 {
        self.dockerd.id().try_into().unwrap()
    }

    /// Ends dockerd; its containers live on (`live-restore`).
    pub fn end_dockerd(&mut self) {
        signal(self.dockerd_pid(), rustix::process::Signal::TERM);
        self.dockerd.wait().unwrap();
    }

    /// Waits for the end of a dockerd that a signal killed, and of its containerd, which the kernel kills with it: 20.10 takes one
    /// that nobody has reaped yet for one that runs, and does not start.
    pub fn await_killed_dockerd(&mut self) {
        self.dockerd.wait().unwrap();
        let pidfile = self.paths.exec_root().join("containerd/containerd.pid");
        let pid = fs::read_to_string(pidfile).unwrap();
        let process = Path::new("/proc").join(pid.trim());
        until(|| (!process.exists()).then_some(())).expect("containerd ends with dockerd");
    }

    /// Starts dockerd again.
    pub fn start_dockerd(&mut self) {
        self.start_dockerd_with(&json!({}));
    }

    /// The same with further settings.
    pub fn start_dockerd_with(&mut self, more: &Value) {
        self.dockerd = spawn_dockerd(&self.anchor, &self.binaries, &self.paths, more);
        self.wait_for_dockerd();
    }

    fn wait_for_dockerd(&self) {
        if let Err(error) = self
            .engine()
            .wait_ready(Instant::now() + Duration::from_mins(1))
        {
            panic!(
                "{error}\n{}",
                fs::read_to_string(self.paths.log_file("dockerd")).unwrap_or_default()
            );
        }
    }

    pub fn import_busybox(&self) {
        let named = std::env::var_os("CONTAINERS_TEST_BUSYBOX").map(PathBuf::from);
        let places = named
            .into_iter()
            .chain(["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from));
        let busybox = places.into_iter().find(|path| path.is_file());
        let busybox = busybox
            .expect("no busybox: install busybox-static, or name one in CONTAINERS_TEST_BUSYBOX");
        let image = self.root().join("image");
        let bin = image.join("bin");
        let _ = fs::remove_dir_all(&image);
        fs::create_dir_all(&bin).unwrap();
        fs::copy(&busybox, bin.join("busybox")).unwrap();
        for applet in [
            "sh", "sleep", "cat", "test", "true", "false", "touch", "rm", "env", "echo",
        ] {
            symlink("busybox", bin.join(applet)).unwrap();
        }
        let archive = self.root().join("image.tar");
        let tar = Command::new("tar")
            .arg("-C")
            .arg(self.root().join("image"))
            .arg("-cf")
            .arg(&archive)
            .arg(".")
            .status();
        assert!(tar.unwrap().success());
        self.docker(&[
            "import",
            "--change",
            "CMD [\"/bin/sleep\", \"1000000\"]",
            archive.to_str().unwrap(),
            "test:1",
        ]);
    }
}

/// What is found, as soon as it is; nothing if it is not found in time.
pub fn until<T>(mut found: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(found) = found() {
            return Some(found);
        }
        thread::sleep(Duration::from_millis(50));
    }
    None
}

pub fn signal(pid: i32, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// A process in the way.
pub struct Listener(Child);

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // Whatever a failed test has left behind.
        if let Some(pid) = self.runner_pid().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        for container in self
            .engine()
            .containers(&Filters::all())
            .unwrap_or_default()
        {
            let _ = self.engine().remove_container(&container.id, true);
        }
        if let Ok(None) = self.dockerd.try_wait() {
            signal(self.dockerd_pid(), rustix::process::Signal::TERM);
        }
        let deadline = Instant::now() + Duration::from_secs(15);
        while matches!(self.dockerd.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(50));
        }
        let _ = self.dockerd.kill();
        let _ = self.dockerd.wait();
        // Programs of this VM, known by its directory in their arguments: containerd, shims, runners.
        let root = self.root().display().to_string();
        for process in bosh_job::Process::find(|info| {
            info.cmdline.iter().any(|argument| argument.contains(&root))
        }) {
            let _ = process.end(Duration::from_secs(1));
        }
        let _ = self.anchor.kill();
        let _ = self.anchor.wait();
        if let Some(directory) = self.directory.take() {
            let _ = directory.close();
        }
    }
}
