use super::*;

fn sh(script: &str, limit: Duration, cancel: &Cancel) -> End {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    let redactor = Redactor::new(["hunter2"]);
    Logged {
        command,
        lines: Lines::From("sh"),
        limit,
        redactor: &redactor,
        cancel,
    }
    .run()
}

#[test]
fn keeps_the_last_lines_of_both_streams_without_secrets() {
    let script = "i=0; while [ $i -lt 30 ]; do echo line $i; i=$((i+1)); done; sleep 0.2; echo with hunter2 >&2; exit 3";
    let End::Exited { status, tail } = sh(script, Duration::from_secs(10), &Cancel::default())
    else {
        panic!()
    };
    assert_eq!(ended(status), "exited with 3");
    assert_eq!(tail.len(), KEPT);
    assert_eq!(tail[KEPT - 2..], ["line 29", "with [redacted]"]);
}

#[test]
fn a_secret_that_stands_where_a_long_line_is_cut_is_blotted_out_whole() {
    for before in (LINE - 8)..=LINE {
        let script = format!("head -c {before} /dev/zero | tr '\\0' x; echo hunter2 end");
        let End::Exited { tail, .. } = sh(&script, Duration::from_secs(10), &Cancel::default())
        else {
            panic!()
        };
        let said = tail.concat();
        assert!(
            said.ends_with("x[redacted] end") || said.ends_with("x[redacted]end"),
            "{}",
            &said[LINE - 10..]
        );
    }
}

#[test]
fn what_composes_logger_says_before_its_message_is_left() {
    let line = "time=\"2026-11-27T02:16:26Z\" level=warning msg=\"the warning\"";
    assert_eq!(
        compose_frame(line),
        (
            "time=\"2026-11-27T02:16:26Z\" level=warning msg=",
            "\"the warning\""
        )
    );
    for other in [
        "time=\"hunter2\" level=info msg=x",
        "level=info msg=x",
        "msg",
        "",
    ] {
        assert_eq!(compose_frame(other), ("", other));
    }
}

#[test]
fn ends_a_program_and_its_children_when_its_time_is_over() {
    let began = Instant::now();
    let end = sh(
        "echo on my way; sleep 100 & sleep 100",
        Duration::from_millis(300),
        &Cancel::default(),
    );
    assert!(
        matches!(&end, End::TimedOut { tail } if tail == &["on my way"]),
        "{end:?}"
    );
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[test]
fn ends_a_program_that_ignores_sigterm_within_two_seconds_of_being_told() {
    let cancel = Cancel::default();
    let other = cancel.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        other.set();
    });
    let began = Instant::now();
    let end = sh(
        "trap '' TERM; while :; do sleep 0.1; done",
        Duration::from_mins(1),
        &cancel,
    );
    assert!(matches!(end, End::Cancelled), "{end:?}");
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[test]
fn runs_a_program_once_more_that_a_signal_killed_and_no_oftener() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("runs").display().to_string();
    let limit = Duration::from_mins(1);
    let once = format!("echo run >>{file}; [ $(wc -l <{file}) = 2 ] || kill -9 $$");
    let end = sh(&once, limit, &Cancel::default());
    assert!(
        matches!(&end, End::Exited { status, .. } if status.success()),
        "{end:?}"
    );
    let End::Exited { status, .. } = sh(&once, limit, &Cancel::default()) else {
        panic!()
    };
    assert_eq!(ended(status), "was killed by signal 9");
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 4);
}

#[test]
fn does_not_wait_for_what_a_program_leaves_behind() {
    let began = Instant::now();
    let End::Exited { tail, .. } = sh(
        "sleep 5 & echo done",
        Duration::from_secs(10),
        &Cancel::default(),
    ) else {
        panic!()
    };
    assert_eq!(tail, ["done"]);
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_line_without_end_needs_little_memory() {
    let end = sh(
        "head -c 50000000 /dev/zero | tr '\\0' x",
        Duration::from_mins(1),
        &Cancel::default(),
    );
    let End::Exited { tail, .. } = end else {
        panic!()
    };
    assert!(tail.iter().all(|line| line.len() <= 16 << 10));
}
