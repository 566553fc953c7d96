//! Where Docker, podman and skopeo keep logins (containers/image, `pkg/docker/config`; docker/cli, `cli/config`).

use std::path::{Path, PathBuf};

#[cfg(target_os = "linux")]
use std::os::unix::fs::MetadataExt as _;

use crate::environment::Environment;

/// Docker's configuration in the directory that somebody named: it goes before the usual files.
pub(crate) fn named(environment: Environment<'_>) -> Option<PathBuf> {
    let file = environment.docker_config()?.join("config.json");
    Some(file).filter(|file| file.exists())
}

/// The usual files, in the order of podman and skopeo. They need not be there.
pub(crate) fn usual(environment: Environment<'_>) -> Vec<PathBuf> {
    let home = environment.home();
    let below_home = |path: &str| home.as_ref().map(|home| home.join(path));
    let containers = |directory: PathBuf| directory.join("containers/auth.json");
    let runtime = environment.runtime_directory().map_or_else(
        || user().map(|user| PathBuf::from(format!("/run/containers/{user}/auth.json"))),
        |directory| Some(containers(directory)),
    );
    let config = environment.config_directory();
    let docker = match environment.docker_config() {
        Some(_) => None,
        None => below_home(".docker/config.json"),
    };
    [
        runtime,
        config.or_else(|| below_home(".config")).map(containers),
        docker,
        below_home(".dockercfg"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The number of who runs this. Elsewhere than on Linux there is no such directory.
#[cfg(target_os = "linux")]
fn user() -> Option<u32> {
    Some(Path::new("/proc/self").metadata().ok()?.uid())
}

#[cfg(not(target_os = "linux"))]
fn user() -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(variables: &[(&str, &str)]) -> Vec<String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let environment = Environment::of(&variable);
        let files = named(environment).into_iter().chain(usual(environment));
        files.map(|file| file.display().to_string()).collect()
    }

    #[test]
    fn finds_the_logins_of_podman_and_skopeo_before_those_of_docker() {
        assert_eq!(
            files(&[("HOME", "/h"), ("XDG_RUNTIME_DIR", "/run/user/1")]),
            [
                "/run/user/1/containers/auth.json",
                "/h/.config/containers/auth.json",
                "/h/.docker/config.json",
                "/h/.dockercfg",
            ]
        );
        let own = format!("/run/containers/{}/auth.json", user().unwrap());
        assert_eq!(
            files(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/c")]),
            [
                own.as_str(),
                "/c/containers/auth.json",
                "/h/.docker/config.json",
                "/h/.dockercfg",
            ]
        );
    }

    #[test]
    fn a_directory_that_docker_is_told_of_goes_first_and_takes_the_place_of_the_usual_one() {
        let directory = tempfile::tempdir().unwrap();
        let named = directory.path().join("config.json");
        let variables = [
            ("HOME", "/h"),
            ("XDG_RUNTIME_DIR", "/r"),
            ("DOCKER_CONFIG", directory.path().to_str().unwrap()),
        ];
        let usual = [
            "/r/containers/auth.json",
            "/h/.config/containers/auth.json",
            "/h/.dockercfg",
        ];
        assert_eq!(files(&variables), usual);
        std::fs::write(&named, "{}").unwrap();
        assert_eq!(files(&variables)[0], named.display().to_string());
        assert_eq!(files(&variables)[1..], usual);
    }
}
