//! Copies what a recipe's containers write into one file a service, each line once.
//!
//! # Why it reads dockerd's files
//! The Engine API has a stream for this (`GET /containers/{id}/logs?follow=1&since=…`). It was not taken, because
//! - it ends with dockerd, and goes on by time alone: `since` brings the entries of the last nanosecond again, or leaves one out;
//! - a follower that lags behind a rotation loses what was rotated away, and is not told (moby, `loggerutils/follow.go`);
//! - dockerd would decode, filter and send each line a second time, over a connection for each container.
//!
//! A file has an exact position (device, inode, offset), it can be read while dockerd is away, and one that is open is read to
//! its end after it has been rotated away or removed with its container. Only the json-file driver, dockerd's default here, has such files.
//!
//! # What holds
//! - **Ended in order, updated, rebooted in order**: each line once. The positions are committed last.
//! - **Killed at any time**: each line once. Copies and positions are committed together every five seconds, at each rotation of a
//!   copy and when a container is removed; what was copied after that is cut off the copy and copied again. The exceptions want a
//!   second fault within these seconds: if the container's files are gone as well, nothing is cut off, and lines of other containers of the same service may
//!   be there twice; and if somebody truncated the copy, lines that he took away may come again.
//! - **The machine lost its power**: the copies reach the disk before the positions that speak of them, so no line is lost that
//!   dockerd's own files still have.
//! - **Too late**: where output was rotated away before it was read (the runner was down for longer than the driver's cap lasts, or
//!   somebody truncated the driver's file), a line with the word `missing` says between which times. At 10,000 lines
//!   a second of 100 bytes the stock cap of 3 x 10 MB lasts 20 s; while this process runs, the next file is opened within a
//!   tenth of a second, and up to eight of a container are kept open, which is another 50 s.
//! - **A disk that is full**: nothing is skipped, and writing is tried again every second.
//!
//! # What it costs
//! One thread. Memory does not depend on the number or length of lines: one buffer to read and one to write serve all. Containers
//! that rest cost nothing, see [`mod@waking`].

mod collector;
mod container_log;
mod copying;
mod entry;
mod file_name;
mod line;
mod open_file;
mod place;
mod positions;
mod round;
mod service_log;
mod service_logs;
mod waking;

#[cfg(feature = "fuzzing")]
pub mod fuzzing;

pub use collector::{Collector, Follower, Settings};
pub use container_log::Source;
pub use service_log::Cap;
