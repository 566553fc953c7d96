//! The engine of an attempt: waiting for it, and what became of it when the attempt failed.

use std::time::{Duration, Instant};

use bosh_job::{ExitCode, Paths, Pid, Pidfile};
use docker_engine::says_containerd_is_away;
use state_files::State;

use super::Attempt;
use crate::{
    failure::{Failure, Outcome, error},
    job::Job,
    status_publisher::{StatusPublisher, log_errors},
};

/// An engine that does not answer within this time has gone.
pub const ENGINE_ANSWER: Duration = Duration::from_secs(10);

/// What became of the dockerd that an attempt began with.
pub enum EngineNow {
    /// It is there and answers: what failed is the recipe's affair.
    Same,
    /// It has died, and another one is there.
    Another,
    /// It has lost its containerd meanwhile: what failed may have failed for that.
    LostContainerd,
    /// None answers.
    Gone,
}

impl Attempt<'_> {
    /// What became of the dockerd that it began with.
    pub fn engine_now(&self, failure: &Failure) -> EngineNow {
        if self.engine.ping(ENGINE_ANSWER).is_err() {
            EngineNow::Gone
        } else if self.dockerd != dockerd(self.job) {
            EngineNow::Another
        } else if self.has_lost_containerd(failure) {
            EngineNow::LostContainerd
        } else {
            EngineNow::Same
        }
    }

    /// Whether the engine had no containerd for a while: there is another, or none that it reaches, or the failure says so.
    fn has_lost_containerd(&self, failure: &Failure) -> bool {
        if let Failure::Found { exit_code, .. } = failure
            && *exit_code == ExitCode::BadConfig
        {
            return false;
        }
        let info = self.engine.info_within(ENGINE_ANSWER);
        self.containerd != Containerd::now(&self.job.paths)
            || info.is_ok_and(|info| !info.reaches_containerd())
            || failure.says(says_containerd_is_away)
    }

    /// Waits for the engine, for ever: monit starts it. After the start's time that is a failure, until it comes.
    pub(super) fn wait_for_engine(
        &self,
        deadline: Instant,
        publisher: &mut StatusPublisher,
    ) -> Outcome<()> {
        let mut told = false;
        loop {
            // Short waits, so that an end is not held up.
            match self
                .engine
                .wait_ready(Instant::now() + Duration::from_millis(500))
            {
                Ok(version) => {
                    tracing::info!(api_version = %version, "engine is ready");
                    if publisher.state() == Some(State::Failed) {
                        publisher.publish_starting();
                    }
                    return Ok(());
                }
                Err(failure) if Instant::now() >= deadline && !told => {
                    told = true;
                    let mut found = error("the engine does not answer");
                    found.causes = vec![failure.to_string()];
                    found.hint = failure.hint().map(str::to_owned);
                    log_errors(std::slice::from_ref(&found));
                    publisher.publish_failed(ExitCode::Failed, vec![found]);
                }
                Err(_) => {}
            }
            if self.cancel.sleep(Duration::from_millis(100)) {
                return Err(Failure::Cancelled);
            }
        }
    }
}

/// The containerd that a dockerd has started, told from a later one of the same number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Containerd {
    pid: Pid,
    start_time: u64,
}

impl Containerd {
    /// The one that lives now.
    pub fn now(paths: &Paths) -> Option<Self> {
        let pidfile = Pidfile::new(paths.exec_root().join("containerd/containerd.pid"));
        let process = pidfile.living(|info| info.program() == "containerd")?;
        let info = process.info();
        Some(Self {
            pid: info.pid,
            start_time: info.start_time,
        })
    }
}

pub(super) fn dockerd(job: &Job) -> Option<Pid> {
    Pidfile::new(job.paths.dockerd_pidfile()).read()
}
