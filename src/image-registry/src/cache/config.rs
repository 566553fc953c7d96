//! What the configuration says of the cache.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// The cache.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheConfig {
    /// Bytes that all of its files may take on the disk: a number, or one with K, M, G or T behind it (of 1024).
    #[serde(deserialize_with = "size")]
    pub max_size: u64,
    /// Seconds after which a registry is asked again what a tag of it stands for.
    #[serde(default = "tag_seconds")]
    pub tag_seconds: u64,
    /// Tags that never change: `HOST/REPOSITORY:TAG` as a repository is called here, with `*` for anything.
    #[serde(default)]
    pub immutable_tags: Vec<String>,
}

fn tag_seconds() -> u64 {
    300
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Size {
    Bytes(u64),
    Text(String),
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let parsed = match Size::deserialize(deserializer)? {
        Size::Bytes(bytes) => Some(bytes),
        Size::Text(text) => bytes(&text),
    };
    parsed.ok_or_else(|| de::Error::custom("no size"))
}

fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let shift = match text.chars().last()?.to_ascii_uppercase() {
        'K' => 10,
        'M' => 20,
        'G' => 30,
        'T' => 40,
        _ => return text.parse().ok(),
    };
    let number: u64 = text[..text.len() - 1].trim().parse().ok()?;
    number.checked_mul(1 << shift)
}

impl CacheConfig {
    /// How long a tag counts as what it was.
    pub fn tag_age(&self) -> Duration {
        Duration::from_secs(self.tag_seconds)
    }

    /// Whether a tag never changes.
    pub fn is_immutable(&self, name: &str) -> bool {
        self.immutable_tags
            .iter()
            .any(|pattern| matches(pattern, name))
    }
}

/// Whether a text is as a pattern says, in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, mut rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    // the earliest place of each part leaves the most to those behind it
    while let Some((part, behind)) = rest.split_once('*') {
        let Some(at) = text.find(part) else {
            return false;
        };
        text = &text[at + part.len()..];
        rest = behind;
    }
    text.ends_with(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_with_a_unit() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1048576", Some(1 << 20)),
            ("10G", Some(10 << 30)),
            ("3 k", Some(3 << 10)),
            ("2T", Some(2 << 40)),
            ("", None),
            ("G", None),
            ("-1", None),
            ("1.5G", None),
            ("99999999T", None),
            ("10GB", None),
            ("1é", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }

    #[test]
    fn patterns_have_stars_for_anything() {
        let name = "docker.io/library/redis:7.2.1";
        for (pattern, expected) in [
            (name, true),
            ("*", true),
            ("docker.io/*:7.*.1", true),
            ("docker.io/library/redis:*", true),
            ("*redis*", true),
            ("*:7.2.1", true),
            ("*:7.2", false),
            ("docker.io/library/redis:7", false),
            ("ghcr.io/*", false),
            ("*1*1", false),
            ("", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern}");
        }
    }
}
