//! Variables: where their values come from, and how `((name))` is filled in.

mod definition;
mod placeholder;
mod sources;
mod substitute;

pub(crate) use definition::Definition;
pub use sources::ArgumentError;
pub(crate) use sources::{Arguments, Variables, read_map};
pub(crate) use substitute::{Expectations, substitute};
