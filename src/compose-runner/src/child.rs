//! Programs that run for a while: each line they write goes into the log as it comes, without secrets, and the last
//! lines are kept for the error.

use std::{
    io::Write,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

pub use bosh_job::command::ended;
use bosh_job::command::{self, Followed, Redact, Run};

use crate::{cancel::Cancel, redact::Redactor};

/// Between SIGTERM and SIGKILL. The runner has 2 s to end, with its children.
const GRACE: Duration = Duration::from_millis(700);

/// How lines reach the log.
#[derive(Clone, Copy, Debug)]
pub enum Lines {
    /// As events of this program, named for the one that wrote them.
    From(&'static str),
    /// As they are, those of stderr alone: the program writes log lines of its own there. Its stdout is the caller's.
    AsTheyAre,
}

/// A program that runs for a while.
pub struct Logged<'a> {
    pub command: Command,
    pub lines: Lines,
    pub limit: Duration,
    pub redactor: &'a Redactor,
    pub cancel: &'a Cancel,
}

/// How it ended.
#[derive(Debug)]
pub enum End {
    /// By itself.
    Exited {
        /// Its status.
        status: ExitStatus,
        /// Its last lines.
        tail: Vec<String>,
    },
    /// Its time was over; it was ended with its children.
    TimedOut {
        /// Its last lines.
        tail: Vec<String>,
    },
    /// This program was told to end; it was ended with its children.
    Cancelled,
    /// It could not be started.
    NotStarted(std::io::Error),
}

/// A command with nothing of this program's environment.
pub fn clean_command(
    program: &Path,
    environment: &[(String, String)],
    directory: PathBuf,
) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(directory);
    command
}

impl Logged<'_> {
    /// Runs it to its end, or ends it. One that a signal killed (the kernel, out of memory; an operator) is run once
    /// more within the same time: what it does can be done twice, and nobody else would do so after a reboot.
    pub fn run(self) -> End {
        self.run_with(|| {})
    }

    /// The same, with something to be done before it is run again.
    pub fn run_with(mut self, before_again: impl FnOnce()) -> End {
        let deadline = Instant::now() + self.limit;
        let end = self.run_once(deadline);
        let End::Exited { status, .. } = &end else {
            return end;
        };
        if status.signal().is_none() || self.cancel.is_set() {
            return end;
        }
        let program = self.command.get_program().to_string_lossy();
        tracing::warn!("{program} {}; running it again", ended(*status));
        before_again();
        self.run_once(deadline)
    }

    fn run_once(&mut self, deadline: Instant) -> End {
        let Some(_announced) = self.cancel.child() else {
            return End::Cancelled;
        };
        let followed = Followed::new(&mut self.command, deadline)
            .grace(GRACE)
            .cancelled_by(|| self.cancel.is_set())
            .redacted_by(LogLines(self.redactor.clone()));
        let followed = match self.lines {
            Lines::From(program) => {
                followed.on_line(move |line| tracing::info!("{program}: {line}"))
            }
            // A log that cannot be written is no reason to stop.
            Lines::AsTheyAre => {
                followed.on_stderr_line(|line| drop(writeln!(std::io::stderr(), "{line}")))
            }
        };
        match followed.run() {
            Ok(Run { end, tail }) => match end {
                command::End::Exited(status) => End::Exited { status, tail },
                command::End::TimedOut => End::TimedOut { tail },
                command::End::Cancelled => End::Cancelled,
            },
            Err(error) => End::NotStarted(error),
        }
    }
}

/// Takes secrets out of log lines, and leaves what Compose's logger puts before its message.
struct LogLines(Redactor);

impl Redact for LogLines {
    fn clean(&self, line: &str) -> String {
        let (frame, said) = compose_frame(line);
        format!("{frame}{}", self.0.clean(said))
    }

    fn cut(&self, text: &[u8], limit: usize) -> usize {
        self.0.cut(text, limit)
    }

    fn longest(&self) -> usize {
        self.0.longest()
    }
}

/// What Compose's logger puts before its message (`time="…" level=warning msg=`), and the rest of the line.
fn compose_frame(line: &str) -> (&str, &str) {
    let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_time = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || b"-:+.TZ".contains(&byte))
    };
    let found = (|| {
        let (time, rest) = line.strip_prefix("time=\"")?.split_once('"')?;
        let (level, said) = rest.strip_prefix(" level=")?.split_once(" msg=")?;
        (is_time(time) && is_word(level)).then(|| line.split_at(line.len() - said.len()))
    })();
    found.unwrap_or(("", line))
}

