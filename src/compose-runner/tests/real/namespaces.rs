//! Processes in namespaces of their own.

use std::{
    fs::{self, File},
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
};

use bosh_job::Paths;
use serde_json::{Value, json};

/// A command in the namespaces that a process holds.
pub fn inside(anchor: &Child, program: &Path) -> Command {
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--target={}", anchor.id()))
        .args(["--net", "--mount", "--"])
        .arg(program);
    command
}

/// Mounts every hierarchy of cgroup v1 that there is: where one is mounted in another namespace alone, containerd cannot find a
/// container's cgroups, and does not report that one was out of memory.
const CGROUPS: &str = r#"
if ! test -e /sys/fs/cgroup/cgroup.controllers; then
  mount -t tmpfs tmpfs /sys/fs/cgroup
  while IFS=: read -r _ controllers _; do
    case $controllers in
      '') continue ;;
      name=*) options=none,$controllers directory=${controllers#name=} ;;
      *) options=$controllers directory=$controllers ;;
    esac
    mkdir "/sys/fs/cgroup/$directory" && mount -t cgroup -o "$options" cgroup "/sys/fs/cgroup/$directory" || exit 1
    for name in $(echo "$directory" | tr , ' '); do
      test -e "/sys/fs/cgroup/$name" || ln -s "$directory" "/sys/fs/cgroup/$name"
    done
  done </proc/self/cgroup
fi
"#;

/// Network and mount namespaces: containerd's sockets lie under `/run`, bridges and firewall rules in the network.
pub fn spawn_anchor() -> Child {
    let script = format!(
        "{CGROUPS} ip link set lo up && mount -t tmpfs tmpfs /run && echo 1 >/proc/sys/net/ipv4/ip_forward && echo && exec sleep 3600"
    );
    let mut command = Command::new("unshare");
    command.args([
        "--net",
        "--mount",
        "--propagation=private",
        "--",
        "/bin/sh",
        "-c",
        &script,
    ]);
    let mut anchor = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    anchor
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut [0])
        .expect("making namespaces");
    anchor
}

pub fn spawn_dockerd(anchor: &Child, binaries: &Path, paths: &Paths, more: &Value) -> Child {
    let mut settings = json!({
        "data-root": paths.data_root(), "exec-root": paths.exec_root(), "pidfile": paths.dockerd_pidfile(),
        "hosts": [format!("unix://{}", paths.socket().display())], "live-restore": true,
    });
    for (name, value) in more.as_object().unwrap() {
        settings[name] = value.clone();
    }
    // the image store, if a test says one
    let asked = fs::read(paths.daemon_json()).unwrap_or_default();
    let asked: Value = serde_json::from_slice(&asked).unwrap_or_default();
    if asked["features"].is_object() {
        settings["features"] = asked["features"].clone();
    }
    let file = paths.run_dir().join("daemon.json");
    fs::write(&file, settings.to_string()).unwrap();
    let log = File::options()
        .create(true)
        .append(true)
        .open(paths.log_file("dockerd"))
        .unwrap();
    let mut command = inside(anchor, &binaries.join("dockerd"));
    command.arg("--config-file").arg(file);
    command.env_clear().env(
        "PATH",
        format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", binaries.display()),
    );
    command
        .env("TMPDIR", paths.tmp())
        .env("HOME", paths.root())
        .stdin(Stdio::null());
    command
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}
