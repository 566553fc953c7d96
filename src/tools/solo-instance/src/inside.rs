//! What runs inside an instance: programs, shells, monit's command line.

use std::ffi::OsString;
use std::fs;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::exec::{Exec, ExecOutput};
use crate::instance::Instance;
use crate::monit::{self, MONITRC, MonitStatus};
use crate::plan::AGENT_PATH;
use crate::{child, command, enter, environment, process};

impl Instance {
    /// Runs a program inside. A program that fails is no error here but an [`ExecOutput::status`].
    ///
    /// # Errors
    /// [`Error::NotRunning`], or when the program cannot be waited for.
    pub fn exec(&self, exec: Exec) -> Result<ExecOutput> {
        let command = self.entering(&exec)?;
        child::run(command, exec)
    }

    /// A command that enters the instance's cgroups and namespaces and becomes the program.
    fn entering(&self, exec: &Exec) -> Result<Command> {
        let pid = self.living_pid()?;
        let mut program: Vec<OsString> = vec![command::find("nsenter")?.into()];
        program.extend(["--target", &pid.to_string()].map(OsString::from));
        program.extend(
            ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"].map(OsString::from),
        );
        if let Some((user, group)) = exec.user {
            program.extend(
                [format!("--setuid={user}"), format!("--setgid={group}")].map(OsString::from),
            );
        }
        program.push("--".into());
        if let Some(directory) = &exec.cwd {
            program.extend(["/usr/bin/env".into(), format!("--chdir={directory}").into()]);
        }
        program.extend(exec.argv.iter().map(OsString::from));

        let chain = [
            &self.state_dir.config.init[..],
            &enter::arguments(self.cgroup()?.entries(), program),
        ]
        .concat();
        let mut command = Command::new(&chain[0]);
        command
            .args(&chain[1..])
            .current_dir("/")
            .env_clear()
            .env("PATH", AGENT_PATH);
        command.envs(exec.env.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// `bosh ssh`: runs a program (none: a login shell) as root on this process's standard streams; with a pty of
    /// the instance's own when they are a terminal.
    ///
    /// # Errors
    /// As [`Instance::exec`].
    pub fn shell(&self, argv: &[String]) -> Result<ExitStatus> {
        let argv = if argv.is_empty() {
            vec!["/bin/bash".to_owned(), "-l".to_owned()]
        } else {
            argv.to_vec()
        };
        let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let argv = if terminal { in_a_pty(&argv) } else { argv };
        let mut exec = Exec::new(argv)
            .env("HOME", "/root")
            .env("USER", "root")
            .env("SHELL", "/bin/bash");
        exec = exec.env("PATH", format!("/var/vcap/bosh/bin:{AGENT_PATH}"));
        if let Some((name, kind)) = environment::terminal() {
            exec = exec.env(name, kind);
        }
        exec.cwd = Some("/root".to_owned());
        let mut command = self.entering(&exec)?;
        command.status().map_err(|source| Error::Spawn {
            program: "nsenter".to_owned(),
            source,
        })
    }

    /// Runs monit's command line inside (`["summary"]`, `["start", "docker"]`).
    ///
    /// # Errors
    /// As [`Instance::exec`].
    pub fn monit(&self, args: &[&str]) -> Result<ExecOutput> {
        let command = ["/usr/bin/monit", "-c", MONITRC];
        self.exec(Exec::new(command.iter().chain(args).copied()))
    }

    /// What monit says of the services of group `vcap`.
    ///
    /// # Errors
    /// [`Error::Monit`] when it does not answer.
    pub fn monit_status(&self) -> Result<MonitStatus> {
        let root = PathBuf::from(format!("/proc/{}/root", self.living_pid()?));
        monit::ask(&root).map_err(|why| Error::Monit {
            instance: self.record.spec.name(),
            why,
        })
    }

    /// Has monit read its files again as BOSH's agent does: kills it, and returns when its successor answers.
    ///
    /// # Errors
    /// [`Error::Monit`] with its last words when the successor does not come up: a file of a job is bad.
    pub fn monit_reload(&self) -> Result<()> {
        let root = PathBuf::from(format!("/proc/{}/root", self.living_pid()?));
        let before = self.monit_pid();
        if let Some(pid) = &before {
            self.exec(Exec::new(["kill", "-KILL", pid]))?;
        }
        let answers = || self.monit_pid() != before && monit::ask(&root).is_ok();
        if process::wait_until(Duration::from_secs(30), answers) {
            return Ok(());
        }
        let log = fs::read(self.files().named("console.log")).unwrap_or_default();
        let last = command::last_lines(&String::from_utf8_lossy(&log), 5);
        Err(Error::Monit {
            instance: self.record.spec.name(),
            why: format!("it does not come up with the jobs' monit files: {last}"),
        })
    }

    fn monit_pid(&self) -> Option<String> {
        let pid = fs::read_to_string(self.storage().vcap().join("monit/monit.pid")).ok()?;
        Some(pid.trim().to_owned()).filter(|pid| !pid.is_empty())
    }
}

/// `script` makes a pty inside the instance: this machine's is not in its `/dev/pts`, and job control needs it.
fn in_a_pty(argv: &[String]) -> Vec<String> {
    let quoted: Vec<String> = argv
        .iter()
        .map(|word| format!("'{}'", word.replace('\'', r"'\''")))
        .collect();
    [
        "/usr/bin/script",
        "--quiet",
        "--return",
        "--flush",
        "--command",
        &quoted.join(" "),
        "/dev/null",
    ]
    .map(str::to_owned)
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_shell_command_reach_the_pty_as_they_are() {
        let argv = in_a_pty(&["echo".to_owned(), "it's $HOME".to_owned()]);
        assert_eq!(argv[5], r"'echo' 'it'\''s $HOME'");
    }
}
