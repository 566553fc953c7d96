//! What follows when dockerd or its containerd dies while a recipe is brought up: another try, but not for ever without a pause and a verdict.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bosh_job::{ErrorReport, ExitCode, Paths, command::last_lines};
use docker_engine::Engine;

use crate::{
    cancel::Cancel,
    failure::{Failure, error},
    redact::Redactor,
    status_publisher::{StatusPublisher, log_errors},
};

/// So many deaths are told as a failure.
const MOST: u32 = 5;
/// Before another try; it doubles from one to the next.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a dockerd that died may stay away before that is told: monit starts another within its cycle of 10 s.
const AWAY: Duration = Duration::from_secs(20);
/// Lines of dockerd's log in an error, and how much of its end is read for them (bytes).
const LINES: usize = 20;
const LOG_END: u64 = 64 << 10;

/// The deaths of dockerd and of its containerd while one recipe is brought up.
pub struct EngineDeaths<'a> {
    engine: &'a Engine,
    redactor: &'a Redactor,
    log: PathBuf,
    /// How long they may go on before that is a failure: the start's time.
    limit: Duration,
    count: u32,
    first: Instant,
    last: Instant,
}

impl<'a> EngineDeaths<'a> {
    /// None so far.
    pub fn new(
        engine: &'a Engine,
        redactor: &'a Redactor,
        paths: &Paths,
        start_timeout: Duration,
    ) -> Self {
        let now = Instant::now();
        Self {
            engine,
            redactor,
            log: paths.log_file("dockerd"),
            limit: start_timeout,
            count: 0,
            first: now,
            last: now,
        }
    }

    /// dockerd or its containerd died, or went silent, and this failed for it. Waits until another try makes sense, and tells if there were
    /// too many; `true` if it is time to end.
    pub fn wait(
        &mut self,
        failure: &Failure,
        publisher: &mut StatusPublisher,
        cancel: &Cancel,
    ) -> bool {
        let now = Instant::now();
        // A try that went on for longer than a start may take is no part of a series.
        if self.count == 0 || now.duration_since(self.last) > self.limit + LONGEST_PAUSE {
            (self.count, self.first) = (0, now);
        }
        self.count += 1;
        self.last = now;
        log_errors(failure.errors());
        let pause = self.pause();
        if self.count >= MOST || self.first.elapsed() + pause >= self.limit {
            let what = format!(
                "dockerd or its containerd died or went silent {} times within {} s while the recipe was brought up",
                self.count,
                self.first.elapsed().as_secs()
            );
            self.publish(what, failure, publisher);
            publisher.hold_failed();
        } else {
            tracing::warn!(
                times = self.count,
                "dockerd or its containerd died or went silent meanwhile; bringing the recipe up again in {} s",
                pause.as_secs()
            );
        }
        cancel.sleep(pause) || self.wait_for_engine(failure, publisher, cancel)
    }

    fn pause(&self) -> Duration {
        let doubled = SHORTEST_PAUSE * 2_u32.pow(self.count.saturating_sub(1).min(10));
        doubled.min(LONGEST_PAUSE)
    }

    /// Waits for another dockerd as long as monit needs for one. The next try waits on.
    fn wait_for_engine(
        &self,
        failure: &Failure,
        publisher: &mut StatusPublisher,
        cancel: &Cancel,
    ) -> bool {
        while self.engine.ping(Duration::from_secs(1)).is_err() {
            if self.last.elapsed() >= AWAY {
                let what = format!(
                    "dockerd died while the recipe was brought up, and none has answered for {} s",
                    AWAY.as_secs()
                );
                self.publish(what, failure, publisher);
                return false;
            }
            if cancel.sleep(Duration::from_millis(200)) {
                return true;
            }
        }
        false
    }

    fn publish(&self, what: String, failure: &Failure, publisher: &mut StatusPublisher) {
        let found = ErrorReport {
            causes: failure.errors().iter().map(|error| error.what.clone()).collect(),
            log_tail: self.last_words(),
            hint: Some(
                "see dockerd.log in the job's log directory; the recipe is brought up as soon as dockerd stays".to_owned(),
            ),
            ..error(what)
        };
        let errors = vec![found];
        if publisher.publish_failed(ExitCode::Failed, errors.clone()) {
            log_errors(&errors);
        }
    }

