//! The types that tell of health: what was seen of a container, a service's health, and the recipe's. What is published is a
//! `Verdict` (crate state-files). How one follows from the other is in `health_table.rs`.

use std::time::{Duration, Instant};

use bosh_job::Gone;
use docker_engine::{HealthStatus, Status};
use jiff::Timestamp;

/// How long it may take the engine to say that it was the kernel who killed a container.
pub const OUT_OF_MEMORY_NEWS: Duration = Duration::from_secs(1);

/// A container as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerSnapshot {
    /// Its full ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its service.
    pub service: String,
    /// Where it is in its life.
    pub status: Status,
    /// Its first process; 0 if the engine knows of none.
    pub pid: i64,
    /// Why it is dead although the engine says that it runs.
    pub gone: Option<Gone>,
    /// Exit code of its last end.
    pub exit_code: i64,
    /// Whether the kernel killed it because it was out of memory.
    pub oom_killed: bool,
    /// Why it could not be started.
    pub error: String,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was started last.
    pub started_at: Option<Timestamp>,
    /// How often the engine has restarted it.
    pub restarts: u64,
    /// What happens when it ends.
    pub policy: Policy,
    /// What its healthcheck says.
    pub health: HealthStatus,
}

/// A restart policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// `no`.
    #[default]
    No,
    /// `on-failure`.
    OnFailure,
    /// `always` and `unless-stopped`.
    Always,
}

/// The health of a service, as one of its containers has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceHealth {
    /// It runs, has done so for long enough, and is not unhealthy.
    Stable,
    /// It has done its work.
    Finished,
    /// It may become healthy; until when is not known.
    Pending(Reason),
    /// It is not healthy, and this is why.
    Failed(Reason),
}

/// Why a service is neither stable nor finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The engine has restarted it too often.
    RestartLimit,
    /// Its process is gone, and the engine may be about to notice.
    GoneJustNow,
    /// Its process is gone, and the engine does not notice.
    Gone,
    /// Its health check fails.
    Unhealthy,
    /// Its health check has not passed yet.
    NotYetHealthy,
    /// It has not run for long enough.
    NotYetStable,
    /// It has ended.
    Ended,
    /// It has ended, and the engine has not started it again.
    NotStartedAgain,
    /// It has ended, and the engine is about to start it again.
    Restarting,
    /// Nobody has started it.
    NotStarted,
    /// The engine could not start it.
    StartFailed,
    /// Somebody has paused it.
    Paused,
    /// The engine could not remove it.
    Dead,
    /// The engine is removing it.
    Removing,
    /// The engine has a word for its state that is not known here.
    Unknown,
    /// There are fewer containers than there shall be.
    Missing,
}

/// Something wrong with a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The service.
    pub service: String,
    /// The container's ID and name, if there is one.
    pub container: Option<(String, String)>,
    /// What.
    pub what: String,
}

/// The health of the recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipeHealth {
    /// Every service is stable or finished.
    Healthy,
    /// These are not yet, and none has failed.
    Pending(Vec<Finding>),
    /// These have failed.
    Failed(Vec<Finding>),
}

impl RecipeHealth {
    /// What is on its way so long after the start has failed.
    pub fn overdue(self, start_timeout: Duration) -> Self {
        let Self::Pending(findings) = self else {
            return self;
        };
        let seconds = start_timeout.as_secs();
        let late = |finding: Finding| Finding {
            what: format!("{} {seconds} s after the start", finding.what),
            ..finding
        };
        Self::Failed(findings.into_iter().map(late).collect())
    }
}

/// When the recipe began to come up, by the VM's clock, which the engine's times are told by, and by one that nobody sets.
#[derive(Clone, Copy, Debug)]
pub struct Beginning {
    /// By the VM's clock.
    pub clock: Timestamp,
    /// By one that nobody sets.
    pub instant: Instant,
}

impl Beginning {
    /// Now.
    pub fn now() -> Self {
        Self {
            clock: Timestamp::now(),
            instant: Instant::now(),
        }
    }

    /// Whether this was later.
    pub fn is_before(&self, time: Timestamp) -> bool {
        time >= self.clock
    }
}
