//! Images that a recipe names by a digest that the engine cannot resolve, and that image-importer brought.

use std::collections::BTreeMap;

use docker_engine::Engine;
use state_files::ImageMap;

use crate::model::Model;

/// The image of each service whose own name for it the engine does not know.
pub fn overrides(
    brought: &ImageMap,
    model: &Model,
    engine: &Engine,
) -> docker_engine::Result<BTreeMap<String, String>> {
    let mut overrides = BTreeMap::new();
    for (name, service) in &model.services {
        if let Some(image) = &service.image
            && let Some(digest) = brought.resolve(image)
            && engine.inspect_image(image)?.is_none()
        {
            overrides.insert(name.clone(), digest.to_owned());
        }
    }
    Ok(overrides)
}
