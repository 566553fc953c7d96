//! Running another program, so that its failure cannot go unseen: checked exit status, a clean environment, a time
//! limit for it and all its children, and an error that says what it said.
//!
//! [`Checked`] runs a program for its output, [`Followed`] one whose lines are wanted as they come. Both wait in one
//! loop, which ends the whole process group when the time is over or this program is told to end.

mod checked;
mod error;
mod followed;
mod group;
mod lines;
mod streams;
mod wait;

pub use checked::{Checked, Output};
pub use error::{CommandError, ended};
pub use followed::{Followed, Run};
use group::end_group;
pub use lines::{LINE_BYTES, Redact};
pub use streams::last_lines;
pub use wait::End;
