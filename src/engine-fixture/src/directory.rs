//! The engine that tests run with: a directory laid out as Docker's static tarball, with Compose and Buildx beside.

use std::path::{Path, PathBuf};

/// Names the directory.
pub const VARIABLE: &str = "CONTAINERS_TEST_ENGINE";

/// What it has to have; `lib/` beside, if they are not static, is found by the programs themselves.
pub const PROGRAMS: [&str; 9] = [
    "dockerd",
    "containerd",
    "containerd-shim-runc-v2",
    "runc",
    "docker",
    "docker-init",
    "docker-proxy",
    "docker-compose",
    "docker-buildx",
];

/// The directory that `CONTAINERS_TEST_ENGINE` names, without links.
///
/// Panics if there is none, and names what it lacks.
#[must_use]
pub fn engine_directory() -> PathBuf {
    let named = std::env::var_os(VARIABLE).unwrap_or_else(|| {
        panic!("{VARIABLE} is not set: it must name an engine directory, such as `ci/engine trixie DIR` makes")
    });
    checked(Path::new(&named)).unwrap_or_else(|error| panic!("{VARIABLE}: {error}"))
}

fn checked(directory: &Path) -> Result<PathBuf, String> {
    let found = directory
        .canonicalize()
        .map_err(|error| format!("{}: {error}", directory.display()))?;
    let missing: Vec<_> = PROGRAMS
        .into_iter()
        .filter(|program| !found.join(program).is_file())
        .collect();
    if missing.is_empty() {
        Ok(found)
    } else {
        Err(format!(
            "{} is no engine directory: it has no {}",
            directory.display(),
            missing.join(", no ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_directory_is_refused_with_the_names_of_all_that_it_lacks() {
        let directory = tempfile::tempdir().expect("making a directory");
        for program in PROGRAMS {
            std::fs::write(directory.path().join(program), "").expect("writing a program");
        }
        assert!(checked(directory.path()).is_ok());
        for program in ["containerd-shim-runc-v2", "docker-buildx"] {
            std::fs::remove_file(directory.path().join(program)).expect("removing a program");
        }
        // a directory is no program
        std::fs::create_dir(directory.path().join("docker-buildx")).expect("making a directory");
        let error = checked(directory.path()).expect_err("two programs are not there");
        assert!(
            error.ends_with("it has no containerd-shim-runc-v2, no docker-buildx"),
            "{error}"
        );
        let error = checked(&directory.path().join("nowhere")).expect_err("there is no directory");
        assert!(
            error.contains("nowhere: No such file or directory"),
            "{error}"
        );
    }
}
