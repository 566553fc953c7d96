//! The environment in which Compose and prep run: nothing of the caller's, all that a recipe may rely on.

use bosh_job::Paths;
use job_properties::Instance;

/// What every recipe finds: where things are, how the engine is reached, and `BOSH_*` values of the instance.
#[must_use]
pub fn instance_environment(paths: &Paths, instance: &Instance) -> Vec<(String, String)> {
    let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    let compose_dir = paths
        .compose_bin()
        .parent()
        .map(std::path::Path::to_owned)
        .unwrap_or_default();
    let search = [
        text(paths.docker_bin_dir()),
        text(compose_dir),
        text(paths.programs_dir()),
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
    ];
    let or_empty = |value: &Option<String>| value.clone().unwrap_or_default();
    [
        ("PATH", search.join(":")),
        ("HOME", text(paths.cli_dir())),
        ("PWD", text(paths.running())),
        ("TMPDIR", text(paths.tmp())),
        (
            "DOCKER_HOST",
            format!("unix://{}", paths.socket().display()),
        ),
        ("DOCKER_CONFIG", text(paths.cli_dir())),
        // the engine's own: one that an operator has created and chosen (`docker buildx use`) may be gone tomorrow
        ("BUILDX_BUILDER", "default".to_owned()),
        // Compose takes over what a recipe's `.env` says of it: 0 is the legacy builder, which knows neither mounts nor secrets
        ("DOCKER_BUILDKIT", "1".to_owned()),
        (
            "BOSH_INDEX",
            instance
                .index
                .map(|index| index.to_string())
                .unwrap_or_default(),
        ),
        ("BOSH_ID", instance.id.clone()),
        ("BOSH_IP", or_empty(&instance.ip)),
        ("BOSH_AZ", or_empty(&instance.az)),
        ("BOSH_NAME", instance.name.clone()),
        ("BOSH_DEPLOYMENT", instance.deployment.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_recipe_finds_the_instance_and_the_engine() {
        let instance = Instance {
            name: "docker".to_owned(),
            index: Some(2),
            id: "5f0a".to_owned(),
            az: None,
            ip: Some("10.0.0.2".to_owned()),
            address: None,
            deployment: "d".to_owned(),
            bootstrap: Some(true),
            persistent_disk: None,
        };
        let all: BTreeMap<_, _> = instance_environment(&Paths::new("/var/vcap"), &instance)
            .into_iter()
            .collect();
        assert_eq!(all["BOSH_INDEX"], "2");
        assert_eq!(all["BOSH_AZ"], "");
        assert_eq!(
            all["DOCKER_HOST"],
            "unix:///var/vcap/sys/run/docker/docker.sock"
        );
        assert_eq!(all["PWD"], "/var/vcap/data/docker/running");
        assert_eq!(all["BUILDX_BUILDER"], "default");
        assert_eq!(all["DOCKER_BUILDKIT"], "1");
        assert!(all["PATH"].starts_with("/var/vcap/packages/docker/bin:"));
    }
}
