//! Which version of the Engine API to speak.

use std::{fmt, str::FromStr};

/// A version of the Engine API, such as 1.44.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    major: u16,
    minor: u16,
}

impl ApiVersion {
    /// The oldest that is spoken: engine 20.10.
    pub const OLDEST: Self = Self::new(1, 41);
    /// The newest that is known: engine 27.2, the first to say which parts of an image are there
    /// (`GET /images/json?manifests=1`). Newer engines speak it too.
    pub const NEWEST: Self = Self::new(1, 47);

    /// `major.minor`.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// What to speak with an engine whose newest version is `self`: the lower of the two, or nothing if the engine is
    /// older than [`ApiVersion::OLDEST`].
    #[must_use]
    pub fn negotiate(self) -> Option<Self> {
        (self >= Self::OLDEST).then(|| self.min(Self::NEWEST))
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The text was not `major.minor`.
#[derive(Debug, thiserror::Error)]
#[error("not an API version: {0:?}")]
pub struct BadApiVersion(String);

impl FromStr for ApiVersion {
    type Err = BadApiVersion;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let bad = || BadApiVersion(text.chars().take(40).collect());
        let (major, minor) = text.split_once('.').ok_or_else(bad)?;
        Ok(Self {
            major: major.parse().map_err(|_| bad())?,
            minor: minor.parse().map_err(|_| bad())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speaks_the_lower_of_both_versions() {
        let of = |text: &str| {
            text.parse::<ApiVersion>()
                .unwrap()
                .negotiate()
                .map(|version| version.to_string())
        };
        assert_eq!(of("1.41").as_deref(), Some("1.41"));
        assert_eq!(of("1.45").as_deref(), Some("1.45"));
        assert_eq!(of("1.52").as_deref(), Some("1.47"));
        assert_eq!(of("2.0").as_deref(), Some("1.47"));
    }

    #[test]
    fn refuses_an_engine_older_than_20_10() {
        assert_eq!(ApiVersion::new(1, 40).negotiate(), None);
    }

    #[test]
    fn compares_minor_versions_as_numbers() {
        assert!(ApiVersion::new(1, 9) < ApiVersion::new(1, 41));
    }

    #[test]
    fn refuses_what_is_not_a_version() {
        for text in ["", "1", "1.", ".1", "one.two", "1.41.2", "-1.4", "1.70000"] {
            assert!(text.parse::<ApiVersion>().is_err(), "{text}");
        }
    }
}
