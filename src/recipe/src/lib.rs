//! A recipe: the Compose file that an operator wants to run, the files beside it, and what it is run with.
//!
//! [`Recipe::parse`] turns the job's properties into one, or says everything that is wrong with them. [`write_files`]
//! puts it on disk. Whether Compose likes it is for Compose to say: nothing here reads a Compose file.

use bosh_job::{Paths, Problem, Problems, Secret};
use job_properties::{Instance, RecipeConfig, kind};
use serde_json::Value;

mod dotenv;
mod environment;
mod files;
pub mod labels;
mod ledger;
mod position;
mod prep;
mod profiles;
mod project;
mod reserved;
mod size;
mod tree;
mod variables;
mod write;
pub mod yaml;

pub use dotenv::{FILE_NAME as DOTENV_FILE, entries as dotenv_entries};
pub use environment::instance_environment;
pub use files::{FileOwner, FilePath, GroupName, RecipeFile, UserName};
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
    /// The profiles whose services run.
    pub profiles: Vec<String>,
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
        let profiles = problems.note_all(profiles::parse(&config.profiles));
        let files = problems.note_all(files::parse(&config.files, &config.on_duplicate_files));
        let variables = problems.note_all(Variables::parse(&config.variables));
        let prep = problems.note(Prep::parse(&config.prep));
        if let Some((files, project)) = files.as_ref().zip(project.as_ref()) {
            for problem in reserved::check_dotenv(files, project.as_str()) {
                problems.push(problem);
            }
        }
        let recipe = (|| {
            let (yaml, project, profiles) = (compose_yaml?, project?, profiles?);
            let (files, variables, prep) = (files?, variables?, prep?);
            Some(yaml.map(|compose_yaml| Self {
                compose_yaml,
                project,
                files,
                profiles,
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

    /// The whole environment for Compose and prep: [`instance_environment`], the profiles, then `variables`.
    #[must_use]
    pub fn environment(&self, paths: &Paths, instance: &Instance) -> Vec<(String, String)> {
        let mut environment = instance_environment(paths, instance);
        // also when there are none: nothing else may activate one
        environment.push(("COMPOSE_PROFILES".to_owned(), self.profiles.join(",")));
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    pub(crate) fn config() -> RecipeConfig {
        RecipeConfig {
            recipe: json!({"services": {"web": {"image": "busybox"}}}),
            project_name: json!("running"),
            profiles: json!([]),
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
            profiles: json!(["a b"]),
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
                "profiles[0]",
                "on_duplicate_files",
                "files[\"../x\"]",
                "files[\"/etc/y\"]",
                "variables.1x",
                "prep"
            ]
        );
    }

    #[test]
    fn profiles_reach_compose_and_a_file_of_variables_cannot_activate_others() {
        let recipe = Recipe::parse(&RecipeConfig {
            profiles: json!(["debug", "admin"]),
            files: json!({".env": "DOCKER_HOST=tcp://x\nCOMPOSE_PROJECT_NAME=running\nCOMPOSE_PARALLEL_LIMIT=2\nPW=hunter2"}),
            ..config()
        })
        .unwrap()
        .unwrap();
        let instance = job_fixture::rendered()["instance"].clone();
        let instance: Instance = serde_json::from_value(instance).unwrap();
        let environment = recipe.environment(&Paths::new("/x"), &instance);
        assert!(environment.contains(&("COMPOSE_PROFILES".to_owned(), "debug,admin".to_owned())));
        assert!(
            recipe
                .dotenv()
                .contains(&("PW".to_owned(), "hunter2".to_owned()))
        );
        let problems = Recipe::parse(&RecipeConfig {
            files: json!({".env": "COMPOSE_PROFILES=x\nA=1\nexport COMPOSE_PROJECT_NAME='shop'\nCOMPOSE_FILE=y.yml\nCOMPOSE_NEW=1"}),
            ..config()
        })
        .unwrap_err();
        let told: Vec<_> = problems
            .iter()
            .map(|one| (one.property.as_str(), one.hint.as_deref().unwrap()))
            .collect();
        assert!(
            told.iter()
                .all(|(property, _)| *property == "files[\".env\"]")
        );
        let hints = [
            "property `profiles`",
            "property `project_name`",
            "property `recipe`",
            "leave it out",
        ];
        assert_eq!(told.len(), hints.len(), "{told:?}");
        for ((_, told), hint) in told.iter().zip(hints) {
            assert!(told.contains(hint), "{told}");
        }
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
