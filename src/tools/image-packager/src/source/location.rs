//! How people say where an image is: a reference, or a source by skopeo's names of transports.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use image_archive::Reference;

use super::error::{Error, Result};

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// `name:tag` or `docker://name:tag`: in a registry.
    Registry(Reference),
    /// `docker-archive:FILE[:NAME:TAG]`: in a tarball of `docker save`.
    DockerArchive(PathBuf, Option<String>),
    /// `oci:DIRECTORY[:NAME]`: in an OCI image layout.
    Layout(PathBuf, Option<String>),
    /// `docker-daemon:NAME:TAG`: in the local Docker daemon.
    Daemon(Reference),
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(rest) = text.strip_prefix("docker://") {
            return Ok(Self::Registry(rest.parse()?));
        }
        if let Some(rest) = text.strip_prefix("docker-archive:") {
            let (path, name) = path_and_name(text, rest)?;
            return Ok(Self::DockerArchive(path, name));
        }
        if let Some(rest) = text.strip_prefix("oci:") {
            let (path, name) = path_and_name(text, rest)?;
            return Ok(Self::Layout(path, name));
        }
        if let Some(rest) = text.strip_prefix("docker-daemon:") {
            return Ok(Self::Daemon(rest.parse()?));
        }
        for other in [
            "oci-archive:",
            "dir:",
            "containers-storage:",
            "ostree:",
            "sif:",
            "http://",
            "https://",
        ] {
            if text.starts_with(other) {
                return Err(Error::Location {
                    text: text.to_owned(),
                    why: format!("`{other}` is not supported"),
                });
            }
        }
        Ok(Self::Registry(text.parse()?))
    }
}

/// As skopeo splits them: the name follows the first colon.
fn path_and_name(text: &str, rest: &str) -> Result<(PathBuf, Option<String>)> {
    let (path, name) = match rest.split_once(':') {
        Some((path, name)) => (path, Some(name)),
        None => (rest, None),
    };
    if path.is_empty() || name == Some("") {
        return Err(Error::Location {
            text: text.to_owned(),
            why: if path.is_empty() {
                "the path is missing"
            } else {
                "the name after the last colon is missing"
            }
            .to_owned(),
        });
    }
    Ok((path.into(), name.map(str::to_owned)))
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut with_name = |transport: &str, path: &PathBuf, name: &Option<String>| {
            write!(formatter, "{transport}:{}", path.display())?;
            name.iter()
                .try_for_each(|name| write!(formatter, ":{name}"))
        };
        match self {
            Self::Registry(reference) => formatter.write_str(&reference.familiar()),
            Self::DockerArchive(path, name) => with_name("docker-archive", path, name),
            Self::Layout(path, name) => with_name("oci", path, name),
            Self::Daemon(reference) => write!(formatter, "docker-daemon:{}", reference.familiar()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_names_that_skopeo_has() {
        for text in [
            "redis:7",
            "docker-archive:a/b.tar",
            "docker-archive:a.tar:redis:7",
            "oci:dir",
            "oci:dir:redis:7",
            "docker-daemon:redis:7",
        ] {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), text);
        }
        assert_eq!(
            "docker://redis".parse::<Location>().unwrap().to_string(),
            "redis:latest"
        );
        assert_eq!(
            "oci:a:b:c".parse::<Location>().unwrap(),
            Location::Layout("a".into(), Some("b:c".into()))
        );
    }

    #[test]
    fn refuses_what_is_no_source() {
        for text in [
            "",
            "oci:",
            "oci:dir:",
            "docker-archive:",
            "docker-archive::x",
            "dir:/x",
            "oci-archive:x",
            "https://x/y",
            "docker://",
            "docker-daemon:",
            "A b",
        ] {
            assert!(text.parse::<Location>().is_err(), "{text}");
        }
    }
}
