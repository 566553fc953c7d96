//! The program against an engine that misbehaves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Ended, Vm};
use docker_engine::fake::{FakeEngine, FakeReply, FakeRequest};
use image_fixture::{Files, Packing, TestImage};

const INFO: &str = r#"{"Driver":"overlay2","DriverStatus":null,"ServerVersion":"26.1.5"}"#;
const LOADED: &str = "{\"stream\":\"Loaded image: x:1\\n\"}\r\n";

/// A VM with one image in its list.
fn vm() -> (Vm, TestImage) {
    let (vm, image) = (Vm::new(), TestImage::small(1));
    vm.layout("l", &Files::layout(&image, &["x:1"], Packing::Gzip, false));
    vm.list(&["l"]);
    (vm, image)
}

/// Imports into an engine that takes a load with `reply`, and has the image afterwards if `takes`.
fn import_with(reply: FakeReply, takes: bool) -> Ended {
    import_counted(reply, takes).0
}

/// The same, and the paths of the calls that change something.
fn import_counted(reply: FakeReply, takes: bool) -> (Ended, Vec<String>) {
    let (vm, image) = vm();
    let (loaded, tagged) = (AtomicBool::new(false), AtomicBool::new(false));
    let engine = FakeEngine::start(&vm.socket(), move |request| {
        let has = |flag: &AtomicBool| flag.load(Ordering::SeqCst);
        match request.path.as_str() {
            "/info" => FakeReply::json(INFO),
            "/images/load" => {
                loaded.store(takes, Ordering::SeqCst);
                reply.clone()
            }
            "/images/json" => listed(&image, has(&loaded), has(&tagged)),
            path if path.ends_with("/tag") => {
                tagged.store(true, Ordering::SeqCst);
                FakeReply::new(201, "")
            }
            _ => FakeReply::error(404, "No such image"),
        }
    });
    let ended = vm.import();
    let changes = engine.seen().into_iter();
    let changes = changes.filter(|request| request.method == "POST");
    (ended, changes.map(|request| request.path).collect())
}

/// The engine's list, with the image in it or not, with its name or not.
fn listed(image: &TestImage, there: bool, has_name: bool) -> FakeReply {
    let names: &[&str] = if has_name { &["x:1"] } else { &[] };
    let one = serde_json::json!({"Id": image.config_digest(), "RepoTags": names});
    let all = if there { vec![one] } else { Vec::new() };
    FakeReply::json(&serde_json::Value::from(all).to_string())
}

/// An engine that has the image and its name, whatever else it is asked.
fn answer_of_one_that_has(image: &TestImage, request: &FakeRequest) -> FakeReply {
    match request.path.as_str() {
        "/info" => FakeReply::json(INFO),
        "/images/json" => listed(image, true, true),
        _ => FakeReply::error(404, "No such image"),
    }
}

#[test]
fn an_engine_that_works_gets_each_image_once_and_then_its_name() {
    let (ended, changes) = import_counted(FakeReply::stream(&[LOADED]), true);
    ended
        .assert(0, &["loaded"])
        .says("image loaded reference=docker.io/library/x:1")
        .says("layers_sent=1 layers_skipped=0");
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert_eq!(changes[0], "/images/load");
    assert!(changes[1].ends_with("/tag"));
}

#[test]
fn an_image_that_is_not_taken_is_sent_whole_and_alone_and_then_as_its_own_tarball() {
    let refused = || FakeReply::error(500, "no, thanks");
    let (ended, changes) = import_counted(refused(), false);
    assert_eq!(changes, ["/images/load"; 2], "a layout has no tarball");
    ended
        .assert(1, &["failed"])
        .says("next=\"whole and alone\"");

    let (vm, image) = vm();
    vm.file(
        "x.tar",
        &Files::old_archive(&[(&image, &["x:1"])]).tarball(),
    );
    vm.list(&["x.tar"]);
    let engine = FakeEngine::start(&vm.socket(), move |request| match request.path.as_str() {
        "/info" => FakeReply::json(INFO),
        "/images/json" => FakeReply::json("[]"),
        _ => refused(),
    });
    vm.import()
        .assert(1, &["failed"])
        .says("next=\"as the original tarball\"");
    let sent: Vec<_> = engine
        .seen()
        .into_iter()
        .filter(|request| request.path == "/images/load")
        .collect();
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[2].body, std::fs::read(vm.path("x.tar")).unwrap());
}

#[test]
fn a_full_disk_ends_the_tries() {
    let line = r#"{"errorDetail":{"message":"write /data: no space left on device"}}"#;
    let (ended, changes) = import_counted(FakeReply::stream(&[line]), false);
    ended.assert(1, &["failed"]);
    assert_eq!(changes, ["/images/load"]);
}

#[test]
fn an_image_that_is_there_is_not_sent() {
    let (vm, image) = vm();
    let engine = FakeEngine::start(&vm.socket(), move |request| {
        answer_of_one_that_has(&image, request)
    });
    vm.import().assert(0, &["present"]).says("action=present");
    assert!(
        engine
            .seen()
            .iter()
            .all(|request: &FakeRequest| request.method == "GET")
    );
}

