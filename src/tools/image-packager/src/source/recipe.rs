//! The images that a recipe, which is a Compose file, names.

use bosh_manifest::Value;

use super::variables::{Variables, substitute};

/// What a recipe names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    /// Each image with the service that names it, in the recipe's order.
    pub named: Vec<(String, String)>,
    /// Services that were passed over because their images are built.
    pub built: Vec<String>,
}

/// Reads a recipe's text.
///
/// # Errors
/// All that is wrong, a message each.
pub fn read(text: &[u8], variables: &Variables, skip_build: bool) -> Result<Images, Vec<String>> {
    let recipe =
        bosh_manifest::parse(text).map_err(|error| vec![format!("it is not YAML: {error}")])?;
    images(&recipe, variables, skip_build)
}

/// Finds every image that the services name, with its variables substituted, also under profiles.
///
/// # Errors
/// All that is wrong, a message each, with the service's name.
pub fn images(
    recipe: &Value,
    variables: &Variables,
    skip_build: bool,
) -> Result<Images, Vec<String>> {
    let mut problems = Vec::new();
    if recipe.get("include").is_some() {
        problems.push(
            "`include` is not followed; freeze the output of `docker compose config` instead"
                .to_owned(),
        );
    }
    let Some(services) = recipe.get("services").and_then(Value::as_map) else {
        problems.push("it has no map `services`".to_owned());
        return Err(problems);
    };
    let mut images = Images::default();
    for (name, service) in services {
        let name = name.as_str().unwrap_or("?");
        match texts(name, service, skip_build) {
            Ok(texts) if texts.is_empty() => images.built.push(name.to_owned()),
            Ok(texts) => {
                for text in texts {
                    match resolved(text, variables) {
                        Ok(image) => images.named.push((name.to_owned(), image)),
                        Err(why) => {
                            problems.push(format!("service `{name}`, image `{text}`: {why}"));
                        }
                    }
                }
            }
            Err(why) => problems.push(format!("service `{name}` {why}")),
        }
    }
    if problems.is_empty() {
        Ok(images)
    } else {
        Err(problems)
    }
}

/// The images of a service as they are written; none if its image is built, and that may be passed over.
fn texts<'r>(name: &str, service: &'r Value, skip_build: bool) -> Result<Vec<&'r str>, String> {
    let mut texts = Vec::new();
    match service.get("image") {
        Some(Value::String(text)) => texts.push(text.as_str()),
        None | Some(Value::Null) => {}
        Some(_) => return Err("has an image that is not a text".to_owned()),
    }
    // compose-spec, `05-services.md`: a volume of type image mounts an image's files.
    let volumes = service
        .get("volumes")
        .and_then(Value::as_seq)
        .unwrap_or_default();
    let mounted = volumes
        .iter()
        .filter(|volume| volume.get("type").and_then(Value::as_str) == Some("image"));
    for volume in mounted {
        let source = volume.get("source").and_then(Value::as_str);
        texts.push(source.ok_or("mounts an image without naming it")?);
    }
    if service.get("image").and_then(Value::as_str).is_some() {
        return Ok(texts);
    }
    if service.get("build").is_some() {
        return if skip_build {
            Ok(texts)
        } else {
            Err(format!(
                "has its image built, and there is nothing to freeze; build it, then freeze docker-daemon:NAME and name it under services.{name}.image, or leave it out with --skip-build"
            ))
        };
    }
    if service.get("extends").is_some() {
        return Err("takes its image by `extends`, which is not followed; freeze the output of `docker compose config` instead".to_owned());
    }
    Err("names no image".to_owned())
}

fn resolved(text: &str, variables: &Variables) -> Result<String, String> {
    let image = substitute(text, variables)?;
    if image.contains("((") {
        return Err("it has a BOSH variable without value; give it one with -v or -l".to_owned());
    }
    if image.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    image
        .parse::<image_archive::Reference>()
        .map(|_| image.clone())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, skip_build: bool) -> Result<Images, Vec<String>> {
        let variables = [("TAG".to_owned(), "7".to_owned())].into();
        super::read(text.as_bytes(), &variables, skip_build)
    }

    #[test]
    fn finds_every_image_of_every_service() {
        let images = read(
            "x-base: &base {image: 'redis:${TAG}'}\n\
             services:\n  a: {<<: *base}\n  b: {image: nginx, profiles: [debug], build: .}\n  \
             c: {image: 'x/${NO:-y}', volumes: [data:/data, {type: image, source: 'files:1', target: /f}]}\n",
            false,
        )
        .unwrap();
        let named: Vec<_> = images
            .named
            .iter()
            .map(|(service, image)| format!("{service} {image}"))
            .collect();
        assert_eq!(named, ["a redis:7", "b nginx", "c x/y", "c files:1"]);
    }

    #[test]
    fn names_each_service_that_something_is_wrong_with() {
        let problems = read(
            "include: [x.yml]\nservices:\n  a: {image: 'redis:${NO}'}\n  b: {build: .}\n  c: {image: 'x:((tag))'}\n  \
             d: {image: 'X:1'}\n  e: {}\n  f: {extends: {service: a}}\n  g: {image: 7}\n",
            false,
        )
        .unwrap_err();
        for expected in [
            "`include` is not followed",
            "service `a`, image `redis:${NO}`: variable NO has no value",
            "service `b` has its image built",
            "service `c`, image `x:((tag))`: it has a BOSH variable",
            "service `d`, image `X:1`: ",
            "service `e` names no image",
            "service `f` takes its image by `extends`",
            "service `g` has an image that is not a text",
        ] {
            assert!(
                problems.iter().any(|problem| problem.starts_with(expected)),
                "{expected}: {problems:?}"
            );
        }
    }

    #[test]
    fn passes_over_services_that_are_built_when_told_to() {
        let images = read("services: {a: {build: .}, b: {image: redis}}", true).unwrap();
        assert_eq!(images.built, ["a"]);
        assert_eq!(images.named.len(), 1);
    }

    #[test]
    fn what_is_no_recipe_is_refused() {
        for text in ["", "[]", "services: []", "a: b: c", "services:"] {
            assert!(read(text, false).is_err(), "{text}");
        }
    }
}
