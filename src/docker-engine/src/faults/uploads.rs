//! What can happen while a body is sent.

use std::{
    io::{self, Read},
    time::{Duration, Instant},
};

use super::{Fixture, always, chain};
use crate::{
    Error, Result, Timeouts,
    fake::{FakeReply, Step},
    request::{Payload, Request},
};

fn upload(fixture: &Fixture, reader: impl Read + Send + 'static) -> Result<()> {
    let payload = Payload::Stream {
        content_type: "application/x-tar",
        reader: Box::new(reader),
    };
    let timeouts = Timeouts::silence(Duration::from_secs(10));
    fixture.engine.done(
        Request::post("/images/load")
            .payload(payload)
            .timeouts(timeouts),
    )
}

#[test]
fn a_stream_arrives_whole() {
    let fixture = always(FakeReply::new(200, ""));
    let sent: Vec<u8> = (0..5_000_000_u32)
        .map(|number| number.to_le_bytes()[1])
        .collect();
    upload(&fixture, io::Cursor::new(sent.clone())).unwrap();
    assert!(fixture.fake.seen().pop().unwrap().body == sent);
}

#[test]
fn a_reader_that_fails_is_told_apart_from_an_engine_that_fails() {
    struct Failing(u32);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            if self.0 > 10 {
                Err(io::Error::other("layer 3 is corrupt"))
            } else {
                Ok(buffer.len())
            }
        }
    }
    let error = upload(&always(FakeReply::new(200, "")), Failing(0)).unwrap_err();
    assert!(matches!(error, Error::Upload { .. }), "{error}");
    assert!(
        chain(&error).ends_with("cannot read what is to be sent / layer 3 is corrupt"),
        "{}",
        chain(&error)
    );
}

#[test]
fn an_engine_that_refuses_before_the_body_has_gone_over_is_heard() {
    let fixture = always(FakeReply::error(500, "no space left on device").early());
    let error = upload(&fixture, io::repeat(7).take(100 << 20)).unwrap_err();
    // The engine may close before its words are read; either way the call fails at once.
    assert!(
        matches!(error, Error::Status { status: 500, .. } | Error::Cut { .. }),
        "{error}"
    );
}

#[test]
fn an_upload_that_moves_is_not_silent() {
    struct Slow(u32);
    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            std::thread::sleep(Duration::from_millis(60));
            self.0 += 1;
            Ok(if self.0 > 8 { 0 } else { buffer.len().min(10) })
        }
    }
    let fixture = always(FakeReply::new(200, ""));
    let payload = Payload::Stream {
        content_type: "application/x-tar",
        reader: Box::new(Slow(0)),
    };
    let timeouts = Timeouts::silence(Duration::from_millis(300));
    fixture
        .engine
        .done(
            Request::post("/images/load")
                .payload(payload)
                .timeouts(timeouts),
        )
        .unwrap();
}

#[test]
fn an_upload_that_the_engine_does_not_take_is_bounded() {
    let fixture = always(
        FakeReply::raw(b"")
            .then(Step::Pause(Duration::from_secs(3)))
            .early(),
    );
    let payload = Payload::Stream {
        content_type: "application/x-tar",
        reader: Box::new(io::repeat(7)),
    };
    let timeouts = Timeouts::silence(Duration::from_millis(200));
    let began = Instant::now();
    let error = fixture
        .engine
        .done(
            Request::post("/images/load")
                .payload(payload)
                .timeouts(timeouts),
        )
        .unwrap_err();
    assert!(
        matches!(error, Error::Timeout { .. }) && began.elapsed() < Duration::from_secs(2),
        "{error}"
    );
}

#[test]
fn a_large_upload_needs_little_memory() {
    struct Counted {
        left: usize,
        ahead: std::sync::Arc<std::sync::atomic::AtomicUsize>,
    }
    impl Read for Counted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let size = buffer.len().min(self.left);
            self.left -= size;
            self.ahead
                .fetch_add(size, std::sync::atomic::Ordering::SeqCst);
            Ok(size)
        }
    }
    // Nobody takes the body, so that what was read is what is held.
    let fixture = always(
        FakeReply::raw(b"")
            .then(Step::Pause(Duration::from_secs(2)))
            .early(),
    );
    let ahead = std::sync::Arc::default();
    let reader = Counted {
        left: 1 << 30,
        ahead: std::sync::Arc::clone(&ahead),
    };
    let payload = Payload::Stream {
        content_type: "application/x-tar",
        reader: Box::new(reader),
    };
    let timeouts = Timeouts::silence(Duration::from_millis(300));
    fixture
        .engine
        .done(
            Request::post("/images/load")
                .payload(payload)
                .timeouts(timeouts),
        )
        .unwrap_err();
    assert!(ahead.load(std::sync::atomic::Ordering::SeqCst) < 4 << 20);
}
