//! What can happen to a stream that is read.

use std::time::Duration;

use super::always;
use crate::{
    Error, Filters,
    fake::{FakeReply, Step},
};

#[test]
fn events_come_one_by_one_whatever_the_pieces() {
    let fixture = always(FakeReply::hanging_stream(&[
        r#"{"Type":"container","Action":"start","Actor":{"ID":"a","Attributes":{"name":"web"}}}"#,
        "\n{\"Type\":\"container\",\"Act",
        "ion\":\"die\",\"Actor\":{\"ID\":\"b\",\"Attributes\":null}}\n{\"Type\"",
    ]));
    let mut events = fixture
        .engine
        .events(
            &Filters::default().label("x=y").with("type", "container"),
            Some(7),
        )
        .unwrap();
    let mut next = || {
        events
            .next_within(Duration::from_millis(200))
            .unwrap()
            .map(|event| (event.action, event.actor.id))
    };
    assert_eq!(next(), Some(("start".into(), "a".into())));
    assert_eq!(next(), Some(("die".into(), "b".into())));
    assert_eq!(next(), None);
    let query = fixture.fake.seen().pop().unwrap().query;
    assert!(
        query.starts_with("filters=%7B") && query.ends_with("&since=7"),
        "{query}"
    );
}

#[test]
fn a_stream_of_events_that_ends_is_an_error() {
    for reply in [FakeReply::stream(&[]), FakeReply::cut_stream(&[])] {
        let fixture = always(reply);
        let mut events = fixture.engine.events(&Filters::default(), None).unwrap();
        let error = events.next_within(Duration::from_secs(5)).unwrap_err();
        assert!(matches!(error, Error::Cut { .. }), "{error}");
    }
}

#[test]
fn an_event_without_end_is_bounded() {
    let endless = FakeReply::cut_stream(&["{\"Type\":\""]).then(Step::Repeat(
        b"10000\r\n"
            .iter()
            .copied()
            .chain(vec![b'x'; 65536])
            .chain(*b"\r\n")
            .collect(),
        1 << 30,
    ));
    let fixture = always(endless);
    let mut events = fixture.engine.events(&Filters::default(), None).unwrap();
    assert!(matches!(
        events.next_within(Duration::from_secs(20)),
        Err(Error::TooLarge { .. })
    ));
}

#[test]
fn the_last_lines_of_a_log_come_in_order() {
    let frames =
        "\u{1}\0\0\0\0\0\0\u{4}one\n\u{2}\0\0\0\0\0\0\u{4}two\n\u{1}\0\0\0\0\0\0\u{6}three\n";
    let fixture = always(FakeReply::stream(&[frames]));
    assert_eq!(
        fixture.engine.logs_tail("web", 2).unwrap(),
        ["two", "three"]
    );
    assert!(fixture.fake.seen().pop().unwrap().query.contains("tail=2"));
}
