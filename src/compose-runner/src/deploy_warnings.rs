//! What an operator should know of a recipe that runs all the same: variables that are not set, a project's name that does
//! not count, health checks that come too late.

use std::collections::BTreeSet;

use bosh_job::ErrorReport;
use docker_engine::Engine;
use recipe::Recipe;

use crate::{failure::error, first_check, job::Settings, model::Model, recipe_text::RecipeText};

/// All of it, as far as it can be said of a recipe that Compose refuses, and has no model.
pub fn of(
    recipe: &Recipe,
    environment: &[(String, String)],
    model: Option<&Model>,
    engine: &Engine,
    settings: &Settings,
) -> Vec<ErrorReport> {
    let text = RecipeText::read(recipe);
    let start_timeout = settings.supervision.start_timeout;
    let mut warnings = unset_variables(&text, recipe, environment, model);
    warnings.extend(other_project(&text, recipe));
    if let Some(model) = model {
        warnings.extend(first_check::too_late(model, engine, start_timeout));
    }
    warnings
}

/// Compose puts nothing in their place, and says so in its log alone.
fn unset_variables(
    text: &RecipeText,
    recipe: &Recipe,
    environment: &[(String, String)],
    model: Option<&Model>,
) -> Vec<ErrorReport> {
    let dotenv = recipe.dotenv();
    let set: BTreeSet<&str> = environment
        .iter()
        .chain(&dotenv)
        .map(|(name, _)| name.as_str())
        // Compose sets it itself
        .chain(["COMPOSE_PROJECT_NAME"])
        .collect();
    let mut unset = text.variables();
    // in files that the recipe includes
    for name in model.iter().flat_map(|model| &model.unset_variables) {
        unset.entry(name.clone()).or_default();
    }
    unset
        .into_iter()
        .filter(|(name, _)| !set.contains(name.as_str()))
        .map(|(name, places)| {
            let places: Vec<String> = places.into_iter().collect();
            let place = if places.is_empty() {
                String::new()
            } else {
                format!(" ({})", places.join(", "))
            };
            let mut found = error(format!(
                "the recipe{place} uses variable {name}, which is not set: Compose puts nothing in its place"
            ));
            found.property = Some("variables".to_owned());
            found.hint = Some(format!(
                "set it in `variables`, or write `${{{name}:-}}` if it may be empty, and `$${name}` if the container is to see `${name}`"
            ));
            found
        })
        .collect()
}

/// `name:` at the top of the recipe.
fn other_project(text: &RecipeText, recipe: &Recipe) -> Option<ErrorReport> {
    let project = &recipe.project;
    let name = text.project().filter(|name| *name != project.as_str())?;
    let mut found = error(format!(
        "the recipe's `name: {name}` does not count: the Compose project is {project}, by property `project_name`"
    ));
    found.causes = vec![format!(
        "containers, networks and volumes are called {project}-… and {project}_…, and ${{COMPOSE_PROJECT_NAME}} is {project}"
    )];
    found.property = Some("project_name".to_owned());
    found.hint = Some(format!(
        "remove `name:` from the recipe, or set `project_name` to it before there are data: named volumes carry the project's name, and those of {project} stay behind under the old one"
    ));
    Some(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn recipe(text: &str) -> Recipe {
        let mut config = job_fixture::rendered();
        config["properties"]["recipe"] = json!(text);
        config["properties"]["variables"] = json!({"SET": "x"});
        config["properties"]["files"] = json!({".env": "FROM_FILE=1"});
        let config = job_properties::JobConfig::from_value(config).unwrap();
        Recipe::parse(&config.recipe).unwrap().unwrap()
    }

    #[test]
    fn each_variable_that_is_not_set_is_told_once_with_its_places() {
        let text = "services:\n  a: {image: '${SET}${FROM_FILE}${COMPOSE_PROJECT_NAME}$MISSING', command: '$MISSING $$NOT ${D:-x}'}\n  b: {hostname: '${MISSING}'}\n";
        let recipe = recipe(text);
        let environment = [("SET".to_owned(), "x".to_owned())];
        let model = Model {
            unset_variables: ["INCLUDED".to_owned(), "MISSING".to_owned()].into(),
            ..Model::default()
        };
        let found = unset_variables(
            &RecipeText::read(&recipe),
            &recipe,
            &environment,
            Some(&model),
        );
        let told: Vec<_> = found.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(
            told,
            [
                "the recipe uses variable INCLUDED, which is not set: Compose puts nothing in its place",
                "the recipe (service a, service b) uses variable MISSING, which is not set: Compose puts nothing in its place",
            ]
        );
        assert!(found[1].hint.as_ref().unwrap().contains("`${MISSING:-}`"));
    }

    #[test]
    fn a_name_that_is_not_the_projects_is_told() {
        let named = |name: &str| {
            let recipe = recipe(&format!("{name}\nservices: {{a: {{image: x}}}}\n"));
            other_project(&RecipeText::read(&recipe), &recipe).map(|one| one.what)
        };
        assert_eq!(named(""), None);
        assert_eq!(named("name: running"), None);
        assert_eq!(
            named("name: shop").unwrap(),
            "the recipe's `name: shop` does not count: the Compose project is running, by property `project_name`"
        );
    }
}