#[test]
fn an_error_inside_a_reply_of_status_200_is_a_failure() {
    let line = r#"{"errorDetail":{"message":"no space left on device"},"error":"no space left on device"}"#;
    let ended = import_with(FakeReply::stream(&[line]), false);
    ended
        .assert(1, &["failed"])
        .says("caused by: POST /images/load on ")
        .says("no space left on device");
}

#[test]
fn an_image_that_could_not_be_unpacked_is_a_failure() {
    let line = r#"{"stream":"Error unpacking image x:1: apply layer error\n"}"#;
    import_with(FakeReply::stream(&[LOADED, line]), true)
        .assert(1, &["failed"])
        .says("Error unpacking image");
}

#[test]
fn an_error_status_is_a_failure() {
    import_with(FakeReply::error(500, "the disk is on fire"), false)
        .assert(1, &["failed"])
        .says("the disk is on fire");
}

#[test]
fn a_reply_that_is_cut_is_a_failure_unless_the_engine_has_the_image_all_the_same() {
    import_with(FakeReply::cut_stream(&[LOADED]), false)
        .assert(1, &["failed"])
        .says("the connection was cut");
    import_with(FakeReply::cut_stream(&[LOADED]), true)
        .assert(0, &["tagged"])
        .says("import interrupted")
        .says("the connection was cut");
}

/// Imports into an engine that has lost its containerd for its first loads and answers them with `replies`, then takes them.
fn import_after(replies: Vec<FakeReply>) -> (Ended, usize) {
    let (vm, image) = vm();
    let (loads, loaded, tagged) = (
        AtomicUsize::new(0),
        AtomicBool::new(false),
        AtomicBool::new(false),
    );
    let since = std::sync::Mutex::new(None::<Instant>);
    let engine = FakeEngine::start(&vm.socket(), move |request| {
        let has = |flag: &AtomicBool| flag.load(Ordering::SeqCst);
        let mut since = since.lock().unwrap();
        match request.path.as_str() {
            "/info" if since.is_some_and(|since| since.elapsed() < Duration::from_secs(2)) => {
                FakeReply::json(&INFO.replace('{', r#"{"ContainerdCommit":{"ID":"N/A"},"#))
            }
            "/info" => FakeReply::json(INFO),
            "/images/load" => {
                if let Some(reply) = replies.get(loads.load(Ordering::SeqCst)) {
                    // once before and once after the request's body
                    if !request.body.is_empty() {
                        loads.fetch_add(1, Ordering::SeqCst);
                        since.get_or_insert_with(Instant::now);
                    }
                    return reply.clone();
                }
                loaded.store(true, Ordering::SeqCst);
                FakeReply::stream(&[LOADED])
            }
            "/images/json" => listed(&image, has(&loaded), has(&tagged)),
            path if path.ends_with("/tag") => {
                tagged.store(true, Ordering::SeqCst);
                FakeReply::new(201, "")
            }
            _ => FakeReply::error(404, "No such image"),
        }
    });
    let ended = vm.import();
    let loads = engine.seen().into_iter();
    (
        ended,
        loads.filter(|one| one.path == "/images/load").count(),
    )
}

#[test]
fn an_import_that_an_engine_without_its_containerd_refuses_is_repeated_when_it_is_back() {
    let line = r#"{"errorDetail":{"message":"rpc error: code = Unavailable desc = error reading from server: EOF"}}"#;
    let unavailable = "connection error: desc = \"transport: Error while dialing: dial unix:///run/docker/containerd/containerd.sock: timeout\"";
    for reply in [
        FakeReply::error(503, "containerd is away"),
        FakeReply::error(500, unavailable),
        FakeReply::stream(&[line]),
    ] {
        // both ways of sending a layout
        let (ended, loads) = import_after(vec![reply.clone(), reply]);
        ended.assert(0, &["loaded"]).says("import interrupted");
        assert_eq!(loads, 3);
    }
}

#[test]
fn an_engine_that_refuses_before_it_has_read_everything_is_heard() {
    import_with(FakeReply::error(503, "busy").early(), false).assert(1, &["failed"]);
}

#[test]
fn an_engine_that_says_yes_and_does_nothing_is_found_out() {
    let ended = import_with(FakeReply::stream(&[LOADED]), false);
    ended
        .assert(4, &["failed"])
        .says("the engine took the image, but does not have it")
        .says("is unknown to it");
}

#[test]
fn an_engine_that_starts_slowly_is_waited_for() {
    let (vm, image) = vm();
    let socket = vm.socket();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(700));
        let engine = FakeEngine::start(&socket, move |request| {
            let reply = answer_of_one_that_has(&image, request);
            if request.path == "/info" {
                reply.after(Duration::from_millis(500))
            } else {
                reply
            }
        });
        std::thread::sleep(Duration::from_secs(4));
        drop(engine);
    });
    vm.import().assert(0, &["present"]);
    thread.join().unwrap();
}

