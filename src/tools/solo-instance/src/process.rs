//! Processes of this machine, as /proc shows them.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// What `/proc/PID/stat` says of a process (proc(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) command: String,
    pub(crate) state: char,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    /// Clock ticks after boot; with the PID it names one process only.
    pub(crate) started: u64,
}

impl Stat {
    /// The process's stat, if there is such a process.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The command name may hold spaces and parentheses: it ends at the last one.
    fn parse(line: &str) -> Option<Self> {
        let (head, tail) = line.rsplit_once(')')?;
        let (_, command) = head.split_once('(')?;
        let fields: Vec<&str> = tail.split_whitespace().collect();
        Some(Self {
            command: command.to_owned(),
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }

    pub(crate) const fn dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// Every PID that /proc shows.
pub(crate) fn all() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// The living children of a process.
pub(crate) fn children(parent: i32) -> Vec<i32> {
    all()
        .into_iter()
        .filter(|pid| Stat::of(*pid).is_some_and(|s| s.parent == parent && !s.dead()))
        .collect()
}

/// The living members of a process group but its leader.
pub(crate) fn group_followers(group: i32) -> Vec<i32> {
    all()
        .into_iter()
        .filter(|pid| {
            *pid != group && Stat::of(*pid).is_some_and(|s| s.group == group && !s.dead())
        })
        .collect()
}

/// Sends a signal, never to PID 1 or a group; a process that is gone already is no error.
pub(crate) fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid).filter(|_| pid > 1) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Asks every 20 ms until the answer is yes (true) or the time is over (false).
pub(crate) fn wait_until(bound: Duration, mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + bound;
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_may_hold_parentheses() {
        let line = "42 (a) b (c)) S 7 41 41 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 0 0";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(stat.command, "a) b (c)");
        assert_eq!(
            (stat.state, stat.parent, stat.group, stat.started),
            ('S', 7, 41, 12345)
        );
    }

    #[test]
    fn this_process_is_a_child_of_its_parent() {
        let me = i32::try_from(std::process::id()).unwrap();
        let parent = Stat::of(me).unwrap().parent;
        assert!(children(parent).contains(&me));
    }
}
