//! What commands that ask a running registry print.

mod catalog;

pub use catalog::Catalog;
