//! Where the runner's word on the recipe is posted: `verdict.json`, `health.sock` and the log.

use bosh_job::{
    ExitCode, Paths,
    verdict::{ErrorReport, ServiceReport, State, Verdict},
};

use crate::posting::Posting;

/// What is posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Where the recipe stands.
    pub state: State,
    /// What `docker-ctl wait` exits with.
    pub exit_code: ExitCode,
    /// What is wrong.
    pub errors: Vec<ErrorReport>,
    /// The services.
    pub services: Vec<ServiceReport>,
    /// Whether monit shall be able to connect.
    pub healthy: bool,
}

impl Word {
    /// On the way.
    pub fn starting(services: Vec<ServiceReport>) -> Self {
        Self {
            state: State::Starting,
            exit_code: ExitCode::Ok,
            errors: Vec::new(),
            services,
            healthy: true,
        }
    }

    /// Not well.
    pub fn failed(
        exit_code: ExitCode,
        errors: Vec<ErrorReport>,
        services: Vec<ServiceReport>,
    ) -> Self {
        Self {
            state: State::Failed,
            exit_code,
            errors,
            services,
            healthy: false,
        }
    }
}

/// The board.
#[derive(Debug)]
pub struct Board {
    posting: Posting,
    posted: Option<(Word, String)>,
    warnings: Vec<ErrorReport>,
    rolled_back_to: Option<String>,
    /// That something failed stands until it is up, or fails in another way.
    holds_failed: bool,
}

impl Board {
    /// An empty board.
    pub fn new(paths: &Paths) -> Self {
        Self {
            posting: Posting::new(paths),
            posted: None,
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
        self.posted = None;
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
        self.posted = None;
    }

    /// The recipe that was to come back has not.
    pub fn not_rolled_back(&mut self) {
        self.rolled_back_to = None;
        self.posted = None;
    }

    /// Posts a word, if it says anything new, and says whether it does. Trouble with posting is logged: the services go on.
    /// From now on another try is no news: what was posted last stands until the recipe is up, or fails in another way.
    pub fn hold_failed(&mut self) {
        self.holds_failed = true;
    }

    /// Posts a word, if it says anything new, and says whether it does. Trouble with posting is logged, and it is tried again.
    pub fn post(&mut self, word: Word) -> bool {
        self.holds_failed &= word.state == State::Starting;
        if self.holds_failed {
            return false;
        }
        if self
            .posted
            .as_ref()
            .is_some_and(|(posted, _)| *posted == word)
        {
            return false;
        }
        let mut verdict = Verdict::new(
            word.state,
            word.exit_code,
            word.errors.clone(),
            word.services.clone(),
        );
        verdict.warnings.clone_from(&self.warnings);
        verdict.rolled_back_to.clone_from(&self.rolled_back_to);
        if let Some((posted, since)) = &self.posted
            && posted.state == word.state
        {
            verdict.since.clone_from(since);
        }
        let since = verdict.since.clone();
        self.posting.put(verdict, word.healthy);
        self.posted = Some((word, since));
        true
    }

    /// The state that was posted last.
    pub fn state(&self) -> Option<State> {
        self.posted.as_ref().map(|(word, _)| word.state)
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
    use super::*;
    use crate::failure::error;

    #[test]
    fn the_socket_is_there_while_the_recipe_is_on_its_way_or_well() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        std::fs::create_dir_all(paths.run_dir()).unwrap();
        let mut board = Board::new(&paths);
        board.post(Word::starting(Vec::new()));
        assert!(paths.health_socket().exists());
        let first = Verdict::read(&paths.verdict()).unwrap().unwrap();
        assert_eq!(
            (first.state, first.pid.unsigned_abs()),
            (State::Starting, std::process::id())
        );
        board.post(Word::failed(
            ExitCode::Unhealthy,
            vec![error("web died")],
            Vec::new(),
        ));
        assert!(!paths.health_socket().exists());
        let failed = Verdict::read(&paths.verdict()).unwrap().unwrap();
        assert_eq!(
            (failed.exit_code, failed.errors[0].what.as_str()),
            (ExitCode::Unhealthy, "web died")
        );
        board.post(Word::failed(
            ExitCode::Unhealthy,
            vec![error("web and db died")],
            Vec::new(),
        ));
        let still = Verdict::read(&paths.verdict()).unwrap().unwrap();
        assert_eq!(still.since, failed.since, "it has been so since then");
        board.post(Word {
            healthy: true,
            state: State::Up,
            ..Word::starting(Vec::new())
        });
        assert!(paths.health_socket().exists());
    }

    #[test]
    fn another_try_does_not_hide_that_all_have_failed_so_far() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        std::fs::create_dir_all(paths.run_dir()).unwrap();
        let mut board = Board::new(&paths);
        let failed = |what: &str| Word::failed(ExitCode::Failed, vec![error(what)], Vec::new());
        board.post(failed("dockerd died"));
        board.hold_failed();
        assert!(!board.post(Word::starting(Vec::new())));
        assert_eq!(board.state(), Some(State::Failed));
        assert!(!paths.health_socket().exists());
        assert!(board.post(failed("web is unhealthy")));
        assert!(board.post(Word::starting(Vec::new())));
        assert_eq!(board.state(), Some(State::Starting));
    }
}
