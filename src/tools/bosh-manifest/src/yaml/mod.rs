//! YAML 1.1 as the BOSH CLI reads and writes it.
//!
//! The CLI uses go-yaml v2, a port of libyaml with its own rules for scalars. The events come here from another port of
//! libyaml; what they mean ([`resolve`], [`document`]) and how a value is written ([`emit`]) follow go-yaml v2.4.0
//! (`resolve.go`, `decode.go`, `encode.go`, `sorter.go`).

mod comma_after_tag;
mod decode;
mod document;
mod emit;
mod error;
mod fields;
mod gosyntax;
mod key_order;
mod number;
mod resolve;
mod stream;
mod timestamp;

pub(crate) use document::{Document, NodeId};
pub use emit::to_yaml;
pub use error::YamlError;
pub(crate) use fields::Fields;
pub(crate) use gosyntax::{plain_text, redacted_text};
pub(crate) use number::{float_text, resolved_float};
pub use stream::{StreamDocument, Tagged, parse_stream};

use crate::Value;

/// Reads the first document of `text`; an empty text is null.
pub fn parse(text: &[u8]) -> Result<Value, YamlError> {
    Document::parse(text)?.value()
}
