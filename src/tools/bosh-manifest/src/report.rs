//! Messages with reasons inside of reasons, laid out as the BOSH CLI lays them out (`ui/fmt/error.go`).

use std::fmt;

/// A message, a message with its reason, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// One message.
    Message(String),
    /// What was tried, and why it failed.
    Context(String, Box<Report>),
    /// Several, each with a bullet.
    Several(Vec<Report>),
}

impl Report {
    pub(crate) fn message(text: impl fmt::Display) -> Self {
        Self::Message(text.to_string())
    }

    /// Says what was tried.
    pub(crate) fn within(self, context: impl fmt::Display) -> Self {
        Self::Context(context.to_string(), Box::new(self))
    }

    fn lay_out(
        &self,
        indent: usize,
        bullet: &str,
        formatter: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        match self {
            Self::Message(text) => write!(formatter, "{:indent$}{bullet}{text}", ""),
            Self::Context(context, reason) => {
                writeln!(formatter, "{:indent$}{bullet}{context}:", "")?;
                reason.lay_out(indent + bullet.len() + 2, "", formatter)
            }
            Self::Several(reports) => {
                for (place, report) in reports.iter().enumerate() {
                    if place > 0 {
                        writeln!(formatter)?;
                    }
                    report.lay_out(indent + bullet.len(), "- ", formatter)?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lay_out(0, "", formatter)
    }
}

impl std::error::Error for Report {}
