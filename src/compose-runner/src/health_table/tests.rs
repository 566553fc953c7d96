//! Every combination of what the tables take, against rows written out here: exactly one row fits each.

use std::fmt::Debug;

use bosh_job::Gone;

use super::*;
use crate::health::Policy;

const BOTH: &[bool] = &[false, true];
const IS: &[bool] = &[true];
const IS_NOT: &[bool] = &[false];
const STATUSES: &[Status] = &[
    Status::Created,
    Status::Running,
    Status::Paused,
    Status::Restarting,
    Status::Removing,
    Status::Exited,
    Status::Dead,
    Status::Unknown,
];
const CHECKS: &[Check] = &[
    Check::Starting,
    Check::Healthy,
    Check::Unhealthy,
    Check::None,
];
const POLICIES: &[Policy] = &[No, OnFailure, Always];
const AGES: &[Age] = &[New, Recent, Lasting];
/// Done, failed, ended by SIGKILL.
const EXIT_CODES: &[i64] = &[0, 1, 137];

/// The only row that fits, and what it expects.
fn only<Expected>(
    rows: impl IntoIterator<Item = (bool, Expected)>,
    combination: &impl Debug,
) -> Expected {
    let fit = rows.into_iter().filter(|(fits, _)| *fits);
    let mut expected: Vec<Expected> = fit.map(|(_, expected)| expected).collect();
    assert_eq!(expected.len(), 1, "rows for {combination:?}");
    expected.remove(0)
}

/// Values of each input, and the health that all their combinations stand for.
struct ServiceRow {
    at_limit: &'static [bool],
    gone: &'static [bool],
    status: &'static [Status],
    check: &'static [Check],
    has_run: &'static [bool],
    policy: &'static [Policy],
    exit_code: &'static [i64],
    error: &'static [bool],
    may_be_out_of_memory: &'static [bool],
    age: &'static [Age],
    health: ServiceHealth,
}

impl ServiceRow {
    /// Whatever its status.
    const fn of(health: ServiceHealth) -> Self {
        Self {
            at_limit: IS_NOT,
            gone: IS_NOT,
            status: STATUSES,
            check: CHECKS,
            has_run: BOTH,
            policy: POLICIES,
            exit_code: EXIT_CODES,
            error: BOTH,
            may_be_out_of_memory: BOTH,
            age: AGES,
            health,
        }
    }

    /// Its process is there if it has one.
    const fn with(status: &'static [Status], health: ServiceHealth) -> Self {
        Self {
            status,
            ..Self::of(health)
        }
    }

    fn fits(&self, container: &ContainerSnapshot, history: History) -> bool {
        self.at_limit.contains(&history.is_at_limit)
            && self.gone.contains(&container.gone.is_some())
            && self.status.contains(&container.status)
            && self.check.contains(&container.health)
            && self.has_run.contains(&history.has_run)
            && self.policy.contains(&container.policy)
            && self.exit_code.contains(&container.exit_code)
            && self.error.contains(&!container.error.is_empty())
            && self
                .may_be_out_of_memory
                .contains(&history.may_be_out_of_memory)
            && self.age.contains(&history.age)
    }
}

/// Under these policies the engine starts no container again that has ended with 0.
const ENDS: &[Policy] = &[No, OnFailure];

#[rustfmt::skip]
fn service_rows() -> Vec<ServiceRow> {
    let row = ServiceRow::of;
    let with = ServiceRow::with;
    let running = |health| with(&[Status::Running], health);
    let created = |health| with(&[Status::Created], health);
    let exited = |policy, health| ServiceRow { policy, ..with(&[Status::Exited], health) };
    let (no_check_fails, old) = (&[Check::Healthy, Check::None], &[Recent, Lasting]);
    vec![
        ServiceRow { at_limit: IS, gone: BOTH, ..row(Failed(Reason::RestartLimit)) },

        ServiceRow { gone: IS, age: &[New, Recent], ..row(Pending(Reason::GoneJustNow)) },
        ServiceRow { gone: IS, age: &[Lasting], ..row(Failed(Reason::Gone)) },

        ServiceRow { check: &[Check::Unhealthy], ..running(Failed(Reason::Unhealthy)) },
        ServiceRow { check: &[Check::Starting], ..running(Pending(Reason::NotYetHealthy)) },
        ServiceRow { check: no_check_fails, has_run: IS_NOT, ..running(Pending(Reason::NotYetStable)) },
        ServiceRow { check: no_check_fails, has_run: IS, ..running(Stable) },

        ServiceRow { exit_code: &[0], error: IS_NOT, ..exited(ENDS, Finished) },
        ServiceRow { exit_code: &[1, 137], may_be_out_of_memory: IS_NOT, ..exited(ENDS, Failed(Reason::Ended)) },
        ServiceRow { exit_code: &[1, 137], may_be_out_of_memory: IS, age: &[New], ..exited(ENDS, Pending(Reason::Ended)) },
        ServiceRow { exit_code: &[1, 137], may_be_out_of_memory: IS, age: old, ..exited(ENDS, Failed(Reason::Ended)) },
        // another start of one that had ended with 0 failed
        ServiceRow { exit_code: &[0], error: IS, may_be_out_of_memory: IS_NOT, ..exited(ENDS, Failed(Reason::Ended)) },
        ServiceRow { exit_code: &[0], error: IS, may_be_out_of_memory: IS, age: &[New], ..exited(ENDS, Pending(Reason::Ended)) },
        ServiceRow { exit_code: &[0], error: IS, may_be_out_of_memory: IS, age: old, ..exited(ENDS, Failed(Reason::Ended)) },
        ServiceRow { age: &[New, Recent], ..exited(&[Always], Pending(Reason::Ended)) },
        ServiceRow { age: &[Lasting], ..exited(&[Always], Failed(Reason::NotStartedAgain)) },

        ServiceRow { error: IS, ..created(Failed(Reason::StartFailed)) },
        ServiceRow { error: IS_NOT, ..created(Pending(Reason::NotStarted)) },

        with(&[Status::Restarting], Pending(Reason::Restarting)),
        with(&[Status::Removing], Pending(Reason::Removing)),
        with(&[Status::Unknown], Pending(Reason::Unknown)),
        with(&[Status::Paused], Failed(Reason::Paused)),
        with(&[Status::Dead], Failed(Reason::Dead)),
    ]
}

