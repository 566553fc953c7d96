//! Every fault of an engine that a call can meet, against the fake one.

mod streams;
mod uploads;

use std::time::{Duration, Instant};

use crate::{
    Engine, Error, Timeouts,
    fake::{FakeEngine, FakeReply, FakeRequest, Step},
    request::Request,
};

struct Fixture {
    engine: Engine,
    fake: FakeEngine,
    _directory: tempfile::TempDir,
}

fn answering(handler: impl Fn(&FakeRequest) -> FakeReply + Send + Sync + 'static) -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("docker.sock");
    let fake = FakeEngine::start(&socket, handler);
    Fixture {
        engine: Engine::new(socket),
        fake,
        _directory: directory,
    }
}

fn always(reply: FakeReply) -> Fixture {
    answering(move |_| reply.clone())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(" / ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[test]
fn tells_a_missing_socket_from_one_that_nobody_listens_on() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("docker.sock");
    let engine = Engine::new(&socket);
    let missing = engine.info().unwrap_err();
    assert!(matches!(missing, Error::NoSocket { .. }) && missing.is_engine_down());
    assert!(
        missing.to_string().contains(socket.to_str().unwrap()),
        "{missing}"
    );
    assert!(missing.hint().unwrap().contains("dockerd.log"));
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let refused = engine.info().unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }) && refused.is_engine_down());
}

#[test]
fn an_error_names_method_path_socket_status_and_the_engines_words() {
    let fixture = always(FakeReply::error(404, "No such container: web"));
    let error = fixture.engine.inspect_container("web").unwrap_err();
    assert!(error.is_not_found() && !error.is_engine_trouble());
    let text = error.to_string();
    assert!(text.starts_with("GET /containers/web/json on /"), "{text}");
    assert!(
        text.ends_with("docker.sock: status 404: No such container: web"),
        "{text}"
    );
}

#[test]
fn an_error_without_json_is_told_as_it_came() {
    let fixture = always(FakeReply::new(500, "panic: runtime error"));
    let error = fixture.engine.info().unwrap_err();
    assert_eq!(error.status(), Some(500));
    assert!(
        error
            .to_string()
            .ends_with("status 500: panic: runtime error")
    );
}

#[test]
fn an_error_of_endless_length_is_bounded() {
    let endless =
        FakeReply::raw(b"HTTP/1.1 500 x\r\n\r\n").then(Step::Repeat(vec![b'x'; 65536], 1 << 30));
    let error = always(endless).engine.info().unwrap_err();
    assert!(error.to_string().len() < 2000);
}

#[test]
fn garbage_is_not_an_answer() {
    for garbage in [
        "",
        "{",
        "[]",
        "null",
        "\"text\"",
        "{}",
        "{\"Driver\":\"\",\"DriverStatus\":7}",
        "\u{0}\u{1}",
    ] {
        let error = always(FakeReply::json(garbage)).engine.info().unwrap_err();
        assert!(matches!(error, Error::Garbage { .. }), "{garbage}: {error}");
    }
    let error = always(FakeReply::raw(b"SSH-2.0-OpenSSH_9.2\r\n"))
        .engine
        .info()
        .unwrap_err();
    assert!(matches!(error, Error::Cut { .. }), "{error}");
}

#[test]
fn a_cut_answer_is_an_error() {
    let cut = FakeReply::raw(b"HTTP/1.1 200 x\r\nContent-Length: 100\r\n\r\n{\"Driver\":");
    let error = always(cut).engine.info().unwrap_err();
    assert!(
        matches!(error, Error::Cut { .. }) && error.is_engine_trouble(),
        "{error}"
    );
    let error = always(FakeReply::cut_stream(&["{\"Driver\":\"overlay2\"}"]))
        .engine
        .info()
        .unwrap_err();
    assert!(matches!(error, Error::Cut { .. }), "{error}");
}

