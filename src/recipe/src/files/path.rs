//! Where a file of a recipe may lie: in the recipe's directory, and nowhere else.

use bosh_job::Problem;

/// A relative path that stays in the recipe's directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilePath(String);

/// Longest file name on Linux.
const LONGEST_NAME: usize = 255;
/// `PATH_MAX` without what stands before the path.
const LONGEST_PATH: usize = 3800;
/// The recipe's own file.
const RESERVED: &str = "docker-compose.yml";

impl FilePath {
    pub(crate) fn parse(property: &str, path: &str) -> Result<Self, Problem> {
        Self::new(path).map_err(|what| {
            Problem::new(property, what).hint("write it relative to the recipe's directory, as in conf/app.yml, and mount ./conf/app.yml")
        })
    }

    /// A path, or why it is none.
    ///
    /// # Errors
    /// It is empty, absolute, too long, leaves the directory, is not in its shortest form, has control characters, or is
    /// the recipe's own file.
    pub fn new(path: &str) -> Result<Self, &'static str> {
        if path.is_empty() {
            return Err("the path is empty");
        }
        if path.starts_with('/') {
            return Err("the path is absolute");
        }
        if path.contains(char::is_control) {
            return Err("the path has a control character");
        }
        if path.len() > LONGEST_PATH || path.split('/').any(|name| name.len() > LONGEST_NAME) {
            return Err("the path is longer than Linux allows");
        }
        if path.split('/').any(|name| name == "..") {
            return Err("the path leaves the recipe's directory");
        }
        if path.split('/').any(|name| name.is_empty() || name == ".") {
            return Err("the path has an empty part or a dot for a part");
        }
        if path == RESERVED
            || path
                .strip_prefix(RESERVED)
                .is_some_and(|rest| rest.starts_with('/'))
        {
            return Err("the path is that of the recipe itself");
        }
        Ok(Self(path.to_owned()))
    }

    /// The recipe's own file, which no property can name.
    pub(crate) fn of_the_recipe() -> Self {
        Self(RESERVED.to_owned())
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directories on the way to the file, outermost first.
    pub fn directories(&self) -> impl Iterator<Item = &str> {
        self.0
            .match_indices('/')
            .map(|(position, _)| &self.0[..position])
    }

    /// The directory and the name in it.
    #[must_use]
    pub(crate) fn split(&self) -> (&str, &str) {
        self.0.rsplit_once('/').unwrap_or(("", &self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_relative_paths() {
        for good in [
            "a",
            "a/b/c.yml",
            ".env",
            "..a/b..",
            "a b",
            "ä",
            "conf/docker-compose.yml",
        ] {
            assert_eq!(FilePath::new(good).unwrap().as_str(), good);
        }
        assert_eq!(
            FilePath::new("a/b/c")
                .unwrap()
                .directories()
                .collect::<Vec<_>>(),
            ["a", "a/b"]
        );
    }

    #[test]
    fn refuses_what_leaves_the_directory_or_is_not_plain() {
        let long = "x".repeat(256);
        for bad in [
            "",
            "/",
            "/a",
            "..",
            "../x",
            "a/../b",
            "a/..",
            ".",
            "./a",
            "a//b",
            "a/",
            "a\0b",
            "a\nb",
            &long,
            "docker-compose.yml",
            "docker-compose.yml/x",
        ] {
            assert!(FilePath::new(bad).is_err(), "{bad:?}");
        }
    }
}
