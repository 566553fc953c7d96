//! Files that pass between the release's programs: a type each, its reader beside its writer.

mod applied_project;
mod image_ledger;
mod image_map;
mod import_report;
mod kept_recipe;
mod marker;
mod state_file;
mod verdict;

pub use applied_project::AppliedProject;
pub use image_ledger::{Brought, ImageLedger};
pub use image_map::ImageMap;
pub use import_report::{ImportAction, ImportReport, ImportedImage, ReportFile};
pub use kept_recipe::{FailedConfig, KeptRecipe};
pub use marker::Marker;
pub use state_file::StateFile;
pub use verdict::{LateDockerd, Refused, ServiceReport, State, Verdict};
