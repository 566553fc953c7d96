//! Ops files: the operations of cppforlife/go-patch on a manifest.

mod definition;
mod error;
mod find;
mod index;
mod matching;
mod place;
mod pointer;
mod remove;
mod replace;

pub use definition::{Op, OpsFile, read_ops};
pub use error::{OpError, OpsFileError};
pub use find::find;
pub(crate) use pointer::Token;
pub use pointer::{Pointer, PointerError};
pub(crate) use remove::remove;
