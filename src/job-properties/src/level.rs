//! Property `log_level`.

use serde_json::Value;

use super::values::kind;
use bosh_job::{LogLevel, Problem};

pub(super) fn parse(value: &Value) -> Result<LogLevel, Problem> {
    match value.as_str() {
        Some("debug") => Ok(LogLevel::Debug),
        Some("info") => Ok(LogLevel::Info),
        Some("warn") => Ok(LogLevel::Warn),
        Some("error") => Ok(LogLevel::Error),
        Some(other) => Err(Problem::new(
            "log_level",
            format!("must be debug, info, warn or error, and is {other:?}"),
        )),
        None => Err(Problem::new(
            "log_level",
            format!("must be debug, info, warn or error, and is {}", kind(value)),
        )),
    }
}
