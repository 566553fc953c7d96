//! A program's process on this machine: its streams, its end, its end by force.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::error::{Error, Result};
use crate::exec::{Exec, ExecOutput, Input, Sink};
use crate::process;

/// How long a cancelled program has before it is killed (bosh-agent, `agent/action/run_errand.go`).
const CANCEL_GRACE: Duration = Duration::from_secs(10);
/// How long output is awaited that a program's descendants still hold open after it ended.
const OUTPUT_GRACE: Duration = Duration::from_secs(2);

/// Runs `command` (which enters the instance) with the streams and the time that `exec` gives.
pub(crate) fn run(mut command: Command, exec: Exec) -> Result<ExecOutput> {
    let name = exec.argv.first().cloned().unwrap_or_default();
    let spawning = |source| Error::Spawn {
        program: name.clone(),
        source,
    };
    // A terminal's foreground group has to stay whole; anything else can be ended with what it started.
    let own_group = !matches!(exec.stdin, Input::Inherit);
    if own_group {
        command.process_group(0);
    }
    let bytes = match exec.stdin {
        Input::Null => {
            command.stdin(Stdio::null());
            None
        }
        Input::Inherit => None,
        Input::File(file) => {
            command.stdin(file);
            None
        }
        Input::Bytes(bytes) => {
            command.stdin(Stdio::piped());
            Some(bytes)
        }
    };
    command
        .stdout(stdio(exec.stdout))
        .stderr(stdio(exec.stderr));
    let mut child = command.spawn().map_err(spawning)?;
    drop(command);
    let stdout = child.stdout.take().map(collect);
    let stderr = child.stderr.take().map(collect);
    if let (Some(bytes), Some(mut stdin)) = (bytes, child.stdin.take()) {
        // Who ends without reading its input is judged by its exit status.
        thread::spawn(move || drop(stdin.write_all(&bytes)));
    }
    let (status, timed_out) =
        wait(&mut child, exec.timeout, own_group).map_err(Error::io("waiting for", name))?;
    let end = Instant::now() + OUTPUT_GRACE;
    let rest =
        |pipe: Option<Receiver<Vec<u8>>>| pipe.map_or_else(Vec::new, |pipe| take_until(&pipe, end));
    Ok(ExecOutput {
        status,
        stdout: rest(stdout),
        stderr: rest(stderr),
        timed_out,
    })
}

fn stdio(sink: Sink) -> Stdio {
    match sink {
        Sink::Capture => Stdio::piped(),
        Sink::Inherit => Stdio::inherit(),
        Sink::Null => Stdio::null(),
        Sink::File(file) => file.into(),
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0_u8; 8192];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

fn take_until(pipe: &Receiver<Vec<u8>>, end: Instant) -> Vec<u8> {
    let mut all = Vec::new();
    while let Ok(part) = pipe.recv_timeout(end.saturating_duration_since(Instant::now())) {
        all.extend(part);
    }
    all
}

fn wait(
    child: &mut Child,
    timeout: Option<Duration>,
    own_group: bool,
) -> std::io::Result<(ExitStatus, bool)> {
    let Some(timeout) = timeout else {
        return child.wait().map(|status| (status, false));
    };
    let end = Instant::now() + timeout;
    let mut cancelled = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status, cancelled.is_some()));
        }
        let now = Instant::now();
        match cancelled {
            None if now >= end => {
                cancelled = Some(now);
                cancel(child, own_group);
            }
            Some(since) if now >= since + CANCEL_GRACE => {
                kill(child, own_group);
                return child.wait().map(|status| (status, true));
            }
            _ => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Asks the program itself to end, not the process of this machine that waits for it and passes its status on.
fn cancel(child: &Child, own_group: bool) {
    let Ok(pid) = i32::try_from(child.id()) else {
        return;
    };
    let targets = if own_group {
        process::group_followers(pid)
    } else {
        process::children(pid)
    };
    for target in targets {
        process::signal(target, Signal::TERM);
    }
}

fn kill(child: &mut Child, own_group: bool) {
    let pid = i32::try_from(child.id()).unwrap_or_default();
    if own_group && let Some(group) = Pid::from_raw(pid) {
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
        return;
    }
    for inner in process::children(pid) {
        process::signal(inner, Signal::KILL);
    }
    let _ = child.kill();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> (Command, Exec) {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        (command, Exec::new(["sh"]))
    }

    #[test]
    fn output_is_captured_and_the_status_passed_on() {
        let (command, exec) = sh("cat; echo why >&2; exit 7");
        let output = run(
            command,
            Exec {
                stdin: Input::Bytes(b"in".to_vec()),
                ..exec
            },
        )
        .unwrap();
        assert_eq!(
            (output.stdout_text().as_str(), output.stderr_text().as_str()),
            ("in", "why\n")
        );
        assert_eq!((output.code(), output.timed_out), (7, false));
    }

    #[test]
    fn a_daemon_that_keeps_the_pipe_open_does_not_hang_its_starter() {
        let (command, exec) = sh("sleep 30 & echo started");
        let begun = Instant::now();
        let output = run(command, exec).unwrap();
        assert_eq!(output.stdout_text(), "started\n");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_program_whose_time_is_over_is_asked_to_end() {
        let (command, exec) = sh("trap 'exit 9' TERM; sleep 30 & wait");
        // The shell is the group's leader here; inside an instance the leader is the process that entered it.
        let mut outer = Command::new("sh");
        outer.args([
            "-c",
            "sh -c \"$0\"; exit $?",
            &command.get_args().nth(1).unwrap().to_string_lossy(),
        ]);
        let output = run(outer, exec.timeout(Duration::from_millis(300))).unwrap();
        assert!(output.timed_out);
        assert_eq!(output.code(), 9);
    }
}
