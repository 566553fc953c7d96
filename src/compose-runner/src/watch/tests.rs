use docker_engine::{HealthStatus, Status};

use super::*;
use crate::health::Policy;

struct Bench {
    watch: Watch,
    begin: Instant,
    clock: Timestamp,
}

impl Bench {
    fn of(expected: &[(&str, usize)]) -> Self {
        let supervision = Supervision {
            stable: Duration::from_secs(10),
            start_timeout: Duration::from_mins(10),
            stop_timeout: Duration::from_mins(3),
            restart_limit: RestartLimit {
                restarts: 3,
                within: Duration::from_mins(5),
            },
            rollback_on_failure: false,
        };
        let expected = expected
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect();
        let clock = "2026-11-20T12:00:00Z".parse().unwrap();
        let begin = Instant::now();
        Self {
            watch: Watch::new(
                &supervision,
                expected,
                Beginning {
                    clock,
                    instant: begin,
                },
            ),
            begin,
            clock,
        }
    }

    fn web() -> Self {
        Self::of(&[("web", 1)])
    }

    fn at(&self, second: u64) -> Timestamp {
        self.clock + jiff::SignedDuration::from_secs(second.try_into().unwrap())
    }

    fn evaluate(&mut self, second: u64, seen: &[ContainerSnapshot]) -> RecipeHealth {
        self.watch.evaluate(
            seen,
            self.begin + Duration::from_secs(second),
            self.at(second),
        )
    }

    /// The words of the only thing that is wrong, `pending:` or `failed:` before them; "" if everything is healthy.
    fn word(&mut self, second: u64, seen: &[ContainerSnapshot]) -> String {
        match self.evaluate(second, seen) {
            RecipeHealth::Healthy => String::new(),
            RecipeHealth::Pending(wrong) => format!("pending: {}", wrong[0].what),
            RecipeHealth::Failed(wrong) => format!("failed: {}", wrong[0].what),
        }
    }
}

fn running(bench: &Bench, started: u64) -> ContainerSnapshot {
    ContainerSnapshot {
        id: "1".into(),
        name: "running-web-1".into(),
        service: "web".into(),
        status: Status::Running,
        created_at: Some(bench.clock),
        started_at: Some(bench.at(started)),
        ..ContainerSnapshot::default()
    }
}

fn exited(bench: &Bench, code: i64, policy: Policy) -> ContainerSnapshot {
    ContainerSnapshot {
        status: Status::Exited,
        exit_code: code,
        policy,
        ..running(bench, 0)
    }
}

#[test]
fn a_service_is_up_when_it_has_run_for_the_stable_time() {
    let mut bench = Bench::web();
    let web = running(&bench, 0);
    assert_eq!(
        bench.word(9, std::slice::from_ref(&web)),
        "pending: has not been running for 10 s"
    );
    assert_eq!(bench.evaluate(10, &[web]), RecipeHealth::Healthy);
}

#[test]
fn an_adopted_container_is_up_at_once() {
    let mut bench = Bench::web();
    let long_ago = "2026-11-01T00:00:00Z".parse().ok();
    let web = ContainerSnapshot {
        created_at: long_ago,
        started_at: long_ago,
        restarts: 7,
        ..running(&bench, 0)
    };
    assert_eq!(bench.evaluate(0, &[web]), RecipeHealth::Healthy);
}

#[test]
fn a_clock_that_was_set_back_does_not_make_it_wait_for_ever() {
    let mut bench = Bench::web();
    let web = running(&bench, 100_000);
    assert!(matches!(
        bench.evaluate(0, std::slice::from_ref(&web)),
        RecipeHealth::Pending(_)
    ));
    assert_eq!(bench.evaluate(10, &[web]), RecipeHealth::Healthy);
}

#[test]
fn a_clock_that_was_set_forward_does_not_make_it_stable_at_once() {
    let mut bench = Bench::web();
    let web = running(&bench, 1);
    bench.clock += jiff::SignedDuration::from_hours(1);
    for second in [2, 8] {
        assert_eq!(
            bench.word(second, std::slice::from_ref(&web)),
            "pending: has not been running for 10 s"
        );
    }
    assert_eq!(bench.evaluate(12, &[web]), RecipeHealth::Healthy);
}

