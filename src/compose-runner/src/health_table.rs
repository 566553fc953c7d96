//! The rules of health, as tables without times, texts or effects: a service's health from what was seen of its containers,
//! the recipe's from its services', and what is published from the recipe's. `docs/verdicts.md` has the first in words.

use docker_engine::{HealthStatus as Check, Status};
use state_files::State;

use self::Age::{Lasting, New, Recent};
use crate::health::{
    ContainerSnapshot, Finding,
    Policy::{Always, No, OnFailure},
    Reason, RecipeHealth,
    ServiceHealth::{self, Failed, Finished, Pending, Stable},
};

/// What earlier looks at a container and the engine's events tell of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct History {
    /// The engine has restarted it as often as `restart_limit` says, within its time.
    pub is_at_limit: bool,
    /// It has run for `stable_seconds`.
    pub has_run: bool,
    /// SIGKILL ended it, and the engine has not said that it was the kernel's.
    pub may_be_out_of_memory: bool,
    /// How long it has been in its state.
    pub age: Age,
}

/// How long something has been as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Age {
    /// The engine may still say that the kernel killed a container.
    #[default]
    New,
    /// The engine may be about to leave this state by itself.
    Recent,
    /// It stays so.
    Lasting,
}

/// The health of a service, by one of its containers: the first row that fits.
#[rustfmt::skip]
#[expect(clippy::match_same_arms, reason = "a row each")]
pub fn service_health(container: &ContainerSnapshot, history: History) -> ServiceHealth {
    let History { is_at_limit, has_run, may_be_out_of_memory, age } = history;
    let (is_gone, has_error) = (container.gone.is_some(), !container.error.is_empty());
    match (
        is_at_limit, is_gone, container.status, container.health, has_run,
        container.policy, container.exit_code, has_error, may_be_out_of_memory, age,
    ) {
        // limit  gone   status              health check                has run policy          exit error  memory age
        (true,    _,     _,                  _,                          _,      _,              _,   _,     _,     _           ) => Failed(Reason::RestartLimit),

        (_,       true,  _,                  _,                          _,      _,              _,   _,     _,     New | Recent) => Pending(Reason::GoneJustNow),
        (_,       true,  _,                  _,                          _,      _,              _,   _,     _,     Lasting     ) => Failed(Reason::Gone),

        (_,       _,     Status::Running,    Check::Unhealthy,           _,      _,              _,   _,     _,     _           ) => Failed(Reason::Unhealthy),
        (_,       _,     Status::Running,    Check::Starting,            _,      _,              _,   _,     _,     _           ) => Pending(Reason::NotYetHealthy),
        (_,       _,     Status::Running,    Check::Healthy|Check::None, false,  _,              _,   _,     _,     _           ) => Pending(Reason::NotYetStable),
        (_,       _,     Status::Running,    Check::Healthy|Check::None, true,   _,              _,   _,     _,     _           ) => Stable,

        (_,       _,     Status::Exited,     _,                          _,      No | OnFailure, 0,   false, _,     _           ) => Finished,
        (_,       _,     Status::Exited,     _,                          _,      No | OnFailure, _,   _,     true,  New         ) => Pending(Reason::Ended),
        (_,       _,     Status::Exited,     _,                          _,      No | OnFailure, _,   _,     _,     _           ) => Failed(Reason::Ended),
        // The engine starts it again, unless somebody stopped it by hand.
        (_,       _,     Status::Exited,     _,                          _,      Always,         _,   _,     _,     New | Recent) => Pending(Reason::Ended),
        (_,       _,     Status::Exited,     _,                          _,      Always,         _,   _,     _,     Lasting     ) => Failed(Reason::NotStartedAgain),

        (_,       _,     Status::Created,    _,                          _,      _,              _,   true,  _,     _           ) => Failed(Reason::StartFailed),
        (_,       _,     Status::Created,    _,                          _,      _,              _,   false, _,     _           ) => Pending(Reason::NotStarted),

        (_,       _,     Status::Restarting, _,                          _,      _,              _,   _,     _,     _           ) => Pending(Reason::Restarting),
        (_,       _,     Status::Removing,   _,                          _,      _,              _,   _,     _,     _           ) => Pending(Reason::Removing),
        (_,       _,     Status::Unknown,    _,                          _,      _,              _,   _,     _,     _           ) => Pending(Reason::Unknown),
        (_,       _,     Status::Paused,     _,                          _,      _,              _,   _,     _,     _           ) => Failed(Reason::Paused),
        (_,       _,     Status::Dead,       _,                          _,      _,              _,   _,     _,     _           ) => Failed(Reason::Dead),
    }
}

