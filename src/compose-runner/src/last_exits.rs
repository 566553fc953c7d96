//! How containers ended last. While one runs again, the engine gives 0 as its exit code: a crash loop that happens to run
//! at each look would never tell what it exits with, if its events did not. Nor does it keep `OOMKilled` over a start.

use std::collections::BTreeMap;

use docker_engine::{Event, Status};

use crate::health::ContainerSnapshot;

/// The exit code of a process that SIGKILL ended, be it the kernel's.
const KILLED: i64 = 137;
/// How long after a container's end, or its next start, the engine may say that the kernel killed it (nanoseconds): that
/// comes over another channel than the end does.
const LATE: i64 = 1_000_000_000;
/// Signals by which somebody ends a container; `docker stop` has an event of its own.
const ENDING: [&str; 4] = ["2", "3", "9", "15"];

/// What is known of containers' last ends, by their IDs.
#[derive(Debug, Default)]
pub struct LastExits(BTreeMap<String, Life>);

#[derive(Debug, Default)]
struct Life {
    last: Option<End>,
    runs: bool,
    /// When it was started last, by the engine's clock (nanoseconds).
    started: i64,
    /// The kernel killed a process of it, and its end is still to come.
    starved: bool,
    /// Somebody asked for its end.
    was_stopped: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct End {
    exit_code: i64,
    error: String,
    out_of_memory: bool,
}

impl LastExits {
    /// Learns from an event.
    pub fn on_event(&mut self, event: &Event) {
        let life = self.0.entry(event.actor.id.clone()).or_default();
        let attribute = |name| event.actor.attributes.get(name).map(String::as_str);
        match event.action.as_str() {
            "start" => {
                life.runs = true;
                life.started = event.time_nano;
                life.starved = false;
                life.was_stopped = false;
            }
            "stop" => life.was_stopped = true,
            "kill" if attribute("signal").is_some_and(|signal| ENDING.contains(&signal)) => {
                life.was_stopped = true;
            }
            "oom" => {
                let is_late = event.time_nano.saturating_sub(life.started) < LATE;
                match &mut life.last {
                    Some(last) if !life.runs || (is_late && last.is_undecided()) => {
                        last.out_of_memory = true;
                    }
                    _ => life.starved = true,
                }
            }
            "die" => {
                if let Some(exit_code) = attribute("exitCode").and_then(|code| code.parse().ok()) {
                    life.end(exit_code, "", false);
                }
            }
            _ => {}
        }
    }

    /// Learns from a look.
    pub fn see(&mut self, container: &ContainerSnapshot) {
        let life = self.0.entry(container.id.clone()).or_default();
        match container.status {
            Status::Exited | Status::Restarting => {
                life.end(container.exit_code, &container.error, container.oom_killed);
            }
            Status::Running => life.runs = true,
            _ => {}
        }
    }

    /// Forgets those that are not there any more.
    pub fn keep(&mut self, seen: &[ContainerSnapshot]) {
        self.0
            .retain(|id, _| seen.iter().any(|container| container.id == *id));
    }

    /// How a container ended last, if it ever did.
    pub fn last(&self, id: &str) -> Option<String> {
        Some(self.0.get(id)?.last.as_ref()?.in_words())
    }

    /// Whether its last end was out of memory.
    pub fn out_of_memory(&self, id: &str) -> bool {
        self.is_last(id, |last| last.out_of_memory)
    }

    /// Whether it was killed last, and the engine may still say that the kernel did it.
    pub fn is_undecided(&self, id: &str) -> bool {
        self.is_last(id, End::is_undecided)
    }

    /// Whether it ended last with 0, and by itself.
    pub fn is_done(&self, id: &str) -> bool {
        let has_ended = self.0.get(id).is_some_and(|life| !life.runs);
        has_ended
            && !self.was_stopped(id)
            && self.is_last(id, |last| last.exit_code == 0 && last.error.is_empty())
    }

    /// Whether somebody ended it, since it was started last.
    pub fn was_stopped(&self, id: &str) -> bool {
        self.0.get(id).is_some_and(|life| life.was_stopped)
    }

    fn is_last(&self, id: &str, holds: impl Fn(&End) -> bool) -> bool {
        self.0
            .get(id)
            .and_then(|life| life.last.as_ref())
            .is_some_and(holds)
    }
}

impl Life {
    /// It has ended. A look and an event tell of the same end, in whatever order.
    fn end(&mut self, exit_code: i64, error: &str, out_of_memory: bool) {
        let starved = std::mem::take(&mut self.starved) || out_of_memory;
        match &mut self.last {
            Some(last) if !self.runs && last.exit_code == exit_code => {
                last.out_of_memory |= starved;
                if !error.is_empty() {
                    error.clone_into(&mut last.error);
                }
            }
            last => {
                *last = Some(End {
                    exit_code,
                    error: error.to_owned(),
                    out_of_memory: starved,
                });
            }
        }
        self.runs = false;
    }
}

impl End {
    fn is_undecided(&self) -> bool {
        self.exit_code == KILLED && !self.out_of_memory
    }

