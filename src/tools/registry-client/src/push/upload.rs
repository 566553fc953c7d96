//! Sending one blob: as a whole, or in chunks if it is large, so that after a cut connection it can go on where the
//! registry says that it was (OCI distribution specification, "Pushing blobs").

use image_archive::Descriptor;
use ureq::http::Method;
use ureq::http::header::{LOCATION, RANGE};

use super::exchange::{Body, Change, Piece};
use super::{Content, Place, check_said, range_end};
use crate::answer::Answer;
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::images::DIGEST;
use crate::manifest::said_digest;
use crate::registry_session::RegistrySession;
use crate::retry::{Attempts, Failure};

/// What a proxy that limits bodies lets through nearly always (nginx: 1 MiB).
const SMALLEST_CHUNK: u64 = 1 << 20;
const OCTETS: &str = "application/octet-stream";

/// One blob, one repository.
pub(crate) struct Upload<'a> {
    pub(crate) session: &'a RegistrySession,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) path: &'a str,
    pub(crate) blob: &'a Descriptor,
    pub(crate) content: Content<'a>,
    pub(crate) progress: &'a dyn Fn(u64),
}

/// How it is done, and how far it is.
struct Course {
    place: Option<Place>,
    chunk: u64,
    /// Whether the whole blob goes with the request that ends the upload.
    is_whole: bool,
    /// Whether chunks were tried and not taken.
    is_forced: bool,
    /// The most that the registry has said to have.
    best: u64,
    /// Bytes that were sent, those that were lost included.
    sent: u64,
}

/// What one attempt came to.
enum Step {
    Done,
    /// The registry wants it otherwise, and is to be asked so at once.
    Otherwise,
}

