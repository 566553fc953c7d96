//! What a service's `pull_policy` asks for, and the policies that `up` is given in its place.

use std::collections::BTreeMap;

use bosh_job::ErrorReport;
use image_archive::Reference;

use crate::model::Service;

/// What `up` shall not pull, and what an operator should know of it.
#[derive(Debug, Default)]
pub struct PullPolicies {
    pub(super) policies: BTreeMap<String, &'static str>,
    pub warnings: Vec<ErrorReport>,
}

impl PullPolicies {
    /// Writes them into the override file.
    pub fn add_to(&self, document: &mut serde_json::Value) {
        for (service, policy) in &self.policies {
            document["services"][service]["pull_policy"] = (*policy).into();
        }
    }
}

/// What is named by its digest is never another one.
pub(super) fn is_fixed(image: &str) -> bool {
    let reference = image.parse::<Reference>().ok();
    reference.is_some_and(|reference| reference.digested().is_some())
}

pub(super) fn is_never(service: &Service) -> bool {
    service.pull_policy.as_deref() == Some("never")
}

/// Whether Compose asks the registry although the image is there: `always`, and in newer ones `daily`, `weekly`, `every_…`.
pub(super) fn asks_each_time(service: &Service) -> bool {
    !matches!(
        service.pull_policy.as_deref(),
        None | Some("" | "never" | "missing" | "if_not_present" | "build")
    )
}
