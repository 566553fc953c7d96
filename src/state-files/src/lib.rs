//! Files that pass between the release's programs: a type each, its reader beside its writer.

mod import_report;
mod marker;
mod verdict;

pub use import_report::{ImportReport, ReportFile};
pub use marker::Marker;
pub use verdict::{LateDockerd, Refused, ServiceReport, State, Verdict};