#[test]
fn a_one_shot_that_ended_with_0_is_done_under_both_policies() {
    for policy in [Policy::No, Policy::OnFailure] {
        let mut bench = Bench::web();
        let one = exited(&bench, 0, policy);
        assert_eq!(bench.evaluate(0, &[one]), RecipeHealth::Healthy);
    }
}

#[test]
fn a_one_shot_that_ended_otherwise_has_failed_at_once() {
    let mut bench = Bench::web();
    let one = exited(&bench, 3, Policy::No);
    assert_eq!(bench.word(0, &[one]), "failed: exited with 3");
    let spent = ContainerSnapshot {
        oom_killed: true,
        ..exited(&bench, 137, Policy::OnFailure)
    };
    assert_eq!(
        bench.word(1, &[spent]),
        "failed: exited with 137 (out of memory)"
    );
}

#[test]
fn a_container_whose_start_failed_says_why() {
    let mut bench = Bench::web();
    let never = ContainerSnapshot {
        status: Status::Created,
        error: "no such file".into(),
        started_at: None,
        ..running(&bench, 0)
    };
    assert_eq!(
        bench.word(0, &[never]),
        "failed: could not be started: no such file"
    );
}

#[test]
fn an_end_against_the_policy_is_borne_with_for_a_moment_only() {
    let mut bench = Bench::web();
    let stopped = exited(&bench, 0, Policy::Always);
    assert_eq!(
        bench.word(0, std::slice::from_ref(&stopped)),
        "pending: exited with 0"
    );
    assert_eq!(
        bench.word(5, &[stopped]),
        "failed: exited with 0, and was not started again"
    );
}

#[test]
fn a_crash_loop_that_happens_to_run_is_found_by_its_restarts() {
    let mut bench = Bench::web();
    assert!(matches!(bench.evaluate(0, &[]), RecipeHealth::Pending(_)));
    // while it runs, the engine gives 0 as its exit code
    let looping = |bench: &Bench, restarts, started| ContainerSnapshot {
        restarts,
        policy: Policy::Always,
        ..running(bench, started)
    };
    let ended = ContainerSnapshot {
        status: Status::Restarting,
        exit_code: 1,
        ..looping(&bench, 2, 1)
    };
    assert!(matches!(
        bench.evaluate(1, &[ended]),
        RecipeHealth::Pending(_)
    ));
    let seen = looping(&bench, 3, 2);
    assert_eq!(
        bench.word(2, &[seen]),
        "failed: restarted at least 3 times within 300 s; it last exited with 1"
    );
    let seen = looping(&bench, 3, 2);
    assert_eq!(
        bench.evaluate(303, &[seen]),
        RecipeHealth::Healthy,
        "it recovers when the restarts have aged"
    );
}

#[test]
fn restarts_of_long_ago_do_not_count_against_an_adopted_container() {
    let mut bench = Bench::web();
    let created_at = "2026-11-01T00:00:00Z".parse().ok();
    let web = |bench: &Bench, restarts| ContainerSnapshot {
        created_at,
        restarts,
        policy: Policy::Always,
        ..running(bench, 0)
    };
    let seen = web(&bench, 40);
    assert_eq!(bench.evaluate(60, &[seen]), RecipeHealth::Healthy);
    let seen = web(&bench, 42);
    assert_eq!(bench.evaluate(90, &[seen]), RecipeHealth::Healthy);
    let seen = web(&bench, 43);
    assert!(matches!(
        bench.evaluate(91, &[seen]),
        RecipeHealth::Failed(_)
    ));
}

#[test]
fn restarts_are_counted_anew_after_a_start_by_hand() {
    let mut bench = Bench::web();
    let web = |bench: &Bench, restarts| ContainerSnapshot {
        created_at: None,
        restarts,
        ..running(bench, 0)
    };
    let seen = web(&bench, 40);
    bench.evaluate(60, &[seen]);
    let seen = web(&bench, 0);
    assert_eq!(bench.evaluate(61, &[seen]), RecipeHealth::Healthy);
    let seen = web(&bench, 2);
    assert_eq!(bench.evaluate(62, &[seen]), RecipeHealth::Healthy);
}

