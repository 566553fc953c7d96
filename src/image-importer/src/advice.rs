//! What the libraries' errors mean for the operator: exit codes and hints.

use anyhow::Result;
use bosh_job::{Advise, ExitCode};

/// What the image library gave, with its advice and exit code.
pub fn from_image<T>(result: image_archive::Result<T>) -> Result<T> {
    result.or_else(|error| {
        let hint = error.hint();
        let code = if error.is_verification() {
            ExitCode::VerificationFailed
        } else {
            ExitCode::Failed
        };
        advised(Err(error).exits(code), hint)
    })
}

/// What the engine gave, with its advice.
pub fn from_engine<T>(result: docker_engine::Result<T>) -> Result<T> {
    result.or_else(|error| {
        let hint = error.hint();
        let code = match &error {
            // The image changed between verifying and sending.
            docker_engine::Error::Upload { source, .. }
                if source.kind() == std::io::ErrorKind::InvalidData =>
            {
                ExitCode::VerificationFailed
            }
            _ => ExitCode::Failed,
        };
        advised(Err(error).exits(code), hint)
    })
}

fn advised<T>(result: Result<T>, hint: Option<&'static str>) -> Result<T> {
    match hint {
        Some(hint) => result.hint(hint),
        None => result,
    }
}