    /// The last lines of dockerd's log that are more than news of its work, or else the last ones.
    fn last_words(&self) -> Vec<String> {
        let text = end_of(&self.log).unwrap_or_default();
        let is_news = |line: &&str| {
            ["info", "debug"]
                .iter()
                .any(|level| line.contains(&format!("level={level}")))
        };
        let trouble: Vec<&str> = text.lines().filter(|line| !is_news(line)).collect();
        let lines = match last_lines(&trouble.join("\n"), LINES) {
            trouble if !trouble.is_empty() => trouble,
            _ => last_lines(&text, LINES),
        };
        lines.iter().map(|line| self.redactor.clean(line)).collect()
    }
}

/// The end of a file, from a line's begin on.
fn end_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let begin = file.metadata()?.len().saturating_sub(LOG_END);
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(LOG_END).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(match (begin, text.split_once('\n')) {
        (1.., Some((_, whole))) => whole.to_owned(),
        _ => text.into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use state_files::{State, StateFile as _, Verdict};

    use super::*;

    struct Bench {
        _directory: tempfile::TempDir,
        paths: Paths,
        publisher: StatusPublisher,
        engine: Engine,
    }

    fn bench() -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        for directory in [paths.run_dir(), paths.log_dir()] {
            std::fs::create_dir_all(directory).unwrap();
        }
        let mut publisher = StatusPublisher::new(&paths);
        publisher.publish_starting();
        Bench {
            publisher,
            engine: Engine::new(paths.socket()),
            paths,
            _directory: directory,
        }
    }

    fn failure() -> Failure {
        Failure::one(ExitCode::Failed, error("docker-compose up exited with 1"))
    }

    #[test]
    fn a_dockerd_that_keeps_dying_is_a_failure_with_its_last_words_and_further_tries_do_not_hide_it()
     {
        let Bench {
            ref paths,
            ref mut publisher,
            ref engine,
            ..
        } = bench();
        let _fake = docker_engine::fake::FakeEngine::start(&paths.socket(), |_| {
            docker_engine::fake::FakeReply::error(500, "no")
        });
        let log = "time=1 level=info msg=\"starting up\"\ntime=2 level=fatal msg=\"disk of hunter2 is broken\"\ntime=3 level=info msg=\"starting up\"\n";
        std::fs::write(paths.log_file("dockerd"), log).unwrap();
        let redactor = Redactor::new(["hunter2"]);
        let mut deaths = EngineDeaths::new(engine, &redactor, paths, Duration::from_mins(10));
        let cancel = Cancel::default();
        let began = Instant::now();
        for _ in 0..2 {
            assert!(!deaths.wait(&failure(), publisher, &cancel));
        }
        assert!(
            began.elapsed() >= Duration::from_secs(3),
            "1 s, and then 2 s"
        );
        assert_eq!(publisher.state(), Some(State::Starting), "it may be over");
        deaths.count = MOST - 1;
        let told_to_end = Cancel::default();
        told_to_end.set();
        assert!(deaths.wait(&failure(), publisher, &told_to_end));
        let verdict = Verdict::read(paths).unwrap().unwrap();
        assert_eq!(
            (verdict.state, verdict.exit_code),
            (State::Failed, ExitCode::Failed)
        );
        let error = &verdict.errors[0];
        assert!(
            error
                .what
                .starts_with("dockerd or its containerd died or went silent 5 times within "),
            "{error:?}"
        );
        assert_eq!(error.causes, ["docker-compose up exited with 1"]);
        assert_eq!(
            error.log_tail,
            ["time=2 level=fatal msg=\"disk of [redacted] is broken\""]
        );
        assert!(error.hint.as_ref().unwrap().contains("dockerd.log"));
        assert!(!publisher.publish_starting());
    }

    #[test]
    fn deaths_that_go_on_for_the_starts_time_are_a_failure_however_few() {
        let Bench {
            ref paths,
            ref mut publisher,
            ref engine,
            ..
        } = bench();
        let redactor = Redactor::default();
        let mut deaths = EngineDeaths::new(engine, &redactor, paths, Duration::from_secs(1));
        let cancel = Cancel::default();
        cancel.set();
        assert!(deaths.wait(&failure(), publisher, &cancel));
        assert_eq!(publisher.state(), Some(State::Failed));
    }

    #[test]
    fn the_pause_doubles_up_to_a_bound() {
        let Bench {
            ref paths,
            ref engine,
            ..
        } = bench();
        let redactor = Redactor::default();
        let mut deaths = EngineDeaths::new(engine, &redactor, paths, Duration::from_mins(10));
        let pauses = [1, 2, 3, 6, 7, 5000].map(|count| {
            deaths.count = count;
            deaths.pause().as_secs()
        });
        assert_eq!(pauses, [1, 2, 4, 30, 30, 30]);
    }
}
