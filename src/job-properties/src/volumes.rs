//! Property `volumes_without_persistent_disk`.

use serde_json::Value;

use super::values::kind;
use bosh_job::Problem;

/// What to do about a recipe that keeps data on an instance without a persistent disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumePolicy {
    /// Nothing: the data may end with the VM.
    Allow,
    /// Run it, and say so.
    Warn,
    /// Fail, before anything is touched.
    Refuse,
}

pub(super) fn parse(value: &Value) -> Result<VolumePolicy, Problem> {
    let shown = match value.as_str() {
        Some("allow") => return Ok(VolumePolicy::Allow),
        Some("warn") => return Ok(VolumePolicy::Warn),
        Some("refuse") => return Ok(VolumePolicy::Refuse),
        Some(other) => format!("{other:?}"),
        None => kind(value).to_owned(),
    };
    Err(Problem::new(
        "volumes_without_persistent_disk",
        format!("must be allow, warn or refuse, and is {shown}"),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn takes_the_three_policies_and_nothing_else() {
        for (value, policy) in [
            ("allow", VolumePolicy::Allow),
            ("warn", VolumePolicy::Warn),
            ("refuse", VolumePolicy::Refuse),
        ] {
            assert_eq!(parse(&json!(value)), Ok(policy));
        }
        for value in [json!("Warn"), json!(true), json!(null)] {
            let problem = parse(&value).unwrap_err();
            assert!(problem.what.contains("allow, warn or refuse"), "{problem}");
        }
    }
}
