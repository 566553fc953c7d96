//! The recipe's properties: what is taken stays in its directory and is YAML as it was meant; what is refused is named.
#![no_main]

use bosh_job::Problems;
use fuzz::check_message;
use job_properties::RecipeConfig;
use libfuzzer_sys::fuzz_target;
use recipe::{FilePath, Recipe, dotenv_entries, yaml};
use serde_json::Value;

fuzz_target!(|text: &[u8]| {
    let Ok(Value::Object(mut map)) = serde_json::from_slice(text) else {
        return check_text(&String::from_utf8_lossy(text));
    };
    let mut property = |name: &str| map.remove(name).unwrap_or_default();
    let config = RecipeConfig {
        recipe: property("recipe"),
        project_name: property("project_name"),
        profiles: property("profiles"),
        variables: property("variables"),
        files: property("files"),
        on_duplicate_files: property("on_duplicate_files"),
        prep: property("prep"),
    };
    check_document(&config.recipe);
    match Recipe::parse(&config) {
        Ok(None) => {}
        Ok(Some(recipe)) => check(&config, &recipe),
        Err(problems) => check_problems(&problems),
    }
});

fn check(config: &RecipeConfig, recipe: &Recipe) {
    for file in &recipe.files {
        let path = file.path.as_str();
        assert!(FilePath::new(path).is_ok(), "{path:?}");
        assert!(
            path.split('/').all(|part| !matches!(part, "" | "." | "..")),
            "{path:?}"
        );
        assert!(file.mode <= 0o777, "{path:?}");
    }
    let mut paths: Vec<&str> = recipe.files.iter().map(|file| file.path.as_str()).collect();
    paths.dedup();
    assert_eq!(paths.len(), recipe.files.len(), "a path stands there twice");
    if let Value::Object(_) = config.recipe {
        let read: Value = serde_yaml::from_str(recipe.compose_yaml.reveal()).expect("YAML");
        assert_eq!(read, config.recipe);
    }
    if let Some(position) = recipe.yaml_error() {
        assert!(
            position.line
                <= recipe
                    .compose_yaml
                    .reveal()
                    .split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
                    .count()
                    + 1
        );
    }
    for (name, value) in recipe.variables.iter() {
        assert!(!name.is_empty() && !name.contains(['=', '\0']) && !value.reveal().contains('\0'));
    }
    if let Some(prep) = &recipe.prep {
        assert!(prep.text().starts_with("#!"));
    }
    assert!(
        recipe
            .profiles
            .iter()
            .all(|profile| !profile.is_empty() && !profile.contains(','))
    );
}

/// Each problem names a property, on one line.
fn check_problems(problems: &Problems) {
    assert!(problems.iter().next().is_some());
    for problem in problems {
        assert!(!problem.property.is_empty() && !problem.what.is_empty());
        check_message(&problem.to_string(), "property `");
    }
}

/// Whatever JSON it is, as YAML it is the same.
fn check_document(value: &Value) {
    let text = yaml::document(value);
    let read: Value = serde_yaml::from_str(&text).expect("YAML");
    assert_eq!(&read, value, "{text}");
}

fn check_text(text: &str) {
    for (name, value) in dotenv_entries(text) {
        assert!(!name.contains(['=', ':', '\n']), "{name:?}");
        assert!(value.len() <= text.len());
    }
    let config = RecipeConfig {
        recipe: text.into(),
        project_name: "running".into(),
        profiles: Value::Null,
        variables: Value::Object(serde_json::Map::new()),
        files: Value::Null,
        on_duplicate_files: "raise-error".into(),
        prep: text.into(),
    };
    match Recipe::parse(&config) {
        Ok(Some(recipe)) => {
            assert_eq!(recipe.compose_yaml.reveal(), text, "kept byte for byte");
            check(&config, &recipe);
        }
        Ok(None) => assert!(matches!(text.trim(), "" | "{}")),
        Err(problems) => check_problems(&problems),
    }
}
