//! Which images a service names (compose-spec, `05-services.md` and `build.md`): its own, those of volumes of type `image`,
//! those of `pre_start` hooks, and, if its own is built on the VM, those that its build names. `post_start`, `pre_stop`,
//! `develop` and `use_api_socket` name none.

use bosh_manifest::{Map, Value};

use super::variables::{Variables, substitute};

/// What becomes of a service.
pub(super) enum Named {
    /// It names these images.
    Images(Vec<String>),
    /// Its image is built, and that may be passed over; it names these beside it.
    Built(Vec<String>),
    /// A program beside Compose stands behind it, and no container.
    Provided,
}

/// How a context of a build says that it is an image.
const IMAGE_CONTEXT: &str = "docker-image://";

/// The images as they are written.
pub(super) fn named(
    name: &str,
    service: &Value,
    services: &Map,
    variables: &Variables,
    skip_build: bool,
) -> Result<Named, String> {
    let given = |key: &str| service.get(key).filter(|value| !value.is_null());
    if given("provider").is_some() {
        return Ok(Named::Provided);
    }
    let mut texts = Vec::new();
    match given("image") {
        Some(Value::String(text)) => texts.push(text.clone()),
        None => {}
        Some(_) => return Err("has an image that is not a text".to_owned()),
    }
    let has_image = !texts.is_empty();
    texts.extend(of_volumes(service, services, variables)?);
    texts.extend(of_hooks(service, variables)?);
    if has_image {
        return Ok(Named::Images(texts));
    }
    if let Some(build) = given("build") {
        if !skip_build {
            return Err(format!(
                "has its image built, and there is nothing to freeze; build it, then freeze docker-daemon:NAME and name it under services.{name}.image, or leave it out with --skip-build"
            ));
        }
        texts.extend(of_build(build, variables));
        return Ok(Named::Built(texts));
    }
    if given("extends").is_some() {
        return Err("takes its image by `extends`, which is not followed; freeze the output of `docker compose config` instead".to_owned());
    }
    Err("names no image".to_owned())
}

/// The sources of volumes of type `image`. Of several volumes with one target, Compose takes the last.
fn of_volumes(
    service: &Value,
    services: &Map,
    variables: &Variables,
) -> Result<Vec<String>, String> {
    let filled = |text: &str| substitute(text, variables).unwrap_or_else(|_| text.to_owned());
    let list = service.get("volumes").and_then(Value::as_seq);
    let mut by_target: Vec<(String, &Value)> = Vec::new();
    for volume in list.unwrap_or_default() {
        let target = match volume {
            Value::String(short) => short_target(short),
            long => long.get("target").and_then(Value::as_str).unwrap_or("?"),
        };
        let target = filled(target);
        match by_target.iter_mut().find(|(known, _)| *known == target) {
            Some(known) => known.1 = volume,
            None => by_target.push((target, volume)),
        }
    }
    let text = |volume: &Value, key: &str| volume.get(key).and_then(Value::as_str).map(filled);
    (by_target.into_iter())
        .filter(|(_, volume)| text(volume, "type").as_deref() == Some("image"))
        .map(|(_, volume)| {
            let source = volume.get("source").and_then(Value::as_str);
            source.ok_or_else(|| "mounts an image without naming it".to_owned())
        })
        // The name of a service stands for the image that is built for it.
        .filter(|source| {
            !source.as_ref().is_ok_and(|source| {
                let other = services.get(&Value::from(*source));
                other.is_some_and(|other| {
                    other.get("image").is_none() && other.get("build").is_some()
                })
            })
        })
        .map(|source| source.map(str::to_owned))
        .collect()
}

/// The images of `pre_start` hooks; one without an image has the service's.
fn of_hooks(service: &Value, variables: &Variables) -> Result<Vec<String>, String> {
    let hooks = service.get("pre_start").and_then(Value::as_seq);
    let mut texts = Vec::new();
    for hook in hooks.unwrap_or_default() {
        match hook.get("image") {
            None | Some(Value::Null) => {}
            Some(Value::String(text))
                if substitute(text, variables).is_ok_and(|it| it.is_empty()) => {}
            Some(Value::String(text)) => texts.push(text.clone()),
            Some(_) => {
                return Err("has a `pre_start` hook with an image that is not a text".to_owned());
            }
        }
    }
    Ok(texts)
}

