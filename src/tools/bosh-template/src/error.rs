//! What can go wrong when templates are rendered.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use thiserror::Error;

/// Why templates could not be rendered.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RenderError {
    /// There is no Ruby on this machine.
    #[error("ruby, which renders ERB templates, cannot be run: install Debian's package ruby")]
    RubyMissing(#[source] std::io::Error),
    /// Ruby is there, but not of a version that is known to work, or without its own libraries.
    #[error("this ruby cannot render templates: {0}")]
    RubyUnfit(String),
    /// Templates raised errors; those that did not are of no use then.
    #[error("{}", lines(.0))]
    Templates(Vec<TemplateError>),
    /// Ruby ended without an answer.
    #[error("ruby ended with {status} before it had rendered the templates: {stderr}")]
    RubyFailed {
        /// How the process ended.
        status: std::process::ExitStatus,
        /// The last lines that it wrote to standard error.
        stderr: String,
    },
    /// Nothing could be sent to Ruby, or got from it.
    #[error("talking to ruby")]
    Pipe(#[source] std::io::Error),
    /// The answer is not what the script writes.
    #[error("ruby's answer is not understood")]
    Answer(#[source] serde_json::Error),
    /// The template cannot be read as UTF-8 text.
    #[error("reading template {}", path.display())]
    ReadTemplate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The error that one template raised.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[non_exhaustive]
pub struct TemplateError {
    /// The template's name, as it was given.
    pub name: String,
    /// The line of the template, counted from 1, if Ruby named one.
    pub line: Option<u64>,
    /// The class of the Ruby exception, such as `Bosh::Common::Template::UnknownProperty`.
    pub class: String,
    /// The message of the Ruby exception.
    pub message: String,
}

impl fmt::Display for TemplateError {
    /// In the words of the Director.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self
            .line
            .map_or_else(|| "(unknown)".to_owned(), |line| line.to_string());
        write!(
            formatter,
            "Error filling in template '{}' (line {line}: {})",
            self.name, self.message
        )
    }
}

impl std::error::Error for TemplateError {}

fn lines(errors: &[TemplateError]) -> String {
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
