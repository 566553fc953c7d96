//! Fetching one blob of one server into its part file, over any number of cut connections.
//!
//! Ranges are asked for without `If-Range`: a blob is named by its digest, so what a server has under that name cannot
//! change, and if it lies, the digest at the end tells.

use std::io::{ErrorKind, Read};
use std::sync::Arc;
use std::time::Instant;

use image_archive::Descriptor;
use ureq::http::Method;
use ureq::http::header::CONTENT_RANGE;

use crate::answer::Answer;
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::part::{CHUNK, Part};
use crate::registry_session::RegistrySession;
use crate::retry::{Attempts, Failure};
use crate::settings::Timeouts;

/// Attempts are counted again after this many bytes, or a twentieth of the blob, whichever is less: a connection that is
/// cut again and again still gets there, and one that gives a byte at a time does not go on for ever.
const PROGRESS: u64 = 1 << 20;
const PROGRESS_SHARE: u64 = 20;

/// One blob, one server.
pub(crate) struct Download<'a> {
    pub(crate) session: &'a RegistrySession,
    pub(crate) endpoint: &'a Arc<Endpoint>,
    pub(crate) path: &'a str,
    pub(crate) blob: &'a Descriptor,
    pub(crate) progress: &'a dyn Fn(u64),
}

impl Download<'_> {
    /// Fetches what is missing, and verifies the whole.
    pub(crate) fn run(&self, part: &mut Part, mut attempts: Attempts<'_>) -> Result<()> {
        let enough = (self.blob.size / PROGRESS_SHARE).clamp(1, PROGRESS);
        let mut with_ranges = true;
        // Bytes of an earlier run or of another server may be the damaged ones.
        let mut is_all_its_own = part.length() == 0;
        loop {
            let before = part.length();
            let outcome = if part.missing() == 0 {
                Ok(())
            } else {
                self.attempt(part, &mut with_ranges)
            };
            if let Err(failure) = outcome {
                is_all_its_own |= part.length() == 0;
                if part.length().saturating_sub(before) >= enough {
                    attempts.renew();
                }
                attempts.failed(failure)?;
                continue;
            }
            let actual = part.digest();
            if actual == self.blob.digest {
                return Ok(());
            }
            part.restart()?;
            if is_all_its_own {
                return Err(Error::WrongDigest {
                    registry: self.endpoint.registry.clone(),
                    what: self.what(),
                    expected: self.blob.digest,
                    actual,
                });
            }
            is_all_its_own = true;
        }
    }

    fn attempt(&self, part: &mut Part, with_ranges: &mut bool) -> Result<(), Failure> {
        let from = (*with_ranges && part.length() > 0).then(|| part.length());
        let answer = self.session.ask(
            self.endpoint,
            self.path,
            &Method::GET,
            &format!("blobs/{}", self.blob.digest),
            "*/*",
            from,
        )?;
        let skip = match (answer.status, from) {
            (200, _) => part.length(),
            (206, Some(from)) => {
                if let Err(why) = check_range(answer.header(CONTENT_RANGE), from, self.blob.size) {
                    // It does not do ranges well: the next attempt reads from the beginning, past what is there.
                    *with_ranges = false;
                    return Err(Failure::passing(
                        Error::Protocol {
                            url: answer.url.clone(),
                            why: why.into(),
                        },
                        None,
                    ));
                }
                0
            }
            (416, Some(_)) => {
                part.restart()?;
                (self.progress)(0);
                return Err(Failure::passing(
                    Error::Protocol {
                        url: answer.url.clone(),
                        why: "it has no bytes where the blob should go on (416)".into(),
                    },
                    None,
                ));
            }
            _ => {
                let subject = self.session.subject(self.endpoint, self.what());
                return Err(answer.refusal_of_blob(subject));
            }
        };
        let whole = self.blob.size - part.length() + skip;
        if let Some(length) = answer.length()
            && (length > whole || (answer.status == 200 && length != whole))
        {
            return Err(self.wrong_size(part.length() - skip + length, false).into());
        }
        self.receive(part, answer, skip)
    }

    fn receive(&self, part: &mut Part, mut answer: Answer, mut skip: u64) -> Result<(), Failure> {
        let mut buffer = vec![0; CHUNK];
        let mut pace = Pace::new(self.session.transport.settings.timeouts);
        loop {
            let read = answer.body.read(&mut buffer);
            self.session.transport.cancel.check()?;
            let count = match read {
                Ok(count) => count,
                Err(source) if is_timeout(&source) => return Err(pace.stalled(&answer)),
                Err(source) => return Err(broken(&answer, source)),
            };
            if count == 0 && part.missing() == 0 {
                return Ok(());
            }
            if count == 0 {
                let ended = std::io::Error::new(
                    ErrorKind::UnexpectedEof,
                    format!("it ended {} bytes too early", part.missing()),
                );
                return Err(broken(&answer, ended));
            }
            let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(count);
            skip -= skipped as u64;
            let new = &buffer[skipped..count];
            if new.len() as u64 > part.missing() {
                let actual = part.length() + new.len() as u64;
                part.restart()?;
                return Err(self.wrong_size(actual, true).into());
            }
            part.append(new)?;
            (self.progress)(part.length());
            pace.received(count as u64, &answer)?;
        }
    }

    fn wrong_size(&self, actual: u64, at_least: bool) -> Error {
        Error::WrongSize {
            registry: self.endpoint.registry.clone(),
            what: self.what(),
            expected: self.blob.size,
            actual,
            at_least,
        }
    }

    fn what(&self) -> String {
        format!("{}@{}", self.path, self.blob.digest)
    }
}

