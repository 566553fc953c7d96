//! The images that a recipe, which is a Compose file, names.

use bosh_manifest::Value;

use super::documents;
use super::service_images::{self, Named};
use super::variables::{Variables, substitute};

/// What a recipe names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    /// Each image with the service that names it, in the recipe's order.
    pub named: Vec<(String, String)>,
    /// Services that were passed over because their images are built.
    pub built: Vec<String>,
    /// Services that were passed over because a provider stands behind them, and no container.
    pub provided: Vec<String>,
    /// Models, which are no images.
    pub models: Vec<String>,
}

/// Reads a recipe's text, of one or several YAML documents.
///
/// # Errors
/// All that is wrong, a message each.
pub fn read(text: &[u8], variables: &Variables, skip_build: bool) -> Result<Images, Vec<String>> {
    let documents = bosh_manifest::parse_stream(text)
        .map_err(|error| vec![format!("it is not YAML: {error}")])?;
    let recipe = documents::merged(documents)?;
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
        let texts = match service_images::named(name, service, services, variables, skip_build) {
            Ok(Named::Images(texts)) => texts,
            Ok(Named::Built(texts)) => {
                images.built.push(name.to_owned());
                texts
            }
            Ok(Named::Provided) => {
                images.provided.push(name.to_owned());
                continue;
            }
            Err(why) => {
                problems.push(format!("service `{name}` {why}"));
                continue;
            }
        };
        for text in texts {
            match resolved(&text, variables) {
                Ok(image) => images.named.push((name.to_owned(), image)),
                Err(why) => problems.push(format!("service `{name}`, image `{text}`: {why}")),
            }
        }
    }
    let models = recipe.get("models").and_then(Value::as_map);
    images.models = (models.into_iter().flatten())
        .map(|(name, _)| name.as_str().unwrap_or("?").to_owned())
        .collect();
    if problems.is_empty() {
        Ok(images)
    } else {
        Err(problems)
    }
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