/// The health of a service that lacks containers.
pub fn health_of_lacking(age: Age) -> ServiceHealth {
    match age {
        New | Recent => Pending(Reason::Missing),
        Lasting => Failed(Reason::Missing),
    }
}

/// The health of the recipe, from its services' and what is told of each: the worst counts.
pub fn recipe_health(services: Vec<(ServiceHealth, Finding)>) -> RecipeHealth {
    let (mut pending, mut failed) = (Vec::new(), Vec::new());
    for (health, finding) in services {
        match health {
            Stable | Finished => {}
            Pending(_) => pending.push(finding),
            Failed(_) => failed.push(finding),
        }
    }
    match (failed.is_empty(), pending.is_empty()) {
        (false, _) => RecipeHealth::Failed(failed),
        (true, false) => RecipeHealth::Pending(pending),
        (true, true) => RecipeHealth::Healthy,
    }
}

/// A container whose end the engine missed fails no start, and is no reason to go back to another recipe, as long as something
/// is done about it and nothing else is known of the services.
pub fn bear_with_treated(
    health: RecipeHealth,
    known: Option<&RecipeHealth>,
    is_treated: impl Fn(&Finding) -> bool,
) -> RecipeHealth {
    match (health, known) {
        (RecipeHealth::Failed(findings), None) if findings.iter().all(is_treated) => {
            RecipeHealth::Pending(findings)
        }
        (health, _) => health,
    }
}

/// Where the recipe stands when it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Phase<'a> {
    /// What was known last; nothing as long as it is starting.
    pub known: Option<&'a RecipeHealth>,
    /// The time in which it must be healthy is over.
    pub is_late: bool,
    /// A failure ends the watch: the previous recipe follows.
    pub gives_up: bool,
    /// The deploy has failed, whatever its services do: it was rolled back, or an image is missing.
    pub has_deploy_failed: bool,
}

/// What follows of a look at the recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// What is published stands until something is known again.
    Stand,
    /// This is published.
    Publish {
        state: State,
        /// Whether monit can connect: what it could fix is not wrong.
        is_healthy: bool,
    },
    /// The watch ends.
    GiveUp,
}

/// What follows of the recipe's health in its phase.
#[rustfmt::skip]
#[expect(clippy::match_same_arms, reason = "a row each")]
pub fn step(health: &RecipeHealth, phase: Phase<'_>) -> Step {
    use RecipeHealth::{Failed, Healthy, Pending};

    let publish = |state, is_healthy| Step::Publish { state, is_healthy };
    let Phase { known, is_late, gives_up, has_deploy_failed } = phase;
    match (health, known, is_late, gives_up, has_deploy_failed) {
        // health    known    late   gives up deploy failed
        (Healthy,    _,       _,     _,       false) => publish(State::Up, true),
        (Healthy,    _,       _,     _,       true ) => publish(State::Failed, true),
        (Pending(_), None,    false, _,       _    ) => publish(State::Starting, true),
        (Pending(_), Some(_), false, _,       _    ) => Step::Stand,
        (Pending(_), _,       true,  false,   _    ) => publish(State::Failed, false),
        (Pending(_), _,       true,  true,    _    ) => Step::GiveUp,
        (Failed(_),  _,       _,     false,   _    ) => publish(State::Failed, false),
        (Failed(_),  _,       _,     true,    _    ) => Step::GiveUp,
    }
}

#[cfg(test)]
mod tests;