#[test]
fn a_slow_start_is_waited_for_within_bounds() {
    let fixture = always(FakeReply::new(200, "OK").after(Duration::from_millis(200)));
    let request =
        |timeout| Request::get("/slow").timeouts(Timeouts::silence(Duration::from_millis(timeout)));
    fixture.engine.done(request(5000)).unwrap();
    let began = Instant::now();
    let error = fixture.engine.done(request(50)).unwrap_err();
    assert!(
        matches!(error, Error::Timeout { .. }) && began.elapsed() < Duration::from_secs(2),
        "{error}"
    );
    assert!(
        error.to_string().ends_with("no answer within 0.05 s"),
        "{error}"
    );
}

#[test]
fn silence_in_the_middle_of_an_answer_is_bounded() {
    let fixture = always(FakeReply::hanging_stream(&["one"]));
    let request = Request::get("/hang").timeouts(Timeouts::silence(Duration::from_millis(100)));
    let error = fixture.engine.done(request).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("no further part of the answer within 0.1 s"),
        "{error}"
    );
}

#[test]
fn a_drip_of_bytes_cannot_outlast_the_whole_calls_bound() {
    let drip = (0..100).fold(FakeReply::cut_stream(&[]), |reply, _| {
        reply
            .then(Step::Send(b"1\r\nx\r\n".to_vec()))
            .then(Step::Pause(Duration::from_millis(20)))
    });
    let began = Instant::now();
    let request = Request::get("/drip").timeouts(Timeouts::within(Duration::from_millis(200)));
    let error = always(drip).engine.done(request).unwrap_err();
    assert!(
        matches!(error, Error::Timeout { .. }) && began.elapsed() < Duration::from_secs(1),
        "{error}"
    );
}

#[test]
fn a_huge_answer_is_refused_without_being_kept() {
    let error = always(FakeReply::huge("[[],[]],", 200 << 20))
        .engine
        .info()
        .unwrap_err();
    assert!(
        matches!(error, Error::TooLarge { limit, .. } if limit == 64 << 20),
        "{error}"
    );
}

#[test]
fn the_version_is_negotiated_once_and_again_after_the_engine_went_away() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("docker.sock");
    let of_version = |version: &'static str| {
        move |request: &FakeRequest| match request.path.as_str() {
            "/_ping" => FakeReply::raw(
                format!("HTTP/1.1 200 x\r\nApi-Version: {version}\r\nContent-Length: 2\r\n\r\nOK")
                    .as_bytes(),
            ),
            _ => FakeReply::json(r#"{"Driver":"overlay2"}"#),
        }
    };
    let engine = Engine::new(&socket);
    let fake = FakeEngine::start_with_ping(&socket, of_version("1.52"));
    engine.info().unwrap();
    engine.info().unwrap();
    let versions: Vec<String> = fake
        .seen()
        .into_iter()
        .map(|request| request.version)
        .collect();
    assert_eq!(versions, ["", "1.47", "1.47"]);
    drop(fake);
    assert!(engine.info().unwrap_err().is_engine_down());
    let fake = FakeEngine::start_with_ping(&socket, of_version("1.41"));
    engine.info().unwrap();
    assert_eq!(fake.seen()[1].version, "1.41");
    drop(fake);
    let _fake = FakeEngine::start_with_ping(&socket, of_version("1.39"));
    let error = Engine::new(&socket).info().unwrap_err();
    assert!(
        matches!(error, Error::EngineTooOld { .. }) && error.hint().unwrap().contains("20.10"),
        "{error}"
    );
}

#[test]
fn waits_for_an_engine_that_comes_late_and_gives_up_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("docker.sock");
    let began = Instant::now();
    let error = Engine::new(&socket)
        .wait_ready(began + Duration::from_millis(300))
        .unwrap_err();
    assert!(matches!(error, Error::NoSocket { .. }) && began.elapsed() < Duration::from_secs(1));
    let late = socket.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        FakeEngine::start(&late, |_| FakeReply::json(r#"{"Driver":"overlay2"}"#))
    });
    assert_eq!(
        Engine::new(&socket)
            .wait_ready(Instant::now() + Duration::from_secs(10))
            .unwrap()
            .to_string(),
        "1.45"
    );
    drop(thread.join().unwrap());
}