/// Each value with each of the others.
fn each<A: Clone, B: Copy>(all: &[A], others: &[B]) -> Vec<(A, B)> {
    let with_others = |one: &A| others.iter().map(|other| (one.clone(), *other)).collect();
    all.iter().flat_map::<Vec<_>, _>(with_others).collect()
}

fn containers() -> Vec<ContainerSnapshot> {
    let states = each(&each(STATUSES, CHECKS), &each(BOTH, POLICIES));
    let ends = each(EXIT_CODES, BOTH);
    let all = each(&states, &ends).into_iter();
    all.map(
        |(((status, health), (is_gone, policy)), (exit_code, has_error))| ContainerSnapshot {
            status,
            health,
            gone: is_gone.then_some(Gone::NoProcess(7)),
            policy,
            exit_code,
            error: if has_error { "no such program" } else { "" }.to_owned(),
            ..ContainerSnapshot::default()
        },
    )
    .collect()
}

fn histories() -> Vec<History> {
    let all = each(&each(BOTH, BOTH), &each(BOTH, AGES)).into_iter();
    all.map(
        |((is_at_limit, has_run), (may_be_out_of_memory, age))| History {
            is_at_limit,
            has_run,
            may_be_out_of_memory,
            age,
        },
    )
    .collect()
}

#[test]
fn every_state_of_a_container_is_one_health_of_its_service() {
    let rows = service_rows();
    let mut walked = 0;
    for (container, history) in each(&containers(), &histories()) {
        let fits = rows
            .iter()
            .map(|row| (row.fits(&container, history), row.health));
        let expected = only(fits, &(&container, history));
        assert_eq!(
            service_health(&container, history),
            expected,
            "{container:?} {history:?}"
        );
        walked += 1;
    }
    assert_eq!(walked, 8 * 4 * 2 * 3 * 3 * 2 * 2 * 2 * 2 * 3);
}

#[test]
fn a_service_without_its_containers_is_borne_with_for_a_moment() {
    let rows = [
        (New, Pending(Reason::Missing)),
        (Recent, Pending(Reason::Missing)),
        (Lasting, Failed(Reason::Missing)),
    ];
    for age in AGES {
        let fits = rows.map(|(of, health)| (of == *age, health));
        assert_eq!(health_of_lacking(*age), only(fits, age));
    }
}

fn finding(service: &str) -> Finding {
    Finding {
        service: service.to_owned(),
        container: None,
        what: "is paused".to_owned(),
    }
}

#[test]
fn the_worst_service_is_the_health_of_the_recipe() {
    let healths = [
        Stable,
        Finished,
        Pending(Reason::Restarting),
        Failed(Reason::Paused),
    ];
    let is_fine = |health| matches!(health, Stable | Finished);
    let is_pending = |health| matches!(health, Pending(_));
    let is_failed = |health| matches!(health, Failed(_));
    let (a, b) = (finding("a"), finding("b"));
    let both = vec![a.clone(), b.clone()];
    assert_eq!(recipe_health(Vec::new()), RecipeHealth::Healthy);
    for (x, y) in each(&healths, &healths) {
        #[rustfmt::skip]
        let rows = [
            (is_fine(x) && is_fine(y), RecipeHealth::Healthy),
            (is_pending(x) && is_fine(y), RecipeHealth::Pending(vec![a.clone()])),
            (is_fine(x) && is_pending(y), RecipeHealth::Pending(vec![b.clone()])),
            (is_pending(x) && is_pending(y), RecipeHealth::Pending(both.clone())),
            (is_failed(x) && !is_failed(y), RecipeHealth::Failed(vec![a.clone()])),
            (!is_failed(x) && is_failed(y), RecipeHealth::Failed(vec![b.clone()])),
            (is_failed(x) && is_failed(y), RecipeHealth::Failed(both.clone())),
        ];
        let services = vec![(x, a.clone()), (y, b.clone())];
        assert_eq!(recipe_health(services), only(rows, &(x, y)));
    }
}