#[test]
fn an_absurd_number_of_restarts_needs_little_memory() {
    let mut bench = Bench::web();
    bench.evaluate(0, &[]);
    for second in 1..100 {
        let web = ContainerSnapshot {
            restarts: u64::MAX - 1000 + second,
            ..running(&bench, 0)
        };
        assert!(matches!(
            bench.evaluate(second, &[web]),
            RecipeHealth::Failed(_)
        ));
    }
    assert!(bench.watch.memories["1"].restarts.len() <= 1000);
}

#[test]
fn health_decides_when_there_is_a_check() {
    let mut bench = Bench::web();
    let with = |bench: &Bench, health| ContainerSnapshot {
        health,
        ..running(bench, 0)
    };
    let seen = with(&bench, HealthStatus::Starting);
    assert_eq!(bench.word(500, &[seen]), "pending: is not yet healthy");
    let seen = with(&bench, HealthStatus::Unhealthy);
    assert_eq!(bench.word(501, &[seen]), "failed: is unhealthy");
    let seen = with(&bench, HealthStatus::Healthy);
    assert_eq!(bench.evaluate(502, &[seen]), RecipeHealth::Healthy);
}

#[test]
fn other_states_wait_or_fail() {
    for (status, word) in [
        (Status::Created, "pending: has not been started"),
        (
            Status::Restarting,
            "pending: is restarting; it last exited with 0",
        ),
        (Status::Removing, "pending: is being removed"),
        (Status::Unknown, "pending: is in a state that is not known"),
        (Status::Paused, "failed: is paused"),
        (
            Status::Dead,
            "failed: is dead: the engine could not remove it",
        ),
    ] {
        let mut bench = Bench::web();
        let seen = ContainerSnapshot {
            status,
            ..running(&bench, 0)
        };
        assert_eq!(bench.word(60, &[seen]), word);
    }
}

#[test]
fn every_replica_counts() {
    let mut bench = Bench::of(&[("web", 2), ("off", 0)]);
    let first = running(&bench, 0);
    let second = ContainerSnapshot {
        id: "2".into(),
        ..exited(&bench, 1, Policy::No)
    };
    assert_eq!(
        bench.word(60, std::slice::from_ref(&first)),
        "pending: has 1 of 2 containers"
    );
    assert_eq!(bench.word(61, &[first, second]), "failed: exited with 1");
}

#[test]
fn a_container_that_was_removed_is_missed_after_a_moment() {
    let mut bench = Bench::web();
    let web = running(&bench, 0);
    assert_eq!(
        bench.evaluate(60, std::slice::from_ref(&web)),
        RecipeHealth::Healthy
    );
    assert_eq!(bench.word(61, &[]), "pending: has no container");
    assert_eq!(bench.word(66, &[]), "failed: has no container");
    assert_eq!(bench.evaluate(67, &[web]), RecipeHealth::Healthy);
}

#[test]
fn containers_of_other_services_do_not_count() {
    let mut bench = Bench::web();
    let web = running(&bench, 0);
    let stranger = ContainerSnapshot {
        id: "2".into(),
        service: "old".into(),
        ..exited(&bench, 1, Policy::No)
    };
    assert_eq!(bench.evaluate(60, &[web, stranger]), RecipeHealth::Healthy);
}

#[test]
fn a_one_shot_whose_container_was_pruned_stays_finished() {
    let mut bench = Bench::of(&[("web", 1), ("twice", 2)]);
    let once = exited(&bench, 0, Policy::OnFailure);
    let twice = |id: &str| ContainerSnapshot {
        id: id.into(),
        service: "twice".into(),
        ..once.clone()
    };
    let all = [once.clone(), twice("2"), twice("3")];
    assert_eq!(bench.evaluate(0, &all), RecipeHealth::Healthy);
    assert!(!bench.watch.has_finished("web"));
    for second in [1, 100] {
        assert_eq!(bench.evaluate(second, &all[1..2]), RecipeHealth::Healthy);
    }
    assert_eq!(bench.evaluate(200, &[]), RecipeHealth::Healthy);
    assert!(bench.watch.has_finished("web") && bench.watch.has_finished("twice"));
    // It was made again, by hand, and now it runs: that one is missed.
    let again = ContainerSnapshot {
        id: "4".into(),
        ..running(&bench, 300)
    };
    bench.evaluate(300, &[again, twice("5"), twice("6")]);
    assert_eq!(bench.word(400, &[]), "pending: has no container");
    assert_eq!(bench.word(406, &[]), "failed: has no container");
}

