//! Where the runner's word on the recipe is published: `verdict.json`, `health.sock` and the log.

use bosh_job::{ErrorReport, ExitCode, Paths};
use state_files::{State, Verdict};

use crate::publishing::Publishing;

/// The publisher.
#[derive(Debug)]
pub struct StatusPublisher {
    publishing: Publishing,
    /// The last verdict, and whether monit can connect.
    published: Option<(Verdict, bool)>,
    warnings: Vec<ErrorReport>,
    rolled_back_to: Option<String>,
    /// That something failed stands until it is up, or fails in another way.
    holds_failed: bool,
}

impl StatusPublisher {
    /// An empty publisher.
    pub fn new(paths: &Paths) -> Self {
        Self {
            publishing: Publishing::new(paths),
            published: None,
            warnings: Vec::new(),
            rolled_back_to: None,
            holds_failed: false,
        }
    }

    /// What all words from now on say besides; it is logged at once.
    pub fn warn(&mut self, warnings: Vec<ErrorReport>) {
        for warning in &warnings {
            tracing::warn!("{}", warning.what);
            for line in warning.lines().iter().skip(1) {
                tracing::warn!("{line}");
            }
        }
        self.warnings = warnings;
        self.published = None;
    }

    /// The same, besides what they say already.
    pub fn warn_besides(&mut self, more: Vec<ErrorReport>) {
        if !more.is_empty() {
            let before = std::mem::take(&mut self.warnings);
            self.warn(more);
            self.warnings.splice(0..0, before);
        }
    }

    /// From now on the words are about a recipe that came back, which was healthy at this time.
    pub fn rolled_back_to(&mut self, time: &str) {
        self.rolled_back_to = Some(time.to_owned());
        self.published = None;
    }

    /// The recipe that was to come back has not.
    pub fn not_rolled_back(&mut self) {
        self.rolled_back_to = None;
        self.published = None;
    }

    /// From now on another try is no news: what was published last stands until the recipe is up, or fails in another way.
    pub fn hold_failed(&mut self) {
        self.holds_failed = true;
    }

    /// The recipe is on its way, and nothing is known of its services.
    pub fn publish_starting(&mut self) -> bool {
        let verdict = Verdict::new(State::Starting, ExitCode::Ok, Vec::new(), Vec::new());
        self.publish(verdict, true)
    }

    /// The recipe has failed, and nothing is known of its services.
    pub fn publish_failed(&mut self, exit_code: ExitCode, errors: Vec<ErrorReport>) -> bool {
        let verdict = Verdict::new(State::Failed, exit_code, errors, Vec::new());
        self.publish(verdict, false)
    }

    /// Publishes a verdict, if it says anything new, and says whether it does; `is_healthy`: monit can connect. Trouble with
    /// publishing is logged, and it is tried again.
    pub fn publish(&mut self, mut verdict: Verdict, is_healthy: bool) -> bool {
        self.holds_failed &= verdict.state == State::Starting;
        if self.holds_failed {
            return false;
        }
        verdict.warnings.clone_from(&self.warnings);
        verdict.rolled_back_to.clone_from(&self.rolled_back_to);
        if let Some((published, _)) = &self.published
            && published.state == verdict.state
        {
            verdict.since.clone_from(&published.since);
        }
        let published = Some((verdict.clone(), is_healthy));
        if self.published == published {
            return false;
        }
        self.published = published;
        self.publishing.put(verdict, is_healthy);
        true
    }

    /// The state that was published last.
    pub fn state(&self) -> Option<State> {
        self.published.as_ref().map(|(verdict, _)| verdict.state)
    }
}

/// Logs errors, an event for each line.
pub fn log_errors(errors: &[ErrorReport]) {
    for error in errors {
        let service = error.service.as_deref().unwrap_or("-");
        tracing::error!(service, "{}", error.what);
        for cause in &error.causes {
            tracing::error!(service, "  caused by: {cause}");
        }
        for line in &error.log_tail {
            tracing::error!(service, "  | {line}");
        }
        if let Some(hint) = &error.hint {
            tracing::error!(service, "hint: {hint}");
        }
    }
}

#[cfg(test)]
mod tests {
    use state_files::StateFile as _;

    use super::*;
    use crate::failure::error;

    #[test]
    fn the_socket_is_there_while_the_recipe_is_on_its_way_or_well() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        std::fs::create_dir_all(paths.run_dir()).unwrap();
        let mut publisher = StatusPublisher::new(&paths);
        publisher.publish_starting();
        assert!(paths.health_socket().exists());
        let first = Verdict::read(&paths).unwrap().unwrap();
        assert_eq!(
            (first.state, first.pid.unsigned_abs()),
            (State::Starting, std::process::id())
        );
        publisher.publish_failed(ExitCode::Unhealthy, vec![error("web died")]);
        assert!(!paths.health_socket().exists());
        let failed = Verdict::read(&paths).unwrap().unwrap();
        assert_eq!(
            (failed.exit_code, failed.errors[0].what.as_str()),
            (ExitCode::Unhealthy, "web died")
        );
        publisher.publish_failed(ExitCode::Unhealthy, vec![error("web and db died")]);
        let still = Verdict::read(&paths).unwrap().unwrap();
        assert_eq!(still.since, failed.since, "it has been so since then");
        let up = Verdict::new(State::Up, ExitCode::Ok, Vec::new(), Vec::new());
        publisher.publish(up, true);
        assert!(paths.health_socket().exists());
    }

    #[test]
    fn another_try_does_not_hide_that_all_have_failed_so_far() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        std::fs::create_dir_all(paths.run_dir()).unwrap();
        let mut publisher = StatusPublisher::new(&paths);
        publisher.publish_failed(ExitCode::Failed, vec![error("dockerd died")]);
        publisher.hold_failed();
        assert!(!publisher.publish_starting());
        assert_eq!(publisher.state(), Some(State::Failed));
        assert!(!paths.health_socket().exists());
        assert!(publisher.publish_failed(ExitCode::Failed, vec![error("web is unhealthy")]));
        assert!(publisher.publish_starting());
        assert_eq!(publisher.state(), Some(State::Starting));
    }
}
