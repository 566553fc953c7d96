//! Image references as Docker reads, completes and shortens them (distribution/reference, `normalize.go`).

use std::fmt;
use std::str::FromStr;

use crate::digest::{Digest, abridge};
use crate::error::{Error, Result};

const DEFAULT_DOMAIN: &str = "docker.io";
const OFFICIAL: &str = "library/";
/// Longest `domain/path` that distribution takes.
const LONGEST_NAME: usize = 255;
const LONGEST_TAG: usize = 128;

/// A normalised image reference: `docker.io/library/redis:7.2`, `quay.io/x/y@sha256:…`, or with both tag and digest.
///
/// One with neither tag nor digest has the tag `latest`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// The registry: `docker.io`, `localhost:5000`, …
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository within the registry: `library/redis`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag; absent only where there is a digest.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of a manifest or index.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Registry and repository: `docker.io/library/redis`.
    #[must_use]
    pub fn repository(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The tag alone: `docker.io/library/redis:7.2`, if there is one.
    #[must_use]
    pub fn tagged(&self) -> Option<Self> {
        self.tag.as_ref()?;
        Some(Self {
            digest: None,
            ..self.clone()
        })
    }

    /// The digest alone: `docker.io/library/redis@sha256:…`, if there is one.
    #[must_use]
    pub fn digested(&self) -> Option<Self> {
        self.digest?;
        Some(Self {
            tag: None,
            ..self.clone()
        })
    }

    /// As people write it: `redis:7.2`.
    ///
    /// Read again it is the same reference; so Docker Hub is named where its repository is called as a registry might be.
    #[must_use]
    pub fn familiar(&self) -> String {
        let first = self.path.split_once('/').map(|(first, _)| first);
        let name = match (self.domain.as_str(), self.path.strip_prefix(OFFICIAL)) {
            (DEFAULT_DOMAIN, Some(official)) if !official.contains('/') => official.to_owned(),
            (DEFAULT_DOMAIN, _) if !first.is_some_and(looks_like_registry) => self.path.clone(),
            _ => self.repository(),
        };
        self.suffixed(name)
    }

    fn suffixed(&self, mut name: String) -> String {
        if let Some(tag) = &self.tag {
            name.push(':');
            name.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            name.push('@');
            name.push_str(&digest.to_string());
        }
        name
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.suffixed(self.repository()))
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).map_err(|why| Error::Reference {
            text: abridge(text),
            why,
        })
    }
}

fn parse(text: &str) -> std::result::Result<Reference, &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if Digest::from_hex(text).is_some() {
        return Err("64 hexadecimal digits would be taken for a digest");
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (
            rest,
            Some(
                digest
                    .parse()
                    .map_err(|_| "what follows the @ is not a SHA-256 digest")?,
            ),
        ),
        None => (text, None),
    };
    // A colon before the last slash belongs to a port.
    let name_start = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match rest[name_start..].find(':') {
        Some(colon) => (
            &rest[..name_start + colon],
            Some(&rest[name_start + colon + 1..]),
        ),
        None => (rest, None),
    };
    let (domain, path) = split_domain(name);
    check_domain(&domain)?;
    check_path(&path)?;
    if domain.len() + 1 + path.len() > LONGEST_NAME {
        return Err("the name is longer than 255 characters");
    }
    let tag = match (tag, digest) {
        (Some(tag), _) => {
            check_tag(tag)?;
            Some(tag.to_owned())
        }
        (None, Some(_)) => None,
        (None, None) => Some("latest".to_owned()),
    };
    Ok(Reference {
        domain,
        path,
        tag,
        digest,
    })
}

/// `redis` is `docker.io/library/redis`; what comes before the first slash is a registry only if it looks like one.
fn split_domain(name: &str) -> (String, String) {
    let (domain, path) = match name.split_once('/') {
        Some((first, rest)) if looks_like_registry(first) => (first, rest),
        _ => (DEFAULT_DOMAIN, name),
    };
    let domain = if domain == "index.docker.io" {
        DEFAULT_DOMAIN
    } else {
        domain
    };
    if domain == DEFAULT_DOMAIN && !path.contains('/') {
        return (domain.to_owned(), format!("{OFFICIAL}{path}"));
    }
    (domain.to_owned(), path.to_owned())
}

/// What stands before the first slash of a name.
fn looks_like_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.chars().any(char::is_uppercase)
}

fn check_domain(domain: &str) -> std::result::Result<(), &'static str> {
    const WRONG: &str = "the registry is not a host name with an optional port";
    let (host, port) = match domain.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(WRONG)?;
            if address.is_empty()
                || !address
                    .bytes()
                    .all(|byte| byte.is_ascii_hexdigit() || byte == b':')
            {
                return Err(WRONG);
            }
            (None, port)
        }
        None => match domain.find(':') {
            Some(colon) => (Some(&domain[..colon]), &domain[colon..]),
            None => (Some(domain), ""),
        },
    };
    let good_port = match port.strip_prefix(':') {
        Some(digits) => !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => port.is_empty(),
    };
    let good_component = |component: &str| {
        !component.is_empty()
            && !component.starts_with('-')
            && !component.ends_with('-')
            && component
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if good_port && host.is_none_or(|host| host.split('.').all(good_component)) {
        Ok(())
    } else {
        Err(WRONG)
    }
}

fn check_path(path: &str) -> std::result::Result<(), &'static str> {
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("the repository's name must be lower case");
    }
    if path.split('/').all(is_path_component) {
        Ok(())
    } else {
        Err(
            "parts of the repository's name are letters and digits, with one `.`, one or two `_`, or some `-` between them",
        )
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(component: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    if !bytes.first().is_some_and(|byte| alphanumeric(*byte))
        || !bytes.last().is_some_and(|byte| alphanumeric(*byte))
    {
        return false;
    }
    component
        .split(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit())
        .all(|between| {
            matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-')
        })
}

fn check_tag(tag: &str) -> std::result::Result<(), &'static str> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let good = tag.len() <= LONGEST_TAG
        && tag.bytes().next().is_some_and(word)
        && tag
            .bytes()
            .all(|byte| word(byte) || byte == b'.' || byte == b'-');
    if good {
        Ok(())
    } else {
        Err(
            "a tag is at most 128 letters, digits, `_`, `.` and `-`, and begins with neither of the last two",
        )
    }
}

#[cfg(test)]
mod tests;