#[cfg(test)]
mod tests {
    use bosh_job::command::LINE_BYTES as LINE;

    use super::*;

    /// Lines kept for the error.
    const KEPT: usize = 20;

    fn sh(script: &str, limit: Duration, cancel: &Cancel) -> End {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        let redactor = Redactor::new(["hunter2"]);
        Logged {
            command,
            lines: Lines::From("sh"),
            limit,
            redactor: &redactor,
            cancel,
        }
        .run()
    }

    #[test]
    fn keeps_the_last_lines_of_both_streams_without_secrets() {
        let script = "i=0; while [ $i -lt 30 ]; do echo line $i; i=$((i+1)); done; sleep 0.2; echo with hunter2 >&2; exit 3";
        let End::Exited { status, tail } = sh(script, Duration::from_secs(10), &Cancel::default())
        else {
            panic!()
        };
        assert_eq!(ended(status), "exited with 3");
        assert_eq!(tail.len(), KEPT);
        assert_eq!(tail[KEPT - 2..], ["line 29", "with [redacted]"]);
    }

    #[test]
    fn a_secret_that_stands_where_a_long_line_is_cut_is_blotted_out_whole() {
        for before in (LINE - 8)..=LINE {
            let script = format!("head -c {before} /dev/zero | tr '\\0' x; echo hunter2 end");
            let End::Exited { tail, .. } = sh(&script, Duration::from_secs(10), &Cancel::default())
            else {
                panic!()
            };
            let said = tail.concat();
            assert!(
                said.ends_with("x[redacted] end") || said.ends_with("x[redacted]end"),
                "{}",
                &said[LINE - 10..]
            );
        }
    }

    #[test]
    fn what_composes_logger_says_before_its_message_is_left() {
        let line = "time=\"2026-11-27T02:16:26Z\" level=warning msg=\"the warning\"";
        assert_eq!(
            compose_frame(line),
            (
                "time=\"2026-11-27T02:16:26Z\" level=warning msg=",
                "\"the warning\""
            )
        );
        for other in [
            "time=\"hunter2\" level=info msg=x",
            "level=info msg=x",
            "msg",
            "",
        ] {
            assert_eq!(compose_frame(other), ("", other));
        }
    }

    #[test]
    fn ends_a_program_and_its_children_when_its_time_is_over() {
        let began = Instant::now();
        let end = sh(
            "echo on my way; sleep 100 & sleep 100",
            Duration::from_millis(300),
            &Cancel::default(),
        );
        assert!(
            matches!(&end, End::TimedOut { tail } if tail == &["on my way"]),
            "{end:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(3));
    }

    #[test]
    fn ends_a_program_that_ignores_sigterm_within_two_seconds_of_being_told() {
        let cancel = Cancel::default();
        let other = cancel.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            other.set();
        });
        let began = Instant::now();
        let end = sh(
            "trap '' TERM; while :; do sleep 0.1; done",
            Duration::from_mins(1),
            &cancel,
        );
        assert!(matches!(end, End::Cancelled), "{end:?}");
        assert!(began.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn runs_a_program_once_more_that_a_signal_killed_and_no_oftener() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("runs").display().to_string();
        let limit = Duration::from_mins(1);
        let once = format!("echo run >>{file}; [ $(wc -l <{file}) = 2 ] || kill -9 $$");
        let end = sh(&once, limit, &Cancel::default());
        assert!(
            matches!(&end, End::Exited { status, .. } if status.success()),
            "{end:?}"
        );
        let End::Exited { status, .. } = sh(&once, limit, &Cancel::default()) else {
            panic!()
        };
        assert_eq!(ended(status), "was killed by signal 9");
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 4);
    }

    #[test]
    fn does_not_wait_for_what_a_program_leaves_behind() {
        let began = Instant::now();
        let End::Exited { tail, .. } = sh(
            "sleep 5 & echo done",
            Duration::from_secs(10),
            &Cancel::default(),
        ) else {
            panic!()
        };
        assert_eq!(tail, ["done"]);
        assert!(began.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn a_line_without_end_needs_little_memory() {
        let end = sh(
            "head -c 50000000 /dev/zero | tr '\\0' x",
            Duration::from_mins(1),
            &Cancel::default(),
        );
        let End::Exited { tail, .. } = end else {
            panic!()
        };
        assert!(tail.iter().all(|line| line.len() <= 16 << 10));
    }
}
