//! What is told of hooks that failed.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bosh_job::ErrorReport;

use super::{HookRun, Hooks, lock};
use crate::{failure::error, model::Model, observe, redact::Redactor};

/// What a hook said last arrives within this time of its end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Errors of hooks.
#[derive(Debug, Default)]
pub struct FailedHooks {
    /// Of those that made `up` fail: they exited with another code than 0, or had not ended when time was over.
    pub failed: Vec<ErrorReport>,
    /// Of those that were never started: that may be why `up` failed, or what came of it.
    pub never_started: Vec<ErrorReport>,
}

impl Hooks {
    /// What has failed by now.
    pub fn failed(mut self, timed_out: bool, redactor: &Redactor) -> FailedHooks {
        self.end();
        let runs = std::mem::take(&mut *lock(&self.runs));
        let mut found = FailedHooks::default();
        for run in runs {
            if let Some(what) = what(&run, timed_out) {
                let error = self.error(&run, &what, redactor);
                found.failed.push(error);
            } else if !run.has_started {
                let error = self.error(&run, "could not be started", redactor);
                found.never_started.push(error);
            }
        }
        found
    }

    fn error(&self, run: &HookRun, what: &str, redactor: &Redactor) -> ErrorReport {
        let end = Instant::now() + LAST_WORDS;
        let reads = || {
            run.readers
                .iter()
                .any(|reader| !reader.thread.is_finished())
        };
        while run.exit_code.is_some() && reads() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        let heard = run.readers.iter().map(|reader| lock(&reader.heard).clone());
        let heard = heard.max_by_key(VecDeque::len).unwrap_or_default();
        let heard = Vec::from(heard);
        let is_kept = self.engine.inspect_container(&run.id).is_ok();
        let service = &run.service;
        let mut found = error(format!(
            "service {service}: its hook {}[{}] {what}",
            run.kind, run.index
        ));
        found.service = Some(service.clone());
        found.property = Some("recipe".to_owned());
        if !run.image.is_empty() {
            found.causes.push(format!("it ran image {}", run.image));
        }
        found.log_tail = if heard.is_empty() && is_kept {
            // A log driver that cannot be read gives no lines; the error stands without them.
            observe::last_lines(&self.engine, &run.id, redactor).unwrap_or_default()
        } else {
            let text = String::from_utf8_lossy(&heard);
            observe::tail(text.lines().map(str::to_owned).collect(), redactor)
        };
        let mut hint = format!(
            "fix the hook's command, image or environment; {service} is started once each of its hooks has exited with 0"
        );
        if is_kept && run.exit_code.is_some() {
            let id = &run.id[..run.id.len().min(12)];
            hint =
                format!("{hint}; its container is kept until the next deploy: `docker logs {id}`");
        }
        found.hint = Some(hint);
        found
    }
}

/// What is wrong with a hook, if anything.
fn what(run: &HookRun, timed_out: bool) -> Option<String> {
    let memory = if run.out_of_memory {
        " (out of memory)"
    } else {
        ""
    };
    match run.exit_code {
        Some(0) => None,
        Some(code) => Some(format!("exited with {code}{memory}")),
        None => (timed_out && run.has_started)
            .then(|| "had not ended when the time of the start was over".to_owned()),
    }
}

/// A `post_start` hook runs in the service's own container, and Compose keeps nothing of what it says: only its words tell
/// that it failed, and of which service it is.
pub fn post_start(reason: &str, model: &Model) -> Option<ErrorReport> {
    let services = model.services.iter();
    let mut services = services.filter(|(_, service)| service.post_start_hooks > 0);
    let is_about = |name: &str| {
        let rest = reason.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(" hook "))
    };
    let (name, _) = services.find(|(name, _)| is_about(name))?;
    let said = reason.strip_prefix(name)?.trim_start();
    let said = said.strip_prefix("hook ").unwrap_or(said);
    let mut found = error(format!("service {name}: its hook post_start {said}"));
    found.service = Some(name.clone());
    found.property = Some("recipe".to_owned());
    found.hint = Some(
        "fix the hook's command; a line that it writes to /proc/1/fd/1 is in the service's log; the service was stopped, so that the hook runs again at the next start"
            .to_owned(),
    );
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_start_hook_s_failure_names_the_service_that_has_one() {
        let model = Model::parse(
            br#"{"services":{"web":{"post_start":[{"command":["x"]}]},"web hook":{},"db":{}}}"#,
        )
        .unwrap();
        for (reason, expected) in [
            (
                "web hook exited with status 3",
                Some("service web: its hook post_start exited with status 3"),
            ),
            (
                "web hook exited with status 3: no route",
                Some("service web: its hook post_start exited with status 3: no route"),
            ),
            ("db hook exited with status 3", None),
            ("website hook exited with status 3", None),
        ] {
            let found = post_start(reason, &model);
            assert_eq!(found.map(|found| found.what).as_deref(), expected);
        }
    }
}
