use super::*;

fn sh(script: &str, timeout: Duration) -> Checked {
    Checked::new("/bin/sh", timeout).args(["-c", script])
}

#[test]
fn a_success_carries_both_streams_and_the_environment_is_clean() {
    let output = sh("/usr/bin/env; echo oops >&2", Duration::from_secs(10))
        .env("A", "b")
        .run()
        .unwrap();
    let names: Vec<_> = output
        .stdout_text()
        .lines()
        .map(|line| line.split('=').next().unwrap().to_owned())
        .collect();
    assert!(names.contains(&"A".to_owned()));
    assert!(!names.contains(&"HOME".to_owned()), "{names:?}");
    assert_eq!(output.stderr, "oops\n");
}

#[test]
fn a_failure_says_the_status_and_the_last_lines() {
    let error = sh(
        "echo first >&2; echo why >&2; exit 7",
        Duration::from_secs(10),
    )
    .run()
    .unwrap_err();
    assert!(
        error.to_string().ends_with("exited with 7: first; why"),
        "{error}"
    );
    let error = sh("kill -9 $$", Duration::from_secs(10)).run().unwrap_err();
    assert!(
        error.to_string().ends_with("was killed by signal 9"),
        "{error}"
    );
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let error = Checked::new("/nonexistent/x", Duration::from_secs(1))
        .run()
        .unwrap_err();
    assert_eq!(error.to_string(), "starting /nonexistent/x");
}

#[test]
fn the_time_limit_ends_the_children_too() {
    let begin = Instant::now();
    let error = sh(
        "echo waiting >&2; sleep 60 & sleep 60",
        Duration::from_millis(300),
    )
    .run()
    .unwrap_err();
    assert!(matches!(error, CommandError::Timeout { .. }), "{error}");
    assert_eq!(error.stderr(), ["waiting"]);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_daemon_that_keeps_the_streams_does_not_hold_the_caller() {
    let begin = Instant::now();
    let output = sh("setsid sleep 3 & echo done", Duration::from_secs(10))
        .run()
        .unwrap();
    assert_eq!(output.stdout, b"done\n");
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_cancelled_program_ends_within_its_grace() {
    let flag = Arc::new(AtomicBool::new(false));
    let setter = Arc::clone(&flag);
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        setter.store(true, Ordering::Relaxed);
    });
    let begin = Instant::now();
    let error = sh(
        "trap 'exit 0' TERM; while :; do sleep 0.05; done",
        Duration::from_mins(1),
    )
    .grace(Duration::from_secs(5))
    .cancelled_by(flag)
    .run()
    .unwrap_err();
    assert!(matches!(error, CommandError::Cancelled { .. }), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(3));
}

#[test]
fn input_reaches_the_program() {
    let output = Checked::new("/bin/cat", Duration::from_secs(5))
        .input(crate::Secret::new("x\ny"))
        .run()
        .unwrap();
    assert_eq!(output.stdout, b"x\ny");
}