#[test]
fn without_an_engine_the_error_names_the_socket_and_what_to_do() {
    let (vm, _) = vm();
    let began = Instant::now();
    let ended = vm.run(&["--json", "--wait", "1"]);
    assert!(began.elapsed() < Duration::from_secs(5));
    ended
        .assert(1, &[])
        .says("error: waiting for the engine")
        .says("sys/run/docker/docker.sock")
        .says("hint: dockerd");
}

#[test]
fn an_engine_that_goes_away_ends_the_import() {
    let (vm, _) = vm();
    let socket = vm.socket();
    let _engine = FakeEngine::start(&vm.socket(), move |request| match request.path.as_str() {
        "/info" => FakeReply::json(INFO),
        "/images/json" => FakeReply::json("[]"),
        _ => {
            let _ = std::fs::remove_file(&socket);
            FakeReply::raw(b"")
        }
    });
    vm.import()
        .assert(1, &["failed"])
        .says("the engine went away")
        .says("there is no socket");
}

#[test]
fn nothing_to_import_needs_no_engine() {
    let vm = Vm::new();
    vm.import().assert(0, &[]).says("nothing to import");
}

#[test]
fn wrong_lists_are_reported_with_list_and_line_and_the_rest_is_imported() {
    let (vm, image) = vm();
    vm.file(
        "jobs/z/docker-bosh-release-import/z.lst",
        b"/var/vcap/packages/gone/x.tar\nx.tar\n",
    );
    let _engine = FakeEngine::start(&vm.socket(), move |request| {
        answer_of_one_that_has(&image, request)
    });
    let ended = vm.import();
    ended
        .assert(2, &["present"])
        .says("z.lst, line 1: ")
        .says("z.lst, line 2: `x.tar` is not an absolute path");
    assert_eq!(ended.report["lists"].as_array().unwrap().len(), 2);
}

#[test]
fn what_is_no_image_is_reported_with_list_and_line() {
    let (vm, image) = vm();
    vm.file("x.txt", b"hello");
    vm.list(&["x.txt", "l"]);
    let _engine = FakeEngine::start(&vm.socket(), move |request| {
        answer_of_one_that_has(&image, request)
    });
    vm.import()
        .assert(4, &["failed", "present"])
        .says("images.lst, line 1")
        .says("x.txt is damaged");
}

#[test]
fn a_wrong_configuration_is_refused() {
    let vm = Vm::new();
    assert_eq!(vm.run(&["--check-config"]).code, Some(0));
    let mut config = job_fixture::rendered();
    config["properties"]["log_level"] = "loud".into();
    vm.file(
        "jobs/docker/config/config.json",
        config.to_string().as_bytes(),
    );
    let ended = vm.run(&["--check-config"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    ended.says("log_level");
    vm.file("jobs/docker/config/config.json", b"{");
    assert_eq!(vm.run(&[]).code, Some(2));
    assert_eq!(vm.run(&["--unknown"]).code, Some(2));
}

/// An engine with a containerd store of API 1.45 that has the image, whose history it answers with `history`.
fn import_where_the_history_is(history: FakeReply) -> (Ended, usize) {
    const INFO: &str = r#"{"ID":"E","Driver":"overlayfs","DriverStatus":[["driver-type","io.containerd.snapshotter.v1"]]}"#;
    let (vm, image) = vm();
    let target = Files::layout(&image, &["x:1"], Packing::Gzip, false).target();
    let engine = FakeEngine::start(&vm.socket(), move |request| match request.path.as_str() {
        "/info" => FakeReply::json(INFO),
        "/containers/create" => FakeReply::new(201, r#"{"Id":"trial"}"#),
        path if path.ends_with("/history") => history.clone(),
        path if path.starts_with("/containers/") => FakeReply::raw(b"HTTP/1.1 204 x\r\n\r\n"),
        path if path.ends_with("/json") => {
            FakeReply::json(&serde_json::json!({"Id": target, "RepoTags": ["x:1"]}).to_string())
        }
        _ => FakeReply::error(500, "nothing else is asked"),
    });
    vm.import().assert(0, &["present"]);
    let ended = vm.import();
    let trials = engine.seen().into_iter();
    let trials = trials.filter(|request| request.path == "/containers/create");
    (ended, trials.count())
}

#[test]
fn an_image_of_the_containerd_store_is_not_tried_if_its_history_tells() {
    let history = r#"[{"Id":"sha256:1","Tags":["x:1"]}]"#;
    let (ended, trials) = import_where_the_history_is(FakeReply::json(history));
    ended.assert(0, &["present"]);
    assert_eq!(trials, 0);
}

#[test]
fn an_image_without_a_history_is_found_all_the_same() {
    let (ended, trials) = import_where_the_history_is(FakeReply::json("null"));
    ended.assert(0, &["present"]);
    assert_eq!(trials, 0);
}

#[test]
fn an_image_whose_history_does_not_fit_is_tried_each_time() {
    let history = FakeReply::error(500, "unable to find the size of the layer");
    let (ended, trials) = import_where_the_history_is(history);
    ended.assert(0, &["present"]);
    assert_eq!(trials, 2);
}
