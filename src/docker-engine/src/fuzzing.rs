//! The parsers of what an engine and containers say, for the fuzz targets of `src/fuzz` alone.

use std::io::Read;

use crate::{Event, LoadReport, events, load, logs, transport};

/// The events in what has arrived, what is left of it, and whether that will never be one.
#[must_use]
pub fn events(mut pending: Vec<u8>) -> (Vec<Event>, Vec<u8>, bool) {
    let mut found = Vec::new();
    loop {
        match events::take(&mut pending) {
            Ok(Some(event)) => found.push(event),
            Ok(None) => return (found, pending, false),
            Err(_) => return (found, pending, true),
        }
    }
}

/// What a reply to `POST /images/load` says, and why it is a failure.
pub fn load_report(reply: impl Read) -> (LoadReport, Option<String>) {
    let (report, failure) = load::read(reply);
    let why = failure.map(|failure| match failure {
        load::Failure::Told(message) => message,
        load::Failure::Garbage(error) => error.to_string(),
    });
    (report, why)
}

/// The text of multiplexed output, as it is heard when it comes in parts.
pub fn frames<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut frames = logs::Frames::default();
    let mut text = Vec::new();
    for part in parts {
        frames.take(part, &mut |heard| text.extend_from_slice(heard));
    }
    text
}

/// The text of multiplexed output, or nothing if it is a terminal's.
#[must_use]
pub fn demultiplexed(bytes: &[u8]) -> Option<Vec<u8>> {
    logs::demultiplexed(bytes)
}

/// The message in the body of an error.
#[must_use]
pub fn error_message(body: &[u8]) -> String {
    transport::error_message(body)
}
