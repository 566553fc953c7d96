//! The one printer of errors, and the exit code that goes with each.

use std::process::ExitCode;

use error_text::error_text;

use crate::commands::access;
use crate::commands::named_images::Problems;
use crate::release;

/// Something failed.
pub const FAILED: u8 = 1;
/// The command line, or a file that people write, is wrong.
pub const USAGE: u8 = 2;
/// Something stored is damaged, or parts of it do not agree.
pub const DAMAGED: u8 = 4;

/// The text for standard error: `error:`, then the causes, then the hints.
pub fn text(error: &anyhow::Error) -> String {
    error_text(error, hint)
}

/// The exit code that an error stands for.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<release::Error>() {
            if error.is_verification() {
                return ExitCode::from(DAMAGED);
            }
            if error.is_usage() {
                return ExitCode::from(USAGE);
            }
        }
        if cause.is::<Problems>()
            || cause
                .downcast_ref::<access::Error>()
                .is_some_and(access::Error::is_usage)
        {
            return ExitCode::from(USAGE);
        }
    }
    ExitCode::from(FAILED)
}

fn hint(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    let release = cause
        .downcast_ref::<release::Error>()
        .and_then(release::Error::hint);
    release.or_else(|| cause.downcast_ref::<access::Error>()?.hint())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn prints_error_causes_and_hints_in_that_order() {
        let error = release::Error::NoRelease { start: "/x".into() };
        let error = Err::<(), _>(error).context("listing images").unwrap_err();
        assert_eq!(
            text(&error),
            "error: listing images\n  caused by: /x is not in a BOSH release: there is no config/final.yml in it or above it\n\
             hint: make one with `image-packager new NAME`, or name one with --dir"
        );
        assert_eq!(exit_code(&error), ExitCode::from(USAGE));
    }
}
