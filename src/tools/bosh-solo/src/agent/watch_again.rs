//! What Debian's monit needs to start and stop a service as a stemcell's monit does.
//!
//! The agent takes services out of monit's watch before it drains and stops them afterwards. Monit
//! 5.2.5 of the stemcells runs the stop program of such a service if its process lives; newer ones
//! (`control.c`, `_doStop`) run it for watched services only. So the living are watched again just
//! before they are stopped. The dead are not: monit would start them.

use super::Machine;
use super::files::{Files, entries};
use anyhow::{Context, Result};
use solo_instance::Exec;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// How long monit has to take the services back.
const LIMIT: Duration = Duration::from_secs(15);

/// Has monit watch the unwatched services whose processes live.
pub fn watch_the_living(machine: &Machine) -> Result<()> {
    let candidates = unwatched(machine)?;
    if candidates.is_empty() {
        return Ok(());
    }
    let mut living = Vec::new();
    for (service, pidfile) in pidfiles_of(machine)? {
        if candidates.contains(&service) && lives(machine, &pidfile)? {
            super::monit::command(machine, &["monitor", &service])?;
            living.push(service);
        }
    }
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        let left = unwatched(machine)?;
        if !living.iter().any(|service| left.contains(service)) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    machine.progress.warn(&format!(
        "{}: monit did not take services back within {} s; it may not stop them",
        machine.name,
        LIMIT.as_secs()
    ));
    Ok(())
}

/// Starts again the services that monit has forgotten to start: a start that is asked for while monit
/// restarts what the service depends on gets lost in newer ones.
pub fn start_the_forgotten(machine: &Machine) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        let services = super::monit::status(machine)?.services;
        if !services.iter().any(|service| service.pending) {
            let forgotten = services.iter().filter(|service| !service.monitored);
            let names: Vec<&str> = forgotten.map(|service| service.name.as_str()).collect();
            if names.is_empty() {
                return Ok(());
            }
            for name in names {
                super::monit::command(machine, &["start", name])?;
            }
        }
        thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}

fn unwatched(machine: &Machine) -> Result<Vec<String>> {
    let services = super::monit::status(machine)?.services;
    Ok(services
        .into_iter()
        .filter(|service| !service.monitored)
        .map(|service| service.name)
        .collect())
}

fn pidfiles_of(machine: &Machine) -> Result<Vec<(String, String)>> {
    let directory = Files::new(&machine.instance)?.host(super::apply::MONIT_JOBS)?;
    let mut found = Vec::new();
    for name in entries(&directory)? {
        let path = directory.join(name);
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        found.extend(pidfiles(&text));
    }
    Ok(found)
}

/// Services and their pidfiles out of a monit file: `check process NAME [with] pidfile PATH`.
fn pidfiles(text: &str) -> Vec<(String, String)> {
    let words: Vec<&str> = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .flat_map(str::split_whitespace)
        .map(|word| word.trim_matches('"'))
        .collect();
    let mut found = Vec::new();
    let mut name = None;
    for (index, word) in words.iter().enumerate() {
        match (*word, words.get(index + 1), words.get(index + 2)) {
            ("check", Some(&"process"), Some(service)) => name = Some((*service).to_owned()),
            ("check", _, _) => name = None,
            ("pidfile", Some(path), _) => {
                found.extend(name.take().map(|name| (name, (*path).to_owned())));
            }
            _ => {}
        }
    }
    found
}

fn lives(machine: &Machine, pidfile: &str) -> Result<bool> {
    let script = r#"pid=$(cat "$1") && kill -0 "$pid""#;
    let exec = Exec::new(["/bin/sh", "-c", script, "sh", pidfile]);
    Ok(machine.instance.exec(exec)?.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pidfiles_are_found_however_the_monit_file_is_laid_out() {
        let text = r#"
check process a
  with pidfile "/run/a.pid" # pidfile /no
  group vcap
check file f with path /x
check process b with pidfile /run/b.pid start program "/x" group vcap
check process "c" matching "c --daemon"
"#;
        let found: Vec<(String, String)> = pidfiles(text);
        let expected = [("a", "/run/a.pid"), ("b", "/run/b.pid")];
        assert_eq!(
            found,
            expected.map(|(name, path)| (name.to_owned(), path.to_owned()))
        );
    }
}
