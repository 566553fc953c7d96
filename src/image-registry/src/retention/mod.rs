//! Retention: which tags and manifests of which repositories stay, by rules, with a reason for each.
//!
//! What a rule does not name is never touched. A manifest stays as long as a tag stands for it, an index that stays lists it, or it
//! is about one that stays.

mod glob;
mod plan;
mod rules;
mod run;
mod span;

pub use rules::Rules;
pub use run::{Report, run};