/// The images that a build starts from, as far as the recipe says so.
fn of_build(build: &Value, variables: &Variables) -> Vec<String> {
    let contexts: Vec<&str> = match build.get("additional_contexts") {
        Some(Value::Map(map)) => map.values().filter_map(Value::as_str).collect(),
        Some(Value::Seq(list)) => (list.iter())
            .filter_map(|context| Some(context.as_str()?.split_once('=')?.1))
            .collect(),
        _ => Vec::new(),
    };
    let filled = contexts
        .into_iter()
        .map(|text| substitute(text, variables).unwrap_or_else(|_| text.to_owned()));
    filled
        .filter_map(|context| Some(context.strip_prefix(IMAGE_CONTEXT)?.to_owned()))
        .collect()
}

/// `[SOURCE:]TARGET[:OPTIONS]`, where variables may hold colons.
fn short_target(short: &str) -> &str {
    let mut depth = 0_usize;
    let parts = short.split(|letter: char| {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ':' && depth == 0
    });
    parts.take(2).last().unwrap_or(short)
}

#[cfg(test)]
mod tests {
    use super::super::recipe::{Images, read};

    fn images(text: &str, skip_build: bool) -> Result<Images, Vec<String>> {
        let variables = [("TAG", "7"), ("EMPTY", "")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        read(text.as_bytes(), &variables.into(), skip_build)
    }

    fn named(text: &str) -> Vec<String> {
        let found = images(text, true).unwrap().named;
        found
            .into_iter()
            .map(|(service, image)| format!("{service} {image}"))
            .collect()
    }

    #[test]
    fn the_images_of_pre_start_hooks_are_named() {
        let text = "services:\n  a:\n    image: app\n    pre_start:\n    - {image: 'init:${TAG}', command: x}\n    - {command: y}\n    \
                    - {image: '${EMPTY}'}\n    - {image: two}\n    post_start: [{command: z}]\n    pre_stop: [{command: z}]\n";
        assert_eq!(named(text), ["a app", "a init:7", "a two"]);
        let problems = images(
            "services: {a: {image: x, pre_start: [{image: 7}, {image: '${NO}'}]}}",
            false,
        );
        assert!(
            problems.unwrap_err()[0].contains("`pre_start` hook with an image that is not a text")
        );
        let problems = images(
            "services: {a: {image: x, pre_start: [{image: '${NO}'}]}}",
            false,
        );
        assert!(problems.unwrap_err()[0].contains("variable NO has no value"));
    }

    #[test]
    fn the_images_of_volumes_are_named_and_the_last_volume_of_a_target_counts() {
        let text = "services:\n  a:\n    image: app\n    volumes:\n    - {type: image, source: 'one:${TAG}', target: /one}\n    \
                    - {type: image, source: two, target: /two, image: {subpath: x}}\n    - '${X:-a:b}:/two:ro'\n    - /three\n    \
                    - {type: image, source: four, target: /three}\n    - {type: image, source: b, target: /b}\n  b: {build: .}\n";
        assert_eq!(named(text), ["a app", "a one:7", "a four"]);
    }

    #[test]
    fn services_of_providers_and_models_are_passed_over() {
        let found = images(
            "services:\n  db: {provider: {type: cloud, options: {x: y}}}\n  llm: {image: unused, provider: {type: model}}\n  \
             a: {image: app, models: [m], use_api_socket: true}\nmodels: {m: {model: ai/smollm2}}\n",
            false,
        )
        .unwrap();
        assert_eq!(found.named, [("a".to_owned(), "app".to_owned())]);
        assert_eq!(found.provided, ["db", "llm"]);
        assert_eq!(found.models, ["m"]);
    }

    #[test]
    fn the_images_that_a_passed_over_build_starts_from_are_named() {
        let text = "services:\n  a:\n    build: {context: ., additional_contexts: {base: 'docker-image://base:${TAG}', b: 'service:b', c: ../c}}\n  \
                    b: {build: {additional_contexts: ['x=docker-image://other:1', y=.]}, pre_start: [{image: init}]}\n  \
                    c: {image: c, build: {additional_contexts: ['x=docker-image://unused']}}\n";
        assert_eq!(named(text), ["a base:7", "b init", "b other:1", "c c"]);
        assert_eq!(images(text, true).unwrap().built, ["a", "b"]);
    }

    #[test]
    fn every_document_of_a_recipe_counts() {
        assert_eq!(
            named("services: {y: {image: a}, yes: {image: b}, 1: {image: c}}"),
            ["y a", "yes b", "1 c"]
        );
        let text = "services: {a: {image: 'one:${NO}'}, c: {image: c}}\n---\nservices: {b: {image: two}}\n---\n\
                    services:\n  a: {image: three, pre_start: [{image: init}]}\n  c: !reset null\n";
        assert_eq!(named(text), ["a three", "a init", "b two"]);
        let problems = images("services: {a: {image: x}}\n---\n", false).unwrap_err();
        assert!(problems[0].contains("document 2 is empty"), "{problems:?}");
    }
}