/// Whether enough comes in each window.
struct Pace {
    timeouts: Timeouts,
    started: Instant,
    bytes: u64,
}

impl Pace {
    fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            started: Instant::now(),
            bytes: 0,
        }
    }

    fn received(&mut self, count: u64, answer: &Answer) -> Result<(), Failure> {
        self.bytes += count;
        if self.started.elapsed() >= self.timeouts.stall {
            if self.bytes < self.timeouts.stall_bytes {
                return Err(self.stalled(answer));
            }
            self.started = Instant::now();
            self.bytes = 0;
        }
        Ok(())
    }

    fn stalled(&self, answer: &Answer) -> Failure {
        Failure::passing(
            Error::Stalled {
                url: answer.url.clone(),
                bytes: self.bytes,
                window: self.timeouts.stall,
                attempts: 0,
            },
            None,
        )
    }
}

fn broken(answer: &Answer, source: std::io::Error) -> Failure {
    Failure::passing(
        Error::Connection {
            method: answer.method,
            url: answer.url.clone(),
            attempts: 0,
            source,
        },
        None,
    )
}

fn is_timeout(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    error.kind() == ErrorKind::TimedOut || matches!(inner, Some(ureq::Error::Timeout(_)))
}

/// `bytes 100-199/200` in answer to `bytes=100-` (RFC 9110, section 14.4).
fn check_range(header: Option<&str>, from: u64, size: u64) -> Result<(), &'static str> {
    let header = header.ok_or("it sent a part without saying which")?;
    let wrong = "it sent another part than asked for";
    let range = header.trim().strip_prefix("bytes ").ok_or(wrong)?;
    let (range, total) = range.split_once('/').ok_or(wrong)?;
    let (first, last) = range.split_once('-').ok_or(wrong)?;
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong);
    if number(first)? != from || number(last)? >= size {
        return Err(wrong);
    }
    if total.trim() != "*" && number(total)? != size {
        return Err("it says that the blob has another size");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_only_the_range_that_it_asked_for() {
        for (header, fits) in [
            (Some("bytes 100-199/200"), true),
            (Some("bytes 100-149/200"), true),
            (Some("bytes 100-199/*"), true),
            (Some("bytes 0-199/200"), false),
            (Some("bytes 99-199/200"), false),
            (Some("bytes 100-200/201"), false),
            (Some("bytes 100-199/201"), false),
            (Some("bytes */200"), false),
            (Some("bytes 100-"), false),
            (Some("lines 100-199/200"), false),
            (None, false),
        ] {
            assert_eq!(check_range(header, 100, 200).is_ok(), fits, "{header:?}");
        }
    }
}
