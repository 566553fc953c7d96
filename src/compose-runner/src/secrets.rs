//! Which values are kept out of what the runner says.

use std::collections::BTreeMap;

use recipe::Recipe;

use crate::{job::Job, recipe_text::RecipeText, redact::Redactor};

/// A redactor of all that Compose and `prep` get to know: `variables`, the file `.env`, and logins of registries. A value
/// that is a name in the recipe is none.
pub fn redactor(job: &Job, recipe: &Recipe) -> Redactor {
    let dotenv = recipe.dotenv();
    let dotenv = dotenv
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let variables = recipe.variables.iter();
    let variables = variables.map(|(name, value)| (name, value.reveal()));
    // the environment outweighs the file
    let found: BTreeMap<&str, &str> = dotenv.clone().chain(variables).collect();
    let mut names = RecipeText::read(recipe).names(&found);
    names.insert(recipe.project.as_str().to_owned());
    // Wrong settings of dockerd are told elsewhere.
    let daemon = job.config.daemon().ok();
    let logins = daemon.iter().flat_map(|daemon| daemon.registries.logins());
    let passwords = logins.map(|(_, login)| login.password.reveal());
    let values = dotenv.map(|(_, value)| value).chain(found.into_values());
    Redactor::sparing(values.chain(passwords), &names)
}
