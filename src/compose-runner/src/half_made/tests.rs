use super::*;

const OLD: &str = "aaaaaaaaaaaa0000";
const NEW: &str = "bbbbbbbbbbbb0000";

fn container(id: &str, name: &str, status: Status) -> One {
    let at = |second| Some(Timestamp::from_second(second).unwrap());
    One {
        id: id.to_owned(),
        name: name.to_owned(),
        half_made: half_made(name, "running", Some(&"web-1".to_owned())),
        status,
        created_at: at(if id == NEW { 20 } else { 10 }),
        started_at: (status != Status::Created).then(|| at(30).unwrap()),
    }
}

fn told(steps: &[Step]) -> Vec<String> {
    let told = steps.iter().map(|step| match step {
        Step::Remove(one) => format!("remove {}", one.name),
        Step::Rename(one, name) => format!("{} becomes {name}", one.name),
    });
    told.collect()
}

#[test]
fn a_temporary_name_is_one_of_the_shape_that_fits_the_label() {
    let label = |text: &str| Some(text.to_owned());
    let id = "0123456789abcdef".repeat(4);
    for (name, replaces, wanted) in [
        // 2.26: the whole ID
        (
            "0123456789ab_running-web-1",
            label(&id),
            Some("running-web-1"),
        ),
        // 2.40, 5: service and number, or the `container_name`
        (
            "0123456789ab_running-web-1",
            label("web-1"),
            Some("running-web-1"),
        ),
        (
            "0123456789ab_running_web_1",
            label("web-1"),
            Some("running_web_1"),
        ),
        (
            "0123456789ab_running-my_web-1",
            label("my_web-1"),
            Some("running-my_web-1"),
        ),
        ("0123456789ab_proxy", label("proxy"), Some("proxy")),
        ("0123456789ab_running-web-1", None, None),
        ("0123456789ab_running-web-1", label("db-1"), None),
        // a `container_name` of this shape, once recreated
        ("deadbeefcafe_app", label("deadbeefcafe_app"), None),
        ("deadbeefcafe_app", label(&id), None),
        (
            "0123456789ab_deadbeefcafe_app",
            label("deadbeefcafe_app"),
            Some("deadbeefcafe_app"),
        ),
        ("0123456789AB_running-web-1", label("web-1"), None),
        ("0123456789ab_", label("web-1"), None),
        ("running-web-1", label("web-1"), None),
        ("ünïcödé", label("web-1"), None),
    ] {
        let found = half_made(name, "running", replaces.as_ref());
        assert_eq!(
            found.map(|(name, _)| name).as_deref(),
            wanted,
            "{name} {replaces:?}"
        );
    }
}

#[test]
fn what_was_never_started_goes_while_the_one_to_be_replaced_is_there() {
    let half = container(NEW, "aaaaaaaaaaaa_running-web-1", Status::Created);
    for (status, stopped) in [
        (Status::Running, vec![]),
        (Status::Paused, vec![]),
        (Status::Restarting, vec![]),
        (Status::Exited, vec![OLD.to_owned()]),
        (Status::Created, vec![]),
    ] {
        let old = container(OLD, "running-web-1", status);
        let found = plan(&[old, half.clone()]);
        assert_eq!(
            told(&found.0),
            ["remove aaaaaaaaaaaa_running-web-1"],
            "{status:?}"
        );
        assert_eq!(found.1, stopped, "{status:?}");
    }
    // also while that one has another name: its `container_name` changed
    let old = container(OLD, "proxy", Status::Running);
    assert_eq!(
        told(&plan(&[old, half]).0),
        ["remove aaaaaaaaaaaa_running-web-1"]
    );
}

#[test]
fn the_last_one_of_its_place_gets_the_name_and_is_not_removed() {
    let half = container(NEW, "aaaaaaaaaaaa_running-web-1", Status::Created);
    let other = container("cccccccccccc0000", "running-web-2", Status::Running);
    let found = plan(&[half.clone(), other]);
    assert_eq!(
        told(&found.0),
        ["aaaaaaaaaaaa_running-web-1 becomes running-web-1"]
    );
    assert!(found.1.is_empty());
    // the newest of several
    let older = One {
        created_at: Some(Timestamp::from_second(15).unwrap()),
        ..container(
            "dddddddddddd0000",
            "eeeeeeeeeeee_running-web-1",
            Status::Created,
        )
    };
    assert_eq!(
        told(&plan(&[half, older]).0),
        [
            "remove eeeeeeeeeeee_running-web-1",
            "aaaaaaaaaaaa_running-web-1 becomes running-web-1"
        ]
    );
}

#[test]
fn what_runs_is_never_removed() {
    let half = container(NEW, "aaaaaaaaaaaa_running-web-1", Status::Running);
    let old = container(OLD, "running-web-1", Status::Running);
    assert_eq!(plan(&[old.clone(), half.clone()]), (vec![], vec![]));
    // An `up` has started it under its temporary name.
    for status in [Status::Exited, Status::Created, Status::Dead] {
        let old = One {
            status,
            ..old.clone()
        };
        assert_eq!(
            told(&plan(&[old, half.clone()]).0),
            [
                "remove running-web-1",
                "aaaaaaaaaaaa_running-web-1 becomes running-web-1"
            ]
        );
    }
    assert_eq!(plan(&[old]), (vec![], vec![]));
}
