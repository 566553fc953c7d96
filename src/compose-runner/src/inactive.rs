//! Containers of services that the recipe still has, but whose profiles are not active any more. Compose does not count them
//! as orphans and lets them run.

use docker_engine::{Engine, Filters};
use recipe::labels;

use crate::{compose::PROJECT_LABEL, model::Model, recipe_text::RecipeText};

/// Stops and removes them; their volumes stay.
pub fn remove(
    engine: &Engine,
    project: &str,
    text: &RecipeText,
    model: &Model,
) -> docker_engine::Result<()> {
    let inactive: Vec<&str> = text
        .services()
        .filter(|service| !model.services.contains_key(*service))
        .collect();
    if inactive.is_empty() {
        return Ok(());
    }
    let project = Filters::all().label(format!("{PROJECT_LABEL}={project}"));
    for container in engine.containers(&project)? {
        let Some(service) = labels::service(&container.labels) else {
            continue;
        };
        if !inactive.contains(&service) {
            continue;
        }
        let name = container.name();
        tracing::info!(
            service,
            name,
            "no profile of the service is active, removing its container"
        );
        match engine.stop_container(&container.id, None) {
            // it went between the two calls
            Err(error) if !error.is_not_found() => return Err(error),
            _ => engine.remove_container(&container.id, true)?,
        }
    }
    Ok(())
}
