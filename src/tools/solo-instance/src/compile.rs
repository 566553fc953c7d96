//! Compilation of a package, in a sandbox of its own.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{PipeReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::thread;

use rustix::mount::MountFlags;
use rustix::process::{Signal, WaitOptions};

use crate::error::{Error, Result};
use crate::links::bring_up_loopback;
use crate::plan::{self, AGENT_PATH, CompilePlan};
use crate::process;
use crate::rootfs::{self, Root};
use crate::spec::check_package_name;
use crate::{command, lock};

/// What a Director shows of a script that fails (bosh-agent, `agent/compiler`).
const TAIL: usize = 10 * 1024;

/// A packaging script to run: namespaces of its own, the base tree as root, no network at all, nothing inherited.
#[derive(Debug)]
pub struct CompileSpec {
    /// The package's name.
    pub package: String,
    /// Compiled dependencies: name and directory on this machine; read-only at `/var/vcap/packages/<name>`.
    pub dependencies: Vec<(String, PathBuf)>,
    /// The unpacked source on this machine; writable at `/var/vcap/data/compile/<package>`, the working directory.
    pub compile_target: PathBuf,
    /// An empty directory on this machine; writable at `/var/vcap/packages/<package>`.
    pub install_target: PathBuf,
    /// The whole environment of the script (`BOSH_COMPILE_TARGET`, …); without `PATH` it gets the agent's.
    pub env: Vec<(String, String)>,
    /// The program, usually `bash -x packaging`.
    pub argv: Vec<String>,
    /// A file that gets the whole output as it comes.
    pub log: Option<File>,
}

/// How a packaging script ended.
#[derive(Debug)]
pub struct Compiled {
    /// Its exit status.
    pub status: ExitStatus,
    /// The last 10 KB of its output (standard output and error in one stream), which is what a Director shows.
    pub tail: String,
}

/// The host side: starts the sandbox and follows its output. Scratch space lies in a directory below `scratch`.
pub(crate) fn run(
    init: &[OsString],
    base: &Path,
    scratch: &Path,
    spec: CompileSpec,
) -> Result<Compiled> {
    check_package_name(&spec.package)?;
    for (name, _) in &spec.dependencies {
        check_package_name(name)?;
    }
    let directory = scratch.join(&spec.package);
    rootfs::make_directory(&directory, 0o700)?;
    // Two compilations of one package would share it.
    let lock = lock::exclusive(&scratch.join(format!("{}.lock", spec.package)))?;
    rootfs::empty(&directory)?;
    let [root, data] = ["root", "data"].map(|name| directory.join(name));
    for directory in [&root, &data] {
        rootfs::make_directory(directory, 0o755)?;
    }
    let plan_file = directory.join("plan.json");
    let plan = CompilePlan {
        base: base.to_owned(),
        root,
        data,
        package: spec.package,
        dependencies: spec.dependencies,
        compile_target: spec.compile_target,
        install_target: spec.install_target,
        env: spec.env.into_iter().collect(),
        argv: spec.argv,
    };
    plan::save(&plan_file, &plan)?;
    let result = follow(init, &plan_file, &plan.package, spec.log);
    fs::remove_dir_all(&directory).map_err(Error::io("removing", directory))?;
    drop(lock);
    result
}

fn follow(init: &[OsString], plan: &Path, package: &str, log: Option<File>) -> Result<Compiled> {
    let piping = Error::io("making a pipe for", plan);
    let (output, input) = std::io::pipe().map_err(piping)?;
    let errors = input
        .try_clone()
        .map_err(Error::io("making a pipe for", plan))?;
    let unshare = command::find("unshare")?;
    let mut sandbox = Command::new(&unshare);
    sandbox
        .args([
            "--mount",
            "--net",
            "--pid",
            "--uts",
            "--ipc",
            "--cgroup",
            "--fork",
            "--kill-child",
            "--",
        ])
        .args(init)
        .arg("compile")
        .arg(plan)
        .env_clear()
        .env("PATH", AGENT_PATH)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(input)
        .stderr(errors);
    let mut child = sandbox.spawn().map_err(|source| Error::Spawn {
        program: "unshare".to_owned(),
        source,
    })?;
    // The sandbox ends when its standard input does: when this process dies, too.
    let alive = child.stdin.take();
    drop(sandbox);
    let tail = copy(output, log).map_err(Error::io(
        "reading the output of the packaging script of",
        package,
    ))?;
    let status = child
        .wait()
        .map_err(Error::io("waiting for the packaging script of", package))?;
    drop(alive);
    Ok(Compiled { status, tail })
}

