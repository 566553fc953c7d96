//! All images of a recipe that are no service's own, and other images in their places.

use std::collections::{BTreeMap, BTreeSet};

use docker_engine::Engine;
use serde_json::{Value, json};

use crate::{model::Model, other_images::kept_name};
use state_files::ImageMap;

/// All of a recipe, by the names that it uses.
pub fn all(model: &Model) -> BTreeSet<&str> {
    let services = model.services.values();
    let places = services.flat_map(|service| &service.other_images.places);
    places.map(|(_, image)| image.as_str()).collect()
}

/// The images whose names the engine cannot resolve, or which stand for something else than they did in the kept recipe, and
/// what is to be put in their place.
pub fn overrides(
    model: &Model,
    brought: &ImageMap,
    kept: Option<&BTreeMap<String, String>>,
    engine: &Engine,
) -> docker_engine::Result<BTreeMap<String, String>> {
    let mut overrides = BTreeMap::new();
    for image in all(model) {
        let found = engine.inspect_image(image)?.map(|found| found.id);
        let kept = kept.and_then(|kept| kept.get(&kept_name(image)));
        let wanted = match (kept, &found) {
            (Some(kept), found) if found.as_ref() != Some(kept) => Some(kept.as_str()),
            (None, None) => brought.resolve(image),
            _ => None,
        };
        if let Some(wanted) = wanted {
            overrides.insert(image.to_owned(), wanted.to_owned());
        }
    }
    Ok(overrides)
}

/// Puts other images in the places of these. Compose appends to a list of hooks, unless a tag of YAML says that it is to be
/// replaced; so this returns what is to be put in the place of each text in the document.
pub fn add_to(
    document: &mut Value,
    model: &Model,
    overrides: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    let resolved = |value: &Value| overrides.get(value.as_str()?);
    for (name, service) in &model.services {
        let others = &service.other_images;
        let mut volumes = Vec::new();
        for volume in &others.volumes {
            if let Some(image) = resolved(&volume["source"]) {
                let mut volume = volume.clone();
                volume["source"] = json!(image);
                volumes.push(volume);
            }
        }
        if !volumes.is_empty() {
            document["services"][name]["volumes"] = json!(volumes);
        }
        let hooks = others.hooks.as_ref();
        let hooks = hooks.and_then(|hooks| serde_json::from_str::<Vec<Value>>(hooks.reveal()).ok());
        let mut hooks = hooks.unwrap_or_default();
        let mut is_changed = false;
        for hook in &mut hooks {
            if let Some(image) = resolved(&hook["image"]) {
                hook["image"] = json!(image);
                is_changed = true;
            }
            if let Some(hook) = hook.as_object_mut() {
                // what Compose writes of a command that is not there is no command to it
                hook.retain(|_, value| !value.is_null());
            }
        }
        if is_changed {
            let placeholder = format!("hooks of {name}");
            texts.insert(
                json!(placeholder).to_string(),
                format!("!override {}", json!(hooks)),
            );
            document["services"][name]["pre_start"] = json!(placeholder);
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::other_images::OtherImages;

    fn model() -> Model {
        let text = json!({"services": {
            "web": {"image": "app:1", "pre_start": [
                {"command": ["a", "$$HOME"], "image": "app:1"},
                {"command": null, "image": "migrate@sha256:1", "environment": {"PW": "hunter2"}},
            ], "volumes": [
                {"type": "image", "source": "data:1", "target": "/data", "image": {"subpath": "x"}},
                {"type": "volume", "source": "v", "target": "/v"},
            ]},
            "db": {"image": "db", "pre_start": [{"command": ["b"]}]},
        }});
        Model::parse(text.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn hooks_with_an_image_of_their_own_and_mounted_images_are_a_service_s_other_images() {
        let model = model();
        let places: Vec<String> = model.services["web"]
            .other_images
            .places
            .iter()
            .map(|(place, image)| format!("{place}: {image}"))
            .collect();
        assert_eq!(
            places,
            [
                "hook pre_start[1]: migrate@sha256:1",
                "volume /data: data:1"
            ]
        );
        assert_eq!(model.services["db"].other_images, OtherImages::default());
        assert!(!format!("{model:?}").contains("hunter2"));
    }

    #[test]
    fn an_override_replaces_the_list_of_hooks_and_the_volume_at_the_same_place() {
        let overrides = [("migrate@sha256:1", "sha256:2"), ("data:1", "sha256:3")];
        let overrides = overrides.map(|(name, id)| (name.to_owned(), id.to_owned()));
        let mut document = json!({"services": {}});
        let texts = add_to(&mut document, &model(), &overrides.into());
        assert_eq!(
            document["services"]["web"],
            json!({"pre_start": "hooks of web", "volumes": [
                {"type": "image", "source": "sha256:3", "target": "/data", "image": {"subpath": "x"}},
            ]})
        );
        let hooks = texts["\"hooks of web\""]
            .strip_prefix("!override ")
            .unwrap();
        let hooks: Value = serde_json::from_str(hooks).unwrap();
        assert_eq!(
            hooks,
            json!([{"command": ["a", "$$HOME"], "image": "app:1"}, {"image": "sha256:2", "environment": {"PW": "hunter2"}}])
        );
        let mut nothing = json!({"services": {}});
        assert!(add_to(&mut nothing, &model(), &BTreeMap::new()).is_empty());
        assert_eq!(nothing, json!({"services": {}}));
    }
}
