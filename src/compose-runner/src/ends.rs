//! How containers ended last. While one runs again, the engine gives 0 as its exit code: a crash loop that happens to run
//! at each look would never tell what it exits with, if its events did not.

use std::collections::{BTreeMap, BTreeSet};

use docker_engine::{Event, Status};

use crate::watch::Seen;

/// What is known of containers' last ends, in words, by their IDs.
#[derive(Debug, Default)]
pub struct Ends {
    last: BTreeMap<String, String>,
    /// Those that the kernel killed for want of memory, and whose end is still to come.
    starved: BTreeSet<String>,
}

impl Ends {
    /// Learns from an event.
    pub fn hear(&mut self, event: &Event) {
        let id = &event.actor.id;
        match event.action.as_str() {
            "oom" => drop(self.starved.insert(id.clone())),
            "die" => {
                let code = event.actor.attributes.get("exitCode");
                if let Some(code) = code.and_then(|code| code.parse().ok()) {
                    let starved = self.starved.remove(id);
                    self.last.insert(id.clone(), in_words(code, "", starved));
                }
            }
            _ => {}
        }
    }

    /// Learns from a look.
    pub fn see(&mut self, container: &Seen) {
        if matches!(container.status, Status::Exited | Status::Restarting) {
            self.last
                .insert(container.id.clone(), how_it_ended(container));
        }
    }

    /// Forgets those that are not there any more.
    pub fn keep(&mut self, seen: &[Seen]) {
        let there = |id: &String| seen.iter().any(|container| container.id == *id);
        self.last.retain(|id, _| there(id));
        self.starved.retain(there);
    }

    /// How a container ended last, if it ever did.
    pub fn last(&self, id: &str) -> Option<&str> {
        self.last.get(id).map(String::as_str)
    }
}

/// How a container that does not run ended.
pub fn how_it_ended(container: &Seen) -> String {
    in_words(container.exit_code, &container.error, container.oom_killed)
}

fn in_words(exit_code: i64, error: &str, oom_killed: bool) -> String {
    let mut text = if error.is_empty() {
        format!("exited with {exit_code}")
    } else {
        format!("could not be started: {error}")
    };
    if oom_killed {
        text.push_str(" (out of memory)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(action: &str, id: &str, code: &str) -> Event {
        let attributes = [("exitCode".to_owned(), code.to_owned())];
        Event {
            kind: "container".to_owned(),
            action: action.to_owned(),
            actor: docker_engine::Actor {
                id: id.to_owned(),
                attributes: attributes.into(),
            },
            time_nano: 0,
        }
    }

    #[test]
    fn events_tell_exit_codes_and_want_of_memory() {
        let mut ends = Ends::default();
        assert_eq!(ends.last("a"), None);
        ends.hear(&event("oom", "a", ""));
        ends.hear(&event("die", "a", "137"));
        assert_eq!(ends.last("a"), Some("exited with 137 (out of memory)"));
        ends.hear(&event("die", "a", "7"));
        ends.hear(&event("start", "a", "0"));
        ends.hear(&event("die", "a", "odd"));
        assert_eq!(ends.last("a"), Some("exited with 7"));
        ends.keep(&[]);
        assert_eq!(ends.last("a"), None);
    }
}
