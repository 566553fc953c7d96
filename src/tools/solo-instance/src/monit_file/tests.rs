use super::*;

const CHECKS: &str = IMPLICIT_CHECKS;

fn detached(text: &str) -> String {
    detach_programs(text).unwrap()
}

#[test]
fn every_spelling_of_a_program_is_detached_and_its_timeout_stays() {
    for (spelling, expected) in [
        (
            r#"start program = "/x start""#,
            r#"start program = "D/x start""#,
        ),
        (
            r#"stop program "/x stop" with timeout 48 seconds"#,
            r#"stop program "D/x stop" with timeout 48 seconds"#,
        ),
        (r#"start "/x""#, r#"start "D/x""#),
        (r#"stop = "/x""#, r#"stop = "D/x""#),
        (r#"STOP PROGRAM "/x""#, r#"STOP PROGRAM "D/x""#),
        (
            "start program\t= \"\n  /x\n  go\"\n  timeout 9 seconds",
            "start program\t= \"\n  D/x\n  go\"\n  timeout 9 seconds",
        ),
        (
            r#"start program "/x" as uid vcap and gid vcap"#,
            r#"start program "D/x" as uid vcap and gid vcap"#,
        ),
        (
            r#"start "/bin/sh -c 'echo "it"; sleep 1' # no comment" # a comment"#,
            r#"start "D/bin/sh -c 'echo "it"; sleep 1' # no comment" # a comment"#,
        ),
        (r#"start "'/x y' z""#, r#"start "D'/x y' z""#),
        (
            "stop program /x once with timeout 3 seconds",
            "stop program D/x once with timeout 3 seconds",
        ),
        ("start program\n  '/x'", "start program\n  D'/x'"),
    ] {
        let expected = expected.replace('D', &format!("{DETACH} "));
        assert_eq!(detached(spelling), expected);
    }
}

#[test]
fn what_is_no_program_of_a_service_stays_as_it_is() {
    for text in [
        "# start program \"/x\"\n",
        "if 3 restarts within 5 cycles then start",
        "if failed port 80 then stop else if succeeded then start",
        "if failed unixsocket /x expect \"start \" then exec \"/y start\"",
        "if failed host h send 'stop \"/x\"' then restart",
        "depends on start, stop\ngroup stop\ngroup start",
        "check file start with path /start\ncheck host stop with address 127.0.0.1",
        "set daemon 10 with start delay 20",
        "",
    ] {
        assert_eq!(detached(text), text);
    }
}

#[test]
fn processes_are_looked_at_for_a_changed_pid_and_parent_and_nothing_else_is() {
    for (text, expected) in [
        (
            "check process a\n  with pidfile /a.pid # /b\n  group vcap",
            "check process a\n  with pidfile /a.pid+ # /b\n  group vcap",
        ),
        (
            "check process pidfile pidfile \"/a\"",
            "check process pidfile pidfile \"/a\"+",
        ),
        (
            "check a with pidfile '/a'\ncheck b with pidfile /b",
            "check a with pidfile '/a'+\ncheck b with pidfile /b+",
        ),
        (
            "check process c matching \"c --daemon\" group vcap",
            "check process c matching \"c --daemon\"+ group vcap",
        ),
        ("check file f with path /f", "check file f with path /f"),
    ] {
        assert_eq!(detached(text), expected.replace('+', CHECKS));
    }
}

#[test]
fn programs_that_cannot_be_detached_are_all_told_with_their_lines() {
    let text =
        "check process a with pidfile /a\n start program = \"\"\n stop program \"ctl stop\"\n";
    let error = detach_programs(text).unwrap_err().to_string();
    assert_eq!(
        error,
        "line 2: `start program` names no program; line 3: `stop program` names no program by its absolute path"
    );
    for (text, word) in [
        ("start program=\"/x\"", "absolute path"),
        ("start \"/x", "closing quote"),
        ("stop \"/x 'y\"", "closing quote"),
        ("\nstop program", "line 2"),
    ] {
        let error = detach_programs(text).unwrap_err().to_string();
        assert!(error.contains(word), "{text}: {error}");
    }
}
