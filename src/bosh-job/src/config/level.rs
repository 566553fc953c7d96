//! Property `log_level`.

use serde_json::Value;

use super::values::kind;
use crate::Problem;

/// How much is logged: the levels that dockerd and the release's programs share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// Start, each change, end.
    Info,
    /// What may need somebody's eye.
    Warn,
    /// What failed.
    Error,
}

impl LogLevel {
    /// dockerd's name for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl From<LogLevel> for tracing::Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Info => Self::INFO,
            LogLevel::Warn => Self::WARN,
            LogLevel::Error => Self::ERROR,
        }
    }
}

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
