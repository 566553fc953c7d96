//! How much of a service's output is kept in its log files.

use super::properties::Properties;
use super::values::number;
use bosh_job::Problems;

/// The stemcell rotates what has 50 MB when it looks, by copying and truncating; what is written between the two is lost.
/// A smaller file it leaves alone.
const LARGEST: u64 = 45;
/// Rotated files carry one digit, so that forwarders can leave them out by a simple pattern (`*.[0-9].log`).
const MOST: u64 = 10;

/// How much of a service's output is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceLogs {
    /// `service_log_size_mb`, in bytes.
    pub size: u64,
    /// `service_log_files`, the current one included.
    pub files: u32,
}

pub(super) fn parse(properties: &Properties) -> Result<ServiceLogs, Problems> {
    let mut problems = Problems::default();
    let size = problems.note(number(
        "service_log_size_mb",
        &properties.service_log_size_mb,
        "megabytes",
        1,
        LARGEST,
    ));
    let files = problems.note(number(
        "service_log_files",
        &properties.service_log_files,
        "files",
        1,
        MOST,
    ));
    let parsed = || {
        Some(ServiceLogs {
            size: size? << 20,
            files: files?.try_into().ok()?,
        })
    };
    problems.into_result(parsed())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::with;
    use super::*;

    #[test]
    fn reads_megabytes_as_bytes_and_says_all_that_is_wrong() {
        let changes = [
            ("service_log_size_mb", json!(45)),
            ("service_log_files", json!(1)),
        ];
        let wanted = ServiceLogs {
            size: 45 << 20,
            files: 1,
        };
        assert_eq!(with(&changes).service_logs().unwrap(), wanted);
        let changes = [
            ("service_log_size_mb", json!(46)),
            ("service_log_files", json!(0)),
        ];
        let problems = with(&changes).service_logs().unwrap_err();
        let named: Vec<_> = problems
            .iter()
            .map(|problem| problem.property.as_str())
            .collect();
        assert_eq!(named, ["service_log_size_mb", "service_log_files"]);
    }
}
