//! What was seen of a container, and the health of a service and of the recipe: what the watch takes and gives.

use std::time::{Duration, Instant};

use bosh_job::Gone;
use docker_engine::{HealthStatus, Status};
use jiff::Timestamp;

/// How long it may take the engine to say that it was the kernel who killed a container.
pub const OUT_OF_MEMORY_NEWS: Duration = Duration::from_secs(1);

/// A container as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// What its healthcheck says, if it has one.
    pub health: Option<HealthStatus>,
}

/// A restart policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// `no`.
    No,
    /// `on-failure`.
    OnFailure,
    /// `always` and `unless-stopped`.
    Always,
}

/// The health of a container or a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceHealth {
    /// It runs, has done so for long enough, and is not unhealthy.
    Stable,
    /// It has done its work.
    Finished,
    /// It may become well; until when is not known.
    Pending(String),
    /// It is not well, and this is why.
    Failed(String),
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
