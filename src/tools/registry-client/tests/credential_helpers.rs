//! Credential helpers: real programs, in a process whose `PATH` leads to them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on fails the test"
)]

mod common;

use image_archive::Reference;
use registry_client::{Client, Secret};

use common::server::Reply;
use common::site::{Site, token};
use common::{everything_of, fast};

#[test]
fn asks_a_credential_helper_once_and_only_if_need_be() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory
        .path()
        .join("docker-credential-registry-client-test");
    let log = directory.path().join("log");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = get ] || exit 1\ncat >> {}\necho '{{\"ServerURL\":\"x\",\"Username\":\"anna\",\"Secret\":\"geheim\"}}'\n",
        log.display()
    );
    install(&script, &program);
    let outcome = with_helper(directory.path(), "registry-client-test", "asked");
    assert_eq!(outcome, "ok\n");
    assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 1);
}

#[test]
fn says_when_a_credential_helper_is_missing_or_fails() {
    let directory = tempfile::tempdir().unwrap();
    let outcome = with_helper(directory.path(), "registry-client-missing", "asked");
    assert!(
        outcome.contains("there is no program docker-credential-registry-client-missing in PATH"),
        "{outcome}"
    );
    for (body, expected) in [
        ("echo no keychain here; exit 1", "no keychain here"),
        (
            "echo geheim",
            "its answer is not JSON with Username and Secret",
        ),
        ("sleep 60", "it did not answer within"),
    ] {
        let program = directory
            .path()
            .join("docker-credential-registry-client-test");
        install(&format!("#!/bin/sh\n{body}\n"), &program);
        let outcome = with_helper(directory.path(), "registry-client-test", "asked");
        assert!(outcome.contains(expected), "{outcome}");
        assert!(!outcome.contains("geheim"), "{outcome}");
    }
}

/// Writes a program, in another process: one that another test's thread forks just then would hold it open for writing,
/// and what is open for writing cannot be executed (`ETXTBSY`).
fn install(script: &str, program: &std::path::Path) {
    let source = program.with_extension("source");
    std::fs::write(&source, script).unwrap();
    let status = std::process::Command::new("install")
        .arg(source)
        .arg(program)
        .status();
    assert!(status.unwrap().success());
}

/// Resolves two images in a process of its own, since the helper is found by that process's `PATH`.
fn with_helper(path: &std::path::Path, helper: &str, marker: &str) -> String {
    let site = Site::start(|asked, _| match asked.header("authorization") {
        Some("Basic YW5uYTpnZWhlaW0=") => token(0),
        _ => Reply::new(401),
    });
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--ignored",
            "--nocapture",
            "the_process_that_asks_a_helper",
        ])
        .env("PATH", format!("{}:/usr/bin:/bin", path.display()))
        .env(
            "CONTAINERS_TEST_REFERENCE",
            site.reference("team/app").to_string(),
        )
        .env("CONTAINERS_TEST_HELPER", helper)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = text
        .split("<<<")
        .nth(1)
        .and_then(|rest| rest.split(">>>").next());
    assert!(said.is_some(), "{marker}: {text}");
    said.unwrap_or_default().to_owned()
}

#[test]
#[ignore = "it is run by the tests of credential helpers, in a process of its own"]
fn the_process_that_asks_a_helper() {
    let Ok(reference) = std::env::var("CONTAINERS_TEST_REFERENCE") else {
        return;
    };
    let helper = std::env::var("CONTAINERS_TEST_HELPER").unwrap();
    let mut settings = fast();
    settings.timeouts.helper = std::time::Duration::from_secs(1);
    settings.docker_auth_config = Some(Secret::new(format!(r#"{{"credsStore":"{helper}"}}"#)));
    let client = Client::new(settings).unwrap();
    let reference: Reference = reference.parse().unwrap();
    let outcome = client
        .resolve(&reference)
        .and_then(|_| client.resolve(&reference));
    match outcome {
        Ok(_) => println!("<<<ok\n>>>"),
        Err(error) => println!("<<<{}>>>", everything_of(&error)),
    }
}
