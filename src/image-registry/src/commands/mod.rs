//! What commands that ask a running registry print.

mod catalog;
mod verify;

pub use catalog::Catalog;
pub use verify::verify;