    fn in_words(&self) -> String {
        let mut text = if self.error.is_empty() {
            format!("exited with {}", self.exit_code)
        } else {
            format!("could not be started: {}", self.error)
        };
        if self.out_of_memory {
            text.push_str(" (out of memory)");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An event of container `a`, at a time in milliseconds.
    fn event(action: &str, attributes: &[(&str, &str)], time: i64) -> Event {
        let attributes = attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Event {
            kind: "container".to_owned(),
            action: action.to_owned(),
            actor: docker_engine::Actor {
                id: "a".to_owned(),
                attributes: attributes.collect(),
            },
            time_nano: time * 1_000_000,
        }
    }

    fn die(code: &str, time: i64) -> Event {
        event("die", &[("exitCode", code)], time)
    }

    /// What is known after these events.
    fn after(events: &[Event]) -> LastExits {
        let mut ends = LastExits::default();
        for event in events {
            ends.on_event(event);
        }
        ends
    }

    fn seen(exit_code: i64, oom_killed: bool) -> ContainerSnapshot {
        ContainerSnapshot {
            id: "a".into(),
            status: Status::Exited,
            exit_code,
            oom_killed,
            ..ContainerSnapshot::default()
        }
    }

    #[test]
    fn events_tell_exit_codes_and_want_of_memory() {
        let mut ends = LastExits::default();
        assert_eq!(ends.last("a"), None);
        ends.on_event(&event("oom", &[], 1));
        ends.on_event(&die("137", 2));
        assert_eq!(ends.last("a").unwrap(), "exited with 137 (out of memory)");
        ends.on_event(&die("7", 3));
        ends.on_event(&event("start", &[], 4));
        ends.on_event(&die("odd", 5));
        assert_eq!(ends.last("a").unwrap(), "exited with 7");
        ends.keep(&[]);
        assert_eq!(ends.last("a"), None);
    }

    #[test]
    fn out_of_memory_is_told_although_its_event_comes_after_the_end_or_the_next_start() {
        let (oom, start) = (
            |time| event("oom", &[], time),
            |time| event("start", &[], time),
        );
        for events in [
            vec![start(0), die("137", 9000), oom(9100)],
            vec![start(0), die("137", 9000), start(9100), oom(9200)],
            // a child of the first process was killed, and that one gave up
            vec![start(0), oom(8000), die("1", 9000)],
            vec![start(0), die("1", 9000), oom(9001)],
        ] {
            assert!(after(&events).out_of_memory("a"), "{events:?}");
        }
        let mut later = after(&[start(0), die("137", 9000), start(9100), oom(99_000)]);
        assert_eq!(later.last("a").unwrap(), "exited with 137");
        later.on_event(&die("137", 99_001));
        assert!(later.out_of_memory("a"), "it is the next end's");
        let next = after(&[start(0), oom(1), die("137", 2), start(3), die("7", 9000)]);
        assert_eq!(next.last("a").unwrap(), "exited with 7");
    }

    #[test]
    fn a_look_without_the_engines_flag_does_not_take_out_of_memory_back() {
        let heard = [event("oom", &[], 1), die("137", 2)];
        let mut ends = after(&heard);
        ends.see(&seen(137, false));
        assert!(ends.out_of_memory("a"));
        let mut ends = LastExits::default();
        ends.see(&seen(137, false));
        assert!(ends.is_undecided("a"));
        ends.see(&seen(137, true));
        // the event of the same end, heard later, and all events again after a break
        ends.on_event(&die("137", 2));
        assert!(ends.out_of_memory("a") && !ends.is_undecided("a"));
    }

    #[test]
    fn is_done_what_ended_with_0_and_was_not_stopped() {
        let start = || event("start", &[], 0);
        assert!(after(&[start(), die("0", 1)]).is_done("a"));
        let hangup = event("kill", &[("signal", "1")], 1);
        assert!(after(&[start(), hangup, die("0", 2)]).is_done("a"));
        for stop in [event("stop", &[], 2), event("kill", &[("signal", "15")], 1)] {
            assert!(!after(&[start(), stop, die("0", 2)]).is_done("a"));
        }
        assert!(!after(&[start(), die("1", 1)]).is_done("a"));
        assert!(!after(&[start(), die("0", 1), start()]).is_done("a"));
    }
}
