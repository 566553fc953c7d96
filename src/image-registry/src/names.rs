//! Names in the API: repositories and tags. What does not follow the specification's grammar is no name, so that none leads
//! out of the store.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;

/// Longest name of a repository, as distribution has it with the registry's own name before it.
const LONGEST_REPOSITORY: usize = 255;
const LONGEST_TAG: usize = 128;

/// A repository: `team/app`.
///
/// The specification: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository(String);

impl Repository {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Repository {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_good = text.len() <= LONGEST_REPOSITORY && text.split('/').all(is_component);
        is_good.then(|| Self(text.to_owned())).ok_or(())
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_component(text: &str) -> bool {
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut separator = String::new();
    let mut had_word = false;
    for byte in text.bytes() {
        if is_alphanumeric(byte) {
            let is_joined = had_word && is_separator(&separator);
            if !separator.is_empty() && !is_joined {
                return false;
            }
            separator.clear();
            had_word = true;
        } else {
            separator.push(char::from(byte));
        }
    }
    had_word && separator.is_empty()
}

fn is_separator(text: &str) -> bool {
    matches!(text, "." | "_" | "__") || text.bytes().all(|byte| byte == b'-')
}

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

impl Tag {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let mut bytes = text.bytes();
        let is_good = text.len() <= LONGEST_TAG
            && bytes.next().is_some_and(is_word)
            && bytes.all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'));
        is_good.then(|| Self(text.to_owned())).ok_or(())
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a manifest is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestReference {
    /// By a tag.
    Tag(Tag),
    /// By its digest.
    Digest(Digest),
}

impl FromStr for ManifestReference {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.contains(':') {
            text.parse().map(Self::Digest)
        } else {
            text.parse().map(Self::Tag)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_follow_the_specification() {
        let long = ["a"; 128].join("/");
        for good in [
            "a",
            "library/redis",
            "a.b",
            "a_b",
            "a__b",
            "a---b",
            "0/1-2",
            &long,
        ] {
            assert!(good.parse::<Repository>().is_ok(), "{good}");
        }
        let longer = format!("{long}b");
        for bad in [
            "", "/", "a/", "/a", "a//b", "A", "a..b", "a___b", "a_-b", "-a", "a-", "_a", "a.", ".",
            "..", "a/../b", "_tags/a", "a/_tags", "a b", "a%2fb", "a\0b", "ä", "a\\b", &longer,
        ] {
            assert!(bad.parse::<Repository>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tags_follow_the_specification() {
        let long = "a".repeat(128);
        for good in ["latest", "7", "_x", "A.b-C_", &long] {
            assert!(good.parse::<Tag>().is_ok(), "{good}");
        }
        let longer = "a".repeat(129);
        for bad in [
            "", ".", "..", "-a", ".a", "a/b", "a:b", "a b", "ä", "a\0", &longer,
        ] {
            assert!(bad.parse::<Tag>().is_err(), "{bad:?}");
        }
        assert!(
            "sha256:baddigeststring"
                .parse::<ManifestReference>()
                .is_err()
        );
    }
}
