//! Where the runner's word on the recipe is posted: `verdict.json`, `health.sock` and the log.

use bosh_job::{
    ExitCode, Paths,
    verdict::{ErrorReport, ServiceReport, State, Verdict},
};

use crate::health_socket::HealthSocket;

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
    paths: Paths,
    socket: HealthSocket,
    posted: Option<(Word, String)>,
    warnings: Vec<ErrorReport>,
    rolled_back_to: Option<String>,
    /// What could not be written: `sys/run` is small, and may be full.
    unwritten: Option<Verdict>,
}

impl Board {
    /// An empty board.
    pub fn new(paths: &Paths) -> Self {
        Self {
            paths: paths.clone(),
            socket: HealthSocket::new(paths.health_socket()),
            posted: None,
            warnings: Vec::new(),
            rolled_back_to: None,
            unwritten: None,
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

    /// Posts a word, if it says anything new, and says whether it does. Trouble with posting is logged: the services go on.
    pub fn post(&mut self, word: Word) -> bool {
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
        match serde_json::to_string(&verdict) {
            Ok(line) => self.socket.tell(line),
            Err(error) => tracing::error!("{error}"),
        }
        let switched = if word.healthy {
            self.socket.open()
        } else {
            self.socket.close()
        };
        if let Err(error) = switched {
            tracing::error!("{}: {error}", self.paths.health_socket().display());
        }
        // Last: who has read it finds the socket as it says.
        self.unwritten = None;
        if let Err(error) = verdict.write(&self.paths.verdict()) {
            tracing::error!("{error}");
            self.unwritten = Some(verdict.clone());
        }
        self.posted = Some((word, verdict.since));
        true
    }

    /// Writes what could not be written when it was posted, if that can be done now.
    pub fn write_again(&mut self) {
        if let Some(verdict) = &self.unwritten
            && verdict.write(&self.paths.verdict()).is_ok()
        {
            tracing::info!("the verdict could be written at last");
            self.unwritten = None;
        }
    }

    /// Whether the last word that was posted stands in the verdict.
    pub fn is_written(&self) -> bool {
        self.unwritten.is_none()
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
    fn what_could_not_be_written_is_written_as_soon_as_it_can_be() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        let mut board = Board::new(&paths);
        assert!(board.post(Word::starting(Vec::new())));
        board.write_again();
        assert!(!paths.verdict().exists());
        std::fs::create_dir_all(paths.run_dir()).unwrap();
        board.write_again();
        let written = Verdict::read(&paths.verdict()).unwrap().unwrap();
        assert_eq!(written.state, State::Starting);
    }
}
