//! Containers of services that the recipe still has, but whose profiles are not active any more. Compose does not count them
//! as orphans and lets them run.

use docker_engine::{Engine, Filters};

use crate::{
    compose::{ONE_OFF_LABEL, PROJECT_LABEL, SERVICE_LABEL},
    model::Model,
    recipe_text::RecipeText,
};

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
        let labels = &container.labels;
        let is_one_off = labels
            .get(ONE_OFF_LABEL)
            .is_some_and(|one_off| one_off.eq_ignore_ascii_case("true"));
        let Some(service) = labels.get(SERVICE_LABEL) else {
            continue;
        };
        if is_one_off || !inactive.contains(&service.as_str()) {
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
