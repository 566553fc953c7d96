//! A recipe: the Compose file that an operator wants to run, the files beside it, and what it is run with.
//!
//! [`Recipe::parse`] turns the job's properties into one, or says everything that is wrong with them. [`write_files`]
//! puts it on disk. Whether Compose likes it is for Compose to say: nothing here reads a Compose file.

use bosh_job::config::{Instance, RecipeConfig};
use bosh_job::{Paths, Problem, Problems, Secret};
use serde_json::Value;

mod environment;
mod files;
mod kept;
mod ledger;
mod position;
mod prep;
mod project;
mod tree;
mod variables;
mod write;
pub mod yaml;

pub use environment::instance_environment;
pub use files::{FileOwner, FilePath, GroupName, RecipeFile, UserName};
pub use kept::{FailedConfig, KeptRecipe};
pub use position::Position;
pub use prep::Prep;
pub use project::ProjectName;
pub use variables::Variables;
pub use write::{WriteError, Written, remove_files, write_files};

/// A recipe whose properties are good. `Debug` shows none of its content: recipes carry secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The Compose file, byte for byte.
    pub compose_yaml: Secret,
    /// The Compose project.
    pub project: ProjectName,
    /// The files beside it, sorted by path.
    pub files: Vec<RecipeFile>,
    /// What Compose's interpolation finds besides the instance's values.
    pub variables: Variables,
    /// The script that runs before the services come up.
    pub prep: Option<Prep>,
}

impl Recipe {
    /// Parses the properties; `None` if there is no recipe. The other properties are checked all the same.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn parse(config: &RecipeConfig) -> Result<Option<Self>, Problems> {
        let mut problems = Problems::default();
        let compose_yaml = problems.note(compose_yaml(&config.recipe));
        let project = problems.note(ProjectName::parse(&config.project_name));
        let files = problems.note_all(files::parse(&config.files, &config.on_duplicate_files));
        let variables = problems.note_all(Variables::parse(&config.variables));
        let prep = problems.note(Prep::parse(&config.prep));
        let recipe = (|| {
            let (yaml, project, files, variables, prep) =
                (compose_yaml?, project?, files?, variables?, prep?);
            Some(yaml.map(|compose_yaml| Self {
                compose_yaml,
                project,
                files,
                variables,
                prep,
            }))
        })();
        problems.into_result(recipe)
    }

    /// Where the recipe stops being YAML; nothing if it is YAML.
    #[must_use]
    pub fn yaml_error(&self) -> Option<Position> {
        position::yaml_error(self.compose_yaml.reveal())
    }

    /// The whole environment for Compose and prep: [`instance_environment`], then `variables`.
    #[must_use]
    pub fn environment(&self, paths: &Paths, instance: &Instance) -> Vec<(String, String)> {
        let mut environment = instance_environment(paths, instance);
        environment.extend(
            self.variables
                .iter()
                .map(|(name, value)| (name.to_owned(), value.reveal().to_owned())),
        );
        environment
    }
}

/// The text of property `recipe`; `None` if it is empty.
fn compose_yaml(value: &Value) -> Result<Option<Secret>, Problem> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if matches!(text.trim(), "" | "{}") => Ok(None),
        Value::String(text) => Ok(Some(Secret::new(text.as_str()))),
        Value::Object(map) if map.is_empty() => Ok(None),
        Value::Object(_) => Ok(Some(Secret::new(yaml::document(value)))),
        other => Err(Problem::new("recipe", format!("must be a Compose file, as a map or a string, and is {}", kind(other)))
            .hint("write the Compose file's content under `recipe:`, or after `recipe: |` to have it kept byte for byte")),
    }
}

/// What kind of value it is, in an operator's words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    pub(crate) fn config() -> RecipeConfig {
        RecipeConfig {
            recipe: json!({"services": {"web": {"image": "busybox"}}}),
            project_name: json!("running"),
            variables: json!({}),
            files: Value::Null,
            on_duplicate_files: json!("raise-error"),
            prep: Value::Null,
        }
    }

    #[test]
    fn a_string_is_kept_byte_for_byte_and_a_map_becomes_yaml() {
        let text = "# mine\nservices:\n  web: {image: busybox}   \n\n";
        let recipe = Recipe::parse(&RecipeConfig {
            recipe: json!(text),
            ..config()
        })
        .unwrap()
        .unwrap();
        assert_eq!(recipe.compose_yaml.reveal(), text);
        let recipe = Recipe::parse(&config()).unwrap().unwrap();
        assert_eq!(
            recipe.compose_yaml.reveal(),
            "services:\n  web:\n    image: \"busybox\"\n"
        );
    }

    #[test]
    fn an_empty_one_is_none() {
        for recipe in [
            Value::Null,
            json!(""),
            json!(" \n"),
            json!({}),
            json!("{}\n"),
        ] {
            assert_eq!(
                Recipe::parse(&RecipeConfig {
                    recipe: recipe.clone(),
                    ..config()
                })
                .unwrap(),
                None,
                "{recipe}"
            );
        }
    }

    #[test]
    fn says_everything_that_is_wrong_at_once() {
        let problems = Recipe::parse(&RecipeConfig {
            recipe: json!([]),
            project_name: json!("Running"),
            variables: json!({"1x": "a"}),
            files: json!({"../x": "a", "/etc/y": "b"}),
            on_duplicate_files: json!("merge"),
            prep: json!({}),
        })
        .unwrap_err();
        let named: Vec<_> = problems
            .iter()
            .map(|problem| problem.property.as_str())
            .collect();
        assert_eq!(
            named,
            [
                "recipe",
                "project_name",
                "on_duplicate_files",
                "files[\"../x\"]",
                "files[\"/etc/y\"]",
                "variables.1x",
                "prep"
            ]
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        let recipe = Recipe::parse(&RecipeConfig {
            recipe: json!("a: hunter2"),
            variables: json!({"PW": "hunter2"}),
            files: json!({"x": "hunter2"}),
            prep: json!("echo hunter2"),
            ..config()
        })
        .unwrap();
        assert!(!format!("{recipe:?}").contains("hunter2"));
    }
}
