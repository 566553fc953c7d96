//! BOSH manifests as the BOSH CLI reads them: YAML 1.1, ops files, variables and their store.
//!
//! [`interpolate`] does what `bosh interpolate` does. The semantics are those of the CLI (cloudfoundry/bosh-cli) and of the
//! libraries that it uses: gopkg.in/yaml.v2, cppforlife/go-patch, cloudfoundry/config-server.

mod interpolate;
mod json;
pub mod ops;
mod report;
mod store;
mod value;
mod vars;
pub mod yaml;

pub use interpolate::{InterpolateError, InterpolateOptions, interpolate, printed};
pub use json::{JsonError, to_json};
pub use report::Report;
pub use value::{Map, Value};
pub use vars::ArgumentError;
pub use yaml::{StreamDocument, Tagged, YamlError, parse, parse_stream, to_yaml};
