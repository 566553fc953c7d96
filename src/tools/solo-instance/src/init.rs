//! PID 1 of an instance: sets the machine up, keeps monit running as runit does on a stemcell, reaps, and ends
//! everything on SIGTERM. Also PID 1 of a compile sandbox, and the step that enters cgroups.
//!
//! The host side talks to it over its standard streams: it says `mounted` when the root stands, waits for `go` (by
//! then it has its address and its disk), says `started`, and is on its own from then on.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Signal, WaitOptions};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::error::{Error, Result};
use crate::links::bring_up_loopback;
use crate::monit::MONITRC;
use crate::plan::MachinePlan;
use crate::{compile, enter, machine, plan, process};

/// The entry of the hidden subcommand that [`crate::HostConfig::init`] names; `args` are its arguments.
///
/// # Errors
/// Says why the machine could not be set up; the host side shows it.
pub fn init_main(args: impl IntoIterator<Item = OsString>) -> Result<ExitCode> {
    let mut args = args.into_iter();
    let mode = args.next().unwrap_or_default();
    let rest: Vec<OsString> = args.collect();
    match (mode.to_str(), rest.as_slice()) {
        (Some("enter"), _) => enter::run(rest).map(|never| match never {}),
        (Some("boot"), [plan]) => boot(Path::new(plan)),
        (Some("compile"), [plan]) => compile::inside(Path::new(plan)),
        _ => Err(Error::Invalid {
            what: "subcommand",
            value: mode.to_string_lossy().into_owned(),
            why: "it is for bosh-solo's own use".to_owned(),
        }),
    }
}

fn boot(plan: &Path) -> Result<ExitCode> {
    let plan: MachinePlan = plan::load(plan)?;
    // Before anything can send them: PID 1 gets no signal that it has no handler for (pid_namespaces(7)).
    let mut signals =
        Signals::new([SIGTERM, SIGINT, SIGCHLD]).map_err(Error::io("handling signals in", "/"))?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    machine::set_up(&plan)?;
    bring_up_loopback()?;
    say("mounted")?;
    let mut line = String::new();
    let read = std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(Error::io("reading", "/dev/stdin"))?;
    if read == 0 {
        return Err(Error::Boot {
            instance: plan.hostname,
            why: "the host side ended while it booted".to_owned(),
        });
    }
    let mut monit = Monit::start()?;
    say("started")?;
    let null = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(Error::io("opening", "/dev/null"))?;
    rustix::stdio::dup2_stdin(&null).map_err(Error::sys("closing", "/dev/stdin"))?;
    rustix::stdio::dup2_stdout(&null).map_err(Error::sys("closing", "/dev/stdout"))?;

    for signal in signals.forever() {
        if signal == SIGCHLD {
            reap(|pid| monit.ended(pid));
            monit.restart_if_ended();
        } else {
            end_everything(&monit);
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn say(word: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{word}")
        .and_then(|()| out.flush())
        .map_err(Error::io("writing", "/dev/stdout"))
}

/// Takes in every child that has ended: monit, and whatever lost its own parent.
fn reap(mut ended: impl FnMut(i32)) {
    while let Ok(Some((pid, _))) = rustix::process::wait(WaitOptions::NOHANG) {
        ended(pid.as_raw_pid());
    }
}

/// Monit in the foreground, as a stemcell's runit starts it: with a niceness that programs inherit, and the environment
/// that BOSH's monit gives them: `PATH` and nothing else.
struct Monit {
    pid: i32,
    started: Instant,
    running: bool,
}

impl Monit {
    fn start() -> Result<Self> {
        let child = Command::new("/usr/bin/setsid")
            .args(["/usr/bin/nice", "-n", "-10"])
            .args(["/usr/bin/monit", "-I", "-c", MONITRC])
            .env_clear()
            .env("PATH", "/bin:/usr/bin:/sbin:/usr/sbin")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|source| Error::Spawn {
                program: "monit".to_owned(),
                source,
            })?;
        let pid = i32::try_from(child.id()).unwrap_or_default();
        Ok(Self {
            pid,
            started: Instant::now(),
            running: true,
        })
    }

    fn ended(&mut self, pid: i32) {
        if pid == self.pid {
            self.running = false;
        }
    }

    /// Once a second at most, as runit does.
    fn restart_if_ended(&mut self) {
        while !self.running {
            std::thread::sleep(Duration::from_secs(1).saturating_sub(self.started.elapsed()));
            match Self::start() {
                Ok(fresh) => *self = fresh,
                Err(error) => {
                    self.started = Instant::now();
                    let _ = writeln!(std::io::stderr(), "{error}");
                }
            }
        }
    }
}

/// A shutdown as systemd and runit do it: monit first, so that it restarts nothing; SIGTERM to all; wait. How long
/// it may take is the host side's affair: it kills this process, which ends the namespace.
fn end_everything(monit: &Monit) {
    if monit.running {
        process::signal(monit.pid, Signal::TERM);
        let mut running = true;
        process::wait_until(Duration::from_secs(5), || {
            reap(|pid| running &= pid != monit.pid);
            !running
        });
    }
    for pid in others() {
        process::signal(pid, Signal::TERM);
    }
    loop {
        reap(|_| ());
        if others().is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn others() -> Vec<i32> {
    process::all().into_iter().filter(|pid| *pid != 1).collect()
}
