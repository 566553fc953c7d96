use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering},
};

use docker_engine::fake::{FakeEngine, FakeReply};

use super::*;

struct Bench {
    _directory: tempfile::TempDir,
    engine: Engine,
    fake: FakeEngine,
    /// What a signal is answered with.
    status: Arc<AtomicU16>,
}

fn bench() -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("docker.sock");
    let status = Arc::new(AtomicU16::new(204));
    let answer = Arc::clone(&status);
    let fake = FakeEngine::start(&socket, move |request| match request.path.as_str() {
        "/containers/a/json" => FakeReply::json(
            r#"{"Id":"a","Name":"/a","State":{"Status":"running"},"Config":{"StopTimeout":3}}"#,
        ),
        "/containers/a/kill" => match answer.load(Ordering::SeqCst) {
            204 => FakeReply::new(204, ""),
            status => FakeReply::error(status, "ttrpc: closed"),
        },
        "/containers/a/start" => FakeReply::new(204, ""),
        _ => FakeReply::json(r#"{"Driver":"overlay2","LiveRestoreEnabled":false}"#),
    });
    Bench {
        engine: Engine::new(&socket),
        _directory: directory,
        fake,
        status,
    }
}

fn dead() -> ContainerSnapshot {
    ContainerSnapshot {
        id: "a".into(),
        name: "running-web-1".into(),
        service: "web".into(),
        status: Status::Running,
        pid: 7,
        gone: Some(Gone::NoProcess(7)),
        started_at: Some(Timestamp::from_second(1).unwrap()),
        policy: Policy::Always,
        ..ContainerSnapshot::default()
    }
}

fn step(healing: &mut Healing, fake: &FakeEngine, seen: &mut ContainerSnapshot) -> Vec<String> {
    let before = fake.seen().len();
    for patient in healing.patients.values_mut() {
        patient.next = Instant::now();
    }
    healing.step(std::slice::from_mut(seen), &Cancel::default());
    let calls = fake.seen().into_iter().skip(before);
    let changes = calls.filter(|call| call.method == "POST");
    changes.map(|call| call.path).collect()
}

#[test]
fn the_engine_has_time_to_notice_by_itself_and_is_then_asked_to() {
    let bench = bench();
    let mut healing = Healing::new(&bench.engine);
    let mut one = dead();
    assert!(step(&mut healing, &bench.fake, &mut one).is_empty());
    assert!(healing.treats("a") && healing.is_busy());
    assert_eq!(
        step(&mut healing, &bench.fake, &mut one),
        ["/containers/a/kill"]
    );
    let left = healing.patients["a"]
        .next
        .saturating_duration_since(Instant::now());
    assert!(
        left > Duration::from_secs(6) && left <= Duration::from_secs(8),
        "its grace and 5 s: {left:?}"
    );
    // it noticed; its policy has it run
    one.status = Status::Exited;
    one.gone = None;
    assert_eq!(
        step(&mut healing, &bench.fake, &mut one),
        ["/containers/a/start"]
    );
    assert_eq!(one.exit_code, UNKNOWN, "there is no shim that knew it");
    one.started_at = Some(Timestamp::from_second(2).unwrap());
    one.status = Status::Running;
    assert!(step(&mut healing, &bench.fake, &mut one).is_empty());
    assert!(!healing.is_busy());
}

#[test]
fn a_container_without_a_restart_policy_is_started_again_if_nobody_knows_how_it_ended() {
    for (unknown, calls) in [(true, 1), (false, 0)] {
        let bench = bench();
        let mut healing = Healing::new(&bench.engine);
        let mut one = dead();
        one.policy = Policy::No;
        step(&mut healing, &bench.fake, &mut one);
        step(&mut healing, &bench.fake, &mut one);
        healing.patients.get_mut("a").unwrap().unknown_end = unknown;
        (one.status, one.gone) = (Status::Exited, None);
        let started = step(&mut healing, &bench.fake, &mut one);
        assert_eq!(started.len(), calls, "{unknown}: {started:?}");
        assert_eq!(
            healing.treats("a"),
            unknown,
            "until it is seen that it was started"
        );
        assert_eq!(one.exit_code, if unknown { UNKNOWN } else { 0 });
    }
}

#[test]
fn an_engine_that_notices_by_itself_is_left_alone() {
    let bench = bench();
    let mut healing = Healing::new(&bench.engine);
    let mut one = dead();
    step(&mut healing, &bench.fake, &mut one);
    (one.status, one.gone) = (Status::Exited, None);
    assert!(step(&mut healing, &bench.fake, &mut one).is_empty());
    assert!(!healing.is_busy() && one.exit_code == 0);
}

#[test]
fn what_does_not_help_is_not_done_for_ever() {
    for (status, calls) in [(204, SIGNALS), (500, REFUSALS)] {
        let bench = bench();
        bench.status.store(status, Ordering::SeqCst);
        let mut healing = Healing::new(&bench.engine);
        let mut one = dead();
        let all = (0..30).flat_map(|_| step(&mut healing, &bench.fake, &mut one));
        let all = all.filter(|path| path == "/containers/a/kill").count();
        assert_eq!(all, calls as usize);
        assert!(
            !healing.is_busy(),
            "dockerd cannot be restarted, and that was tried once"
        );
    }
}
