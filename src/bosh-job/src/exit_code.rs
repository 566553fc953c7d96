//! The exit codes that every program of the release shares.

use serde::{Deserialize, Serialize};

/// How a program ended. The numbers are a contract: `post-start` hands them to BOSH, and `verdict.json` carries them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum ExitCode {
    /// 0: done.
    #[default]
    Ok,
    /// 1: something failed while it was done.
    Failed,
    /// 2: wrong usage, or a property or the recipe is wrong; nothing was changed.
    BadConfig,
    /// 3: a service crashed, is unhealthy, or did not get stable in time.
    Unhealthy,
    /// 4: content differs from the digest that names it.
    VerificationFailed,
}

impl From<ExitCode> for u8 {
    fn from(code: ExitCode) -> Self {
        match code {
            ExitCode::Ok => 0,
            ExitCode::Failed => 1,
            ExitCode::BadConfig => 2,
            ExitCode::Unhealthy => 3,
            ExitCode::VerificationFailed => 4,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(u8::from(code))
    }
}

impl TryFrom<u8> for ExitCode {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        match number {
            0 => Ok(Self::Ok),
            1 => Ok(Self::Failed),
            2 => Ok(Self::BadConfig),
            3 => Ok(Self::Unhealthy),
            4 => Ok(Self::VerificationFailed),
            other => Err(format!(
                "{other} is not an exit code of this release's programs (0 to 4)"
            )),
        }
    }
}