fn recipes() -> [RecipeHealth; 3] {
    [
        RecipeHealth::Healthy,
        RecipeHealth::Pending(vec![finding("a"), finding("b")]),
        RecipeHealth::Failed(vec![finding("a"), finding("b")]),
    ]
}

/// What may be known: nothing, or what was seen before.
fn known(recipes: &[RecipeHealth]) -> [Option<&RecipeHealth>; 3] {
    [None, Some(&recipes[0]), Some(&recipes[2])]
}

#[test]
fn containers_that_are_treated_fail_no_start() {
    let recipes = recipes();
    let treated: [&[&str]; 4] = [&[], &["a"], &["b"], &["a", "b"]];
    for (health, (known, treated)) in each(&recipes, &each(&known(&recipes), &treated)) {
        let is_borne_with =
            matches!(health, RecipeHealth::Failed(_)) && known.is_none() && treated == ["a", "b"];
        let rows = [
            (is_borne_with, recipes[1].clone()),
            (!is_borne_with, health.clone()),
        ];
        let expected = only(rows, &(&health, known, treated));
        let is_treated = |finding: &Finding| treated.contains(&finding.service.as_str());
        assert_eq!(bear_with_treated(health, known, is_treated), expected);
    }
}

/// Values of each input, and the step that all their combinations lead to.
struct StepRow {
    health: &'static [&'static str],
    starting: &'static [bool],
    late: &'static [bool],
    gives_up: &'static [bool],
    deploy_failed: &'static [bool],
    step: Step,
}

const ANY: StepRow = StepRow {
    health: &["healthy", "pending", "failed"],
    starting: BOTH,
    late: BOTH,
    gives_up: BOTH,
    deploy_failed: BOTH,
    step: Step::Stand,
};

const fn publish(state: State, is_healthy: bool) -> Step {
    Step::Publish { state, is_healthy }
}

#[rustfmt::skip]
const STEPS: &[StepRow] = &[
    StepRow { health: &["healthy"], deploy_failed: IS_NOT, step: publish(State::Up, true), ..ANY },
    StepRow { health: &["healthy"], deploy_failed: IS, step: publish(State::Failed, true), ..ANY },
    StepRow { health: &["pending"], late: IS_NOT, starting: IS, step: publish(State::Starting, true), ..ANY },
    StepRow { health: &["pending"], late: IS_NOT, starting: IS_NOT, step: Step::Stand, ..ANY },
    StepRow { health: &["pending"], late: IS, gives_up: IS_NOT, step: publish(State::Failed, false), ..ANY },
    StepRow { health: &["pending"], late: IS, gives_up: IS, step: Step::GiveUp, ..ANY },
    StepRow { health: &["failed"], gives_up: IS_NOT, step: publish(State::Failed, false), ..ANY },
    StepRow { health: &["failed"], gives_up: IS, step: Step::GiveUp, ..ANY },
];

#[test]
fn every_health_of_the_recipe_leads_to_one_step_in_each_phase() {
    let recipes = recipes();
    let phases = each(&each(&known(&recipes), BOTH), &each(BOTH, BOTH));
    let phases = phases
        .into_iter()
        .map(|((known, is_late), (gives_up, has_deploy_failed))| Phase {
            known,
            is_late,
            gives_up,
            has_deploy_failed,
        });
    let phases: Vec<Phase<'_>> = phases.collect();
    assert_eq!(phases.len(), 3 * 2 * 2 * 2);
    for (health, phase) in each(&recipes, &phases) {
        let name = match health {
            RecipeHealth::Healthy => "healthy",
            RecipeHealth::Pending(_) => "pending",
            RecipeHealth::Failed(_) => "failed",
        };
        let fits = STEPS.iter().map(|row| {
            let fits = row.health.contains(&name)
                && row.starting.contains(&phase.known.is_none())
                && row.late.contains(&phase.is_late)
                && row.gives_up.contains(&phase.gives_up)
                && row.deploy_failed.contains(&phase.has_deploy_failed);
            (fits, row.step)
        });
        let expected = only(fits, &(&health, phase));
        assert_eq!(step(&health, phase), expected, "{health:?} {phase:?}");
    }
}