#[test]
fn one_that_somebody_stopped_and_removed_is_missed_although_it_exited_with_0() {
    let stop = |action: &str, attributes: &[(&str, &str)]| {
        let attributes = attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Event {
            kind: "container".to_owned(),
            action: action.to_owned(),
            actor: docker_engine::Actor {
                id: "1".to_owned(),
                attributes: attributes.collect(),
            },
            time_nano: 0,
        }
    };
    let mut bench = Bench::web();
    let web = running(&bench, 0);
    assert_eq!(bench.evaluate(60, &[web]), RecipeHealth::Healthy);
    bench.watch.on_event(&stop("kill", &[("signal", "15")]));
    bench.watch.on_event(&stop("die", &[("exitCode", "0")]));
    let ended = exited(&bench, 0, Policy::No);
    assert_eq!(bench.evaluate(61, &[ended]), RecipeHealth::Healthy);
    assert_eq!(bench.word(62, &[]), "pending: has no container");
    assert_eq!(bench.word(70, &[]), "failed: has no container");

    // One that ended by itself between two looks has finished.
    let mut bench = Bench::web();
    let web = running(&bench, 0);
    assert_eq!(bench.evaluate(60, &[web]), RecipeHealth::Healthy);
    bench.watch.on_event(&stop("die", &[("exitCode", "0")]));
    assert_eq!(bench.evaluate(61, &[]), RecipeHealth::Healthy);
}

#[test]
fn a_service_with_a_restart_policy_is_missed_however_it_ended() {
    let mut bench = Bench::web();
    let ended = exited(&bench, 0, Policy::Always);
    bench.evaluate(0, &[ended]);
    assert_eq!(bench.word(1, &[]), "pending: has no container");
    assert_eq!(bench.word(7, &[]), "failed: has no container");
}

#[test]
fn a_killed_container_fails_once_the_engine_had_time_to_say_out_of_memory() {
    let mut bench = Bench::web();
    let killed = exited(&bench, 137, Policy::No);
    assert_eq!(
        bench.word(0, std::slice::from_ref(&killed)),
        "pending: exited with 137"
    );
    let oom = ContainerSnapshot {
        oom_killed: true,
        ..killed.clone()
    };
    assert_eq!(
        bench.word(0, &[oom]),
        "failed: exited with 137 (out of memory)"
    );
    // The engine has forgotten it, after a start by hand that failed, say.
    assert_eq!(
        bench.word(0, std::slice::from_ref(&killed)),
        "failed: exited with 137 (out of memory)"
    );
    assert!(bench.watch.with_memory(vec![killed.clone()])[0].oom_killed);
    let mut bench = Bench::web();
    bench.evaluate(0, std::slice::from_ref(&killed));
    assert_eq!(bench.word(1, &[killed]), "failed: exited with 137");
}

#[test]
fn a_container_whose_process_is_gone_is_dead_after_a_while_whatever_the_engine_says() {
    let mut bench = Bench::web();
    for status in [Status::Running, Status::Paused] {
        let gone = |bench: &Bench| ContainerSnapshot {
            status,
            gone: Some(bosh_job::Gone::NoProcess(7)),
            health: HealthStatus::Healthy,
            ..running(bench, 0)
        };
        let web = gone(&bench);
        assert_eq!(
            bench.word(20, &[web]),
            "pending: its process 7 is gone, and the engine has not noticed yet"
        );
        let web = gone(&bench);
        let word = bench.word(26, &[web]);
        let wanted = format!(
            "failed: is dead: its process 7 is gone, although the engine calls it {}",
            status.word()
        );
        assert_eq!(word, wanted);
        bench = Bench::web();
    }
}