/// Copies the output into the log and keeps its end.
fn copy(mut output: PipeReader, mut log: Option<File>) -> std::io::Result<String> {
    let mut tail: Vec<u8> = Vec::new();
    let mut buffer = [0_u8; 8192];
    loop {
        match output.read(&mut buffer)? {
            0 => return Ok(String::from_utf8_lossy(&tail).into_owned()),
            count => {
                if let Some(log) = &mut log {
                    log.write_all(&buffer[..count])?;
                }
                tail.extend_from_slice(&buffer[..count]);
                tail.drain(..tail.len().saturating_sub(TAIL));
            }
        }
    }
}

/// PID 1 of the sandbox: builds the root, runs the script, reaps, and ends as it ended.
pub(crate) fn inside(plan_file: &Path) -> Result<ExitCode> {
    let plan: CompilePlan = plan::load(plan_file)?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let workdir = set_up(&plan)?;
    bring_up_loopback()?;
    let (program, arguments) = plan.argv.split_first().ok_or_else(|| Error::Invalid {
        what: "packaging script",
        value: plan.package.clone(),
        why: "it is empty".to_owned(),
    })?;
    let mut script = Command::new(program);
    script
        .args(arguments)
        .env_clear()
        .env("PATH", AGENT_PATH)
        .envs(&plan.env)
        .current_dir(workdir)
        .stdin(Stdio::null());
    let child = script.spawn().map_err(|source| Error::Spawn {
        program: program.clone(),
        source,
    })?;
    let script = i32::try_from(child.id()).unwrap_or_default();
    thread::spawn(end_with_the_host_side);
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_pid() == script => {
                let code = status
                    .exit_status()
                    .or_else(|| status.terminating_signal().map(|signal| 128 + signal));
                return Ok(ExitCode::from(u8::try_from(code.unwrap_or(1)).unwrap_or(1)));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::sys("waiting for", program)(error)),
        }
    }
}

fn end_with_the_host_side() {
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    for pid in process::all() {
        process::signal(pid, Signal::KILL);
    }
}

/// The root of a compile VM, with the script's own mounts; gives the working directory.
fn set_up(plan: &CompilePlan) -> Result<String> {
    rustix::system::sethostname(b"compile").map_err(Error::sys("naming the host", "compile"))?;
    // What is written outside the mounts below is gone with the sandbox; it lives in memory.
    let memory = plan.root.with_extension("memory");
    rootfs::make_directory(&memory, 0o700)?;
    rootfs::mount_tmpfs(&memory)?;
    let (upper, work) = (memory.join("upper"), memory.join("work"));
    for directory in [&upper, &work] {
        rootfs::make_directory(directory, 0o755)?;
    }
    let root = Root::overlay(&plan.root, &plan.base, &upper, &work)?;
    root.proc()?;
    root.sys(&[])?;
    root.dev()?;
    root.tmpfs("/run", "mode=755", MountFlags::NOSUID | MountFlags::NODEV)?;
    root.write("/etc/hosts", "127.0.0.1 localhost compile\n")?;
    root.write("/etc/resolv.conf", "")?;

    root.directory("/var/vcap/data", 0o755)?;
    root.bind(&plan.data, "/var/vcap/data", MountFlags::NODEV)?;
    root.directory("/var/vcap/data/tmp", 0o1777)?;
    let tmp = root.directory("/var/vcap/data/root_tmp", 0o1777)?;
    root.temporary_files(&tmp)?;
    for (name, directory) in &plan.dependencies {
        let point = format!("/var/vcap/packages/{name}");
        root.directory(&point, 0o755)?;
        root.bind(directory, &point, MountFlags::NODEV | MountFlags::RDONLY)?;
    }
    let workdir = format!("/var/vcap/data/compile/{}", plan.package);
    for (point, directory) in [
        (&workdir, &plan.compile_target),
        (
            &format!("/var/vcap/packages/{}", plan.package),
            &plan.install_target,
        ),
    ] {
        root.directory(point, 0o755)?;
        root.bind(directory, point, MountFlags::NODEV)?;
    }
    root.enter()?;
    Ok(workdir)
}
