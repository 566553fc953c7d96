//! What people write for the place of an image in a registry.

use std::fmt;
use std::str::FromStr;

use image_archive::{Digest, Reference};

/// A place in a registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    /// Registry and repository; its tag says nothing.
    pub repository: Reference,
    /// The tag; without one the image is there by its digest alone.
    pub tag: Option<String>,
    /// The digest that the image must have.
    pub digest: Option<Digest>,
}

/// A registry, perhaps with the beginning of repositories' names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(String);

/// Where one image goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To this place; without a tag, the image's own counts.
    Place(Reference, bool),
    /// Below this one, under its own name.
    Below(Prefix),
}

/// What is left of an image's name below a prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Names {
    /// As people write it, without its registry: `redis`, `team/app`
    #[default]
    Short,
    /// As its registry has it: `library/redis`, `team/app`; so a mirror has to call it
    Path,
    /// With its registry: `docker.io/library/redis`, `quay.io/team/app`
    Full,
}

impl Prefix {
    /// The place of an image of this name.
    ///
    /// # Errors
    /// When that makes no name that a registry could have.
    pub fn place(&self, image: &Reference, names: Names) -> Result<Destination, String> {
        let path = match names {
            Names::Short if image.domain() == "docker.io" => image
                .path()
                .strip_prefix("library/")
                .unwrap_or(image.path())
                .to_owned(),
            Names::Short | Names::Path => image.path().to_owned(),
            Names::Full => image.repository(),
        };
        let text = format!("{}/{path}", self.0);
        let repository: Reference = (text.parse())
            .ok()
            .filter(|found: &Reference| found.digest().is_none() && text.ends_with(found.path()))
            .ok_or_else(|| {
                format!(
                    "`{text}` is no name for {}; write IMAGE=DESTINATION to give it another",
                    image.familiar()
                )
            })?;
        Ok(Destination {
            repository,
            tag: image.tag().map(str::to_owned),
            digest: None,
        })
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.strip_suffix('/').unwrap_or(text);
        check_registry(trimmed)?;
        let probe: Reference = format!("{trimmed}/x:1")
            .parse()
            .map_err(|_| format!("`{text}` is not REGISTRY or REGISTRY/PATH"))?;
        if probe.tag() != Some("1") || probe.digest().is_some() || trimmed.contains('@') {
            return Err(format!("`{text}` is not REGISTRY or REGISTRY/PATH"));
        }
        Ok(Self(trimmed.to_owned()))
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.ends_with('/') {
            return Ok(Self::Below(text.parse()?));
        }
        let Some((_, last)) = text.rsplit_once('/') else {
            return Err(format!(
                "`{text}` names no repository of a registry: write REGISTRY/REPOSITORY[:TAG], or REGISTRY/ to keep the image's name"
            ));
        };
        check_registry(text)?;
        let place: Reference = text
            .parse()
            .map_err(|error: image_archive::Error| error.to_string())?;
        Ok(Self::Place(place, last.contains([':', '@'])))
    }
}

impl Target {
    /// What an image without a name of its own is called, if this says it.
    #[must_use]
    pub fn name(&self) -> Option<&Reference> {
        match self {
            Self::Place(place, _) => Some(place),
            Self::Below(_) => None,
        }
    }

    /// The place of an image of this name.
    ///
    /// # Errors
    /// When that makes no name that a registry could have.
    pub fn place(&self, image: &Reference, names: Names) -> Result<Destination, String> {
        match self {
            Self::Below(prefix) => prefix.place(image, names),
            Self::Place(place, is_said) => {
                let tag = if *is_said { place.tag() } else { image.tag() };
                Ok(Destination {
                    repository: place.clone(),
                    tag: tag.map(str::to_owned),
                    digest: place.digest(),
                })
            }
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.repository.repository())?;
        self.tag
            .iter()
            .try_for_each(|tag| write!(formatter, ":{tag}"))
    }
}

/// An image is pushed only to a registry that is named: `team/app` alone would be Docker Hub's, for all to see.
fn check_registry(text: &str) -> Result<(), String> {
    if text.contains("://") {
        return Err(format!(
            "`{text}`: write it without `://`; --insecure takes a registry over plain HTTP"
        ));
    }
    let first = text.split('/').next().unwrap_or_default();
    if first.contains(['.', ':']) || first == "localhost" {
        return Ok(());
    }
    Err(format!(
        "`{text}` does not begin with a registry, such as registry.example:5000; Docker Hub is docker.io"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(target: &str, image: &str, names: Names) -> String {
        let target: Target = target.parse().unwrap();
        target
            .place(&image.parse().unwrap(), names)
            .unwrap()
            .to_string()
    }

    #[test]
    fn keeps_the_names_that_people_write() {
        for (to, image, names, expected) in [
            (
                "r.example:5000/",
                "redis:7",
                Names::Short,
                "r.example:5000/redis:7",
            ),
            (
                "r.example/mirror/",
                "redis:7",
                Names::Short,
                "r.example/mirror/redis:7",
            ),
            (
                "r.example/mirror/",
                "redis:7",
                Names::Path,
                "r.example/mirror/library/redis:7",
            ),
            (
                "r.example/",
                "redis:7",
                Names::Full,
                "r.example/docker.io/library/redis:7",
            ),
            (
                "r.example/",
                "quay.io/a/b",
                Names::Short,
                "r.example/a/b:latest",
            ),
            (
                "r.example/",
                "quay.io/a/b",
                Names::Full,
                "r.example/quay.io/a/b:latest",
            ),
            ("r.example/x/y", "redis:7", Names::Short, "r.example/x/y:7"),
            (
                "r.example/x/y:8",
                "redis:7",
                Names::Short,
                "r.example/x/y:8",
            ),
            (
                "docker.io/team/y",
                "redis:7",
                Names::Short,
                "docker.io/team/y:7",
            ),
            ("localhost/y", "redis:7", Names::Short, "localhost/y:7"),
        ] {
            assert_eq!(place(to, image, names), expected, "{to} {image}");
        }
        let digest = format!("sha256:{}", "0".repeat(64));
        let pinned = format!("redis@{digest}");
        assert_eq!(
            place("r.example/", &pinned, Names::Short),
            "r.example/redis"
        );
        let target: Target = format!("r.example/x@{digest}").parse().unwrap();
        let destination = target
            .place(&"redis:7".parse().unwrap(), Names::Short)
            .unwrap();
        assert_eq!(
            (destination.tag, destination.digest.is_some()),
            (None, true)
        );
    }

    #[test]
    fn refuses_what_is_no_place_in_a_registry() {
        for text in [
            "",
            "/",
            "redis",
            "team/app",
            "team/app:1",
            "https://r.example/x",
            "r.example",
            "r.example/X",
            "r.example//",
            "r.example/x:y/",
            "r.example/a@b/",
            "-/x",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
        let prefix: Prefix = "r.example".parse().unwrap();
        let image: Reference = "other.example:5000/a:1".parse().unwrap();
        assert!(
            prefix.place(&image, Names::Full).is_err(),
            "a port is no part of a path"
        );
    }
}