impl Upload<'_> {
    /// Sends it all, and gives the number of bytes that were sent.
    pub(crate) fn run(&self, opened: Option<Place>, mut attempts: Attempts<'_>) -> Result<u64> {
        let chunk = self.session.transport.settings.limits.chunk;
        let mut course = Course {
            place: opened,
            chunk,
            is_whole: self.blob.size <= chunk,
            is_forced: false,
            best: 0,
            sent: 0,
        };
        loop {
            let before = course.best;
            match self.attempt(&mut course) {
                Ok(Step::Done) => return Ok(course.sent),
                Ok(Step::Otherwise) => {}
                Err(failure) => {
                    if course.best > before {
                        attempts.renew();
                    }
                    attempts.failed(failure)?;
                }
            }
        }
    }

    fn attempt(&self, course: &mut Course) -> Result<Step, Failure> {
        let mut place = match course.place.take() {
            Some(place) if place.is_doubtful => match self.find(&place)? {
                Some(found) => found,
                None => self.open(course)?,
            },
            Some(place) => place,
            None => self.open(course)?,
        };
        if course.is_whole && place.offset == 0 {
            return self.finish(course, &place, true);
        }
        while place.offset < self.blob.size {
            match self.send_chunk(course, &place)? {
                Some(next) => place = next,
                None => return Ok(Step::Otherwise),
            }
        }
        self.finish(course, &place, false)
    }

    /// Opens an upload.
    fn open(&self, course: &mut Course) -> Result<Place, Failure> {
        let url = (self.session).url(self.endpoint, self.path, "blobs/uploads/")?;
        let answer = self.change(Method::POST, &url, None, None, Body::Nothing)?;
        if answer.status != 202 {
            return Err(self.refusal(answer));
        }
        let least = answer.header("oci-chunk-min-length");
        if let Some(least) = least.and_then(|text| text.trim().parse::<u64>().ok()) {
            course.chunk = course.chunk.max(least);
        }
        let place = Place::opened(&url, answer.header(LOCATION))?;
        answer.drain();
        Ok(place)
    }

    /// Asks how much of a broken upload has arrived; nothing if it is of no use any more.
    fn find(&self, place: &Place) -> Result<Option<Place>, Failure> {
        let answer = self.change(Method::GET, &place.url, None, None, Body::Nothing)?;
        let offset = match answer.status {
            200 | 204 => answer.header(RANGE).and_then(range_end),
            408 | 429 | 500.. => return Err(self.refusal(answer)),
            _ => None,
        };
        let found = match offset {
            Some(offset) if offset <= self.blob.size => {
                Some(place.after(answer.header(LOCATION), offset)?)
            }
            _ => None,
        };
        answer.drain();
        Ok(found)
    }

    /// Sends the next chunk, and gives the place after it; nothing if the registry does not take it like this.
    fn send_chunk(&self, course: &mut Course, place: &Place) -> Result<Option<Place>, Failure> {
        let length = course.chunk.min(self.blob.size - place.offset);
        let end = place.offset + length;
        course.place = Some(doubtful(place));
        let piece = self.piece(place.offset, length);
        course.sent += length;
        let range = Some((place.offset, end - 1));
        let answer = self.change(Method::PATCH, &place.url, Some(OCTETS), range, piece)?;
        match answer.status {
            200..=204 => {}
            404 | 416 => return Err(lost(course, answer)),
            413 if shrink(course, length) => return Ok(None),
            // Some registries take a blob as a whole only.
            400 | 405 | 411 | 413 | 415 | 501 if !course.is_forced => {
                (course.is_whole, course.is_forced) = (true, true);
                course.place = None;
                return Ok(None);
            }
            _ => return Err(self.refusal(answer)),
        }
        let said = answer.header(RANGE).and_then(range_end).unwrap_or(end);
        if said <= place.offset || said > end {
            course.place = None;
            let why = format!("it has {said} bytes of an upload of which it was sent {end}");
            let url = answer.url;
            return Err(Failure::passing(Error::Protocol { url, why }, None));
        }
        let next = place.after(answer.header(LOCATION), said)?;
        answer.drain();
        course.best = course.best.max(said);
        course.place = Some(next.clone());
        Ok(Some(next))
    }

    /// Ends the upload, by the whole blob or after its chunks.
    fn finish(&self, course: &mut Course, place: &Place, whole: bool) -> Result<Step, Failure> {
        let digest = self.blob.digest;
        let url = place.last(&digest.to_string())?;
        course.place = Some(doubtful(place));
        let body = if whole {
            course.sent += self.blob.size;
            self.piece(0, self.blob.size)
        } else {
            Body::Last(self.blob.size)
        };
        let answer = self.change(Method::PUT, &url, Some(OCTETS), None, body)?;
        match answer.status {
            200..=204 => {}
            404 | 416 => return Err(lost(course, answer)),
            413 if whole && shrink(course, self.blob.size) => return Ok(Step::Otherwise),
            _ => return Err(self.refusal(answer)),
        }
        let said = said_digest(answer.header(DIGEST), &answer.url)?;
        answer.drain();
        check_said(self.endpoint, self.what(), digest, said)?;
        Ok(Step::Done)
    }

    fn piece(&self, from: u64, length: u64) -> Body<'_> {
        Body::Piece(Piece {
            content: self.content,
            from,
            length,
            progress: self.progress,
        })
    }

    fn change(
        &self,
        method: Method,
        url: &ureq::http::Uri,
        content_type: Option<&str>,
        range: Option<(u64, u64)>,
        body: Body<'_>,
    ) -> Result<Answer, Failure> {
        let change = Change {
            method,
            url: url.clone(),
            content_type,
            range,
            body,
        };
        self.session.change(self.endpoint, self.path, &change)
    }

    fn refusal(&self, answer: Answer) -> Failure {
        answer.refusal(self.session.subject(self.endpoint, self.what()))
    }

    fn what(&self) -> String {
        format!("{}@{}", self.path, self.blob.digest)
    }
}

fn doubtful(place: &Place) -> Place {
    Place {
        is_doubtful: true,
        ..place.clone()
    }
}

/// The registry has forgotten the upload, or is elsewhere in it: the next attempt opens a new one.
fn lost(course: &mut Course, answer: Answer) -> Failure {
    course.place = None;
    let why = format!("it does not know the upload any more ({})", answer.status);
    let url = answer.url.clone();
    answer.drain();
    Failure::passing(Error::Protocol { url, why }, None)
}

/// Whether smaller chunks are left to try, where `refused` bytes were too many.
fn shrink(course: &mut Course, refused: u64) -> bool {
    if refused <= SMALLEST_CHUNK {
        return false;
    }
    course.chunk = (refused / 4).max(SMALLEST_CHUNK);
    course.is_whole = false;
    course.place = None;
    true
}
