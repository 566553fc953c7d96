//! The engine's events, one after the other.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde::Deserialize;

use crate::{
    Engine, Error, Filters, Result, Timeouts,
    nullable::or_default,
    request::Request,
    transport::{Part, ReplyBody},
};

/// An event larger than this is not one.
const LARGEST: usize = 1 << 20;

/// Something happened in the engine.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    /// `container`, `image`, `network`, ….
    #[serde(rename = "Type", default)]
    pub kind: String,
    /// `start`, `die`, `health_status: healthy`, ….
    #[serde(rename = "Action", default)]
    pub action: String,
    /// To whom.
    #[serde(rename = "Actor", default)]
    pub actor: Actor,
    /// When, in nanoseconds since 1970.
    #[serde(rename = "timeNano", default)]
    pub time_nano: i64,
}

/// To whom an event happened.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Actor {
    /// The container's ID, the image's reference, ….
    #[serde(rename = "ID", default)]
    pub id: String,
    /// Name, labels, exit code, ….
    #[serde(rename = "Attributes", default, deserialize_with = "or_default")]
    pub attributes: BTreeMap<String, String>,
}

/// The stream of events. Dropping it ends the call.
#[derive(Debug)]
pub struct Events {
    body: ReplyBody,
    pending: Vec<u8>,
}

impl Engine {
    /// The events that pass the filters, from `since` (seconds since 1970) on, or from now on.
    pub fn events(&self, filters: &Filters, since: Option<i64>) -> Result<Events> {
        // The head comes at once, without waiting for an event (moby, `getEvents` flushes it first).
        let head = Timeouts::silence(Duration::from_secs(30));
        let request = Request::get("/events")
            .query("filters", filters.to_query())
            .timeouts(head);
        let mut reply = self.call(match since {
            Some(since) => request.query("since", since.to_string()),
            None => request,
        })?;
        reply.body.allow_silence();
        Ok(Events {
            body: reply.body,
            pending: Vec::new(),
        })
    }
}

impl Events {
    /// The next event, or nothing if none comes within `patience`. [`Error::Cut`] if the engine goes away.
    pub fn next_within(&mut self, patience: Duration) -> Result<Option<Event>> {
        let end = Instant::now() + patience;
        loop {
            if let Some(event) = self.take_pending()? {
                return Ok(Some(event));
            }
            if self.pending.len() > LARGEST {
                return Err(Error::TooLarge {
                    target: self.body.target().clone(),
                    limit: LARGEST,
                });
            }
            match self
                .body
                .next_part_within(Some(end.saturating_duration_since(Instant::now())))?
            {
                Part::Bytes(bytes) => self.pending.extend_from_slice(&bytes),
                Part::NotYet => return Ok(None),
                Part::End => {
                    let target = self.body.target().clone();
                    return Err(Error::Cut {
                        target,
                        source: "the stream of events ended".into(),
                    });
                }
            }
        }
    }

    fn take_pending(&mut self) -> Result<Option<Event>> {
        take(&mut self.pending).map_err(|source| Error::Garbage {
            target: self.body.target().clone(),
            source,
        })
    }
}

/// Takes the first event off what has arrived, if it is whole.
pub(crate) fn take(pending: &mut Vec<u8>) -> serde_json::Result<Option<Event>> {
    let mut stream = serde_json::Deserializer::from_slice(pending).into_iter::<Event>();
    let event = match stream.next() {
        None => return Ok(None),
        Some(Ok(event)) => event,
        Some(Err(error)) if error.is_eof() => return Ok(None),
        Some(Err(source)) => return Err(source),
    };
    let taken = stream.byte_offset();
    pending.drain(..taken);
    Ok(Some(event))
}
