//! Images that Compose would build: whether there is anything to build them of.

use bosh_job::ErrorReport;
use docker_engine::Engine;

use crate::{
    failure::error,
    model::{Build, Model, Service},
};

/// What a build lacks, if anything. What is fetched from elsewhere is not looked at.
pub fn lacks(build: &Build) -> Option<String> {
    let directory = build.directory.as_deref()?;
    if !directory.is_dir() {
        // an archive may be one, too
        return (!directory.exists())
            .then(|| format!("there is no build context {}", directory.display()));
    }
    let dockerfile = directory.join(build.dockerfile.as_deref()?);
    (!dockerfile.exists()).then(|| format!("there is no {}", dockerfile.display()))
}

/// Whether Compose tries to pull the image before it builds it.
pub fn is_pulled_first(service: &Service) -> bool {
    service.image.is_some() && !matches!(service.pull_policy.as_deref(), Some("build" | "never"))
}

/// Services whose image is not here, is not pulled, and cannot be built.
pub fn check(
    model: &Model,
    project: &str,
    engine: &Engine,
) -> docker_engine::Result<Vec<ErrorReport>> {
    let mut errors = Vec::new();
    let services = model.services.iter();
    let built = |service: &Service| service.replicas > 0 && !is_pulled_first(service);
    for (name, service) in services.filter(|(_, service)| built(service)) {
        let Some(why) = service.build.as_ref().and_then(lacks) else {
            continue;
        };
        let image = service
            .image
            .clone()
            .unwrap_or_else(|| format!("{project}-{name}"));
        // one with that name is used in place of a build
        if engine.inspect_image(&image)?.is_some() {
            continue;
        }
        let mut found = error(format!(
            "service {name}: its image cannot be built on this machine, and {image} is not here"
        ));
        found.causes = vec![why];
        found.service = Some(name.clone());
        found.property = Some("recipe".to_owned());
        found.hint = Some(
            "build the image elsewhere, freeze it into an image release (`image-packager freeze`), and write `image:` in place of `build:`"
                .to_owned(),
        );
        errors.push(found);
    }
    Ok(errors)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_build_needs_its_context_and_its_dockerfile_unless_they_are_elsewhere() {
        let directory = tempfile::tempdir().unwrap();
        let build = |context: &str, more: &str| {
            let text =
                format!(r#"{{"services":{{"a":{{"build":{{"context":"{context}"{more}}}}}}}}}"#);
            let model = Model::parse(text.as_bytes()).unwrap();
            lacks(model.services["a"].build.as_ref().unwrap())
        };
        let here = directory.path().to_str().unwrap();
        let missing: PathBuf = directory.path().join("nope");
        let expected = format!("there is no build context {}", missing.display());
        assert_eq!(build(missing.to_str().unwrap(), ""), Some(expected));
        assert_eq!(
            build(here, ""),
            Some(format!("there is no {here}/Dockerfile"))
        );
        assert_eq!(build(here, r#","dockerfile_inline":"FROM scratch""#), None);
        for elsewhere in [
            "https://example.com/x.git",
            "git@example.com:x",
            "github.com/x/y",
        ] {
            assert_eq!(build(elsewhere, ""), None, "{elsewhere}");
        }
        std::fs::write(directory.path().join("Other"), "").unwrap();
        assert_eq!(build(here, r#","dockerfile":"Other""#), None);
    }
}
