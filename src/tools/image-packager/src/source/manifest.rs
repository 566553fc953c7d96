//! The images of every recipe in a BOSH manifest.

use bosh_manifest::{InterpolateOptions, Value, interpolate};

use super::recipe::{self, Images};
use super::variables::Variables;

/// The job whose property `recipe` is a Compose file.
const JOB: &str = "docker";

/// A recipe, by where it stands in the manifest.
#[derive(Clone, Debug)]
pub struct Found {
    /// `instance group …` or `addon …`.
    pub place: String,
    /// What the recipe names.
    pub images: Images,
}

/// Interpolates a manifest and reads the recipe of each job `docker` in it.
///
/// # Errors
/// All that is wrong, a message each.
pub fn read(options: &InterpolateOptions, skip_build: bool) -> Result<Vec<Found>, Vec<String>> {
    let manifest = interpolate(options).map_err(|error| vec![error.to_string()])?;
    recipes(&manifest, skip_build)
}

fn recipes(manifest: &Value, skip_build: bool) -> Result<Vec<Found>, Vec<String>> {
    let mut found = Vec::new();
    let mut problems = Vec::new();
    for (list, kind) in [("instance_groups", "instance group"), ("addons", "addon")] {
        for group in seq(manifest, list) {
            let name = group.get("name").and_then(Value::as_str).unwrap_or("?");
            let place = format!("{kind} `{name}`");
            let jobs = seq(group, "jobs").iter();
            for job in jobs.filter(|job| job.get("name").and_then(Value::as_str) == Some(JOB)) {
                match job_images(job, skip_build) {
                    Ok(Some(images)) => found.push(Found {
                        place: place.clone(),
                        images,
                    }),
                    Ok(None) => {}
                    Err(more) => problems.extend(
                        more.into_iter()
                            .map(|problem| format!("{place}: {problem}")),
                    ),
                }
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    if found.is_empty() {
        return Err(vec![format!("no job `{JOB}` in it has a recipe")]);
    }
    Ok(found)
}

/// The images of a job's recipe; nothing if it has none.
fn job_images(job: &Value, skip_build: bool) -> Result<Option<Images>, Vec<String>> {
    let Some(properties) = job.get("properties") else {
        return Ok(None);
    };
    let variables = variables(properties);
    match properties.get("recipe") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim_start().starts_with("((") => Err(vec![format!(
            "the recipe is the variable {}; give it a value with -v or -l",
            text.trim()
        )]),
        Some(Value::String(text)) => {
            recipe::read(text.as_bytes(), &variables, skip_build).map(Some)
        }
        Some(recipe) => recipe::images(recipe, &variables, skip_build).map(Some),
    }
}

/// Property `variables`: on the VM, Compose knows these and the instance's values, not the environment here.
fn variables(properties: &Value) -> Variables {
    let map = properties.get("variables").and_then(Value::as_map);
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Seq(_) | Value::Map(_) => None,
    };
    (map.into_iter().flatten())
        .filter_map(|(name, value)| Some((name.as_str()?.to_owned(), text(value)?)))
        .collect()
}

fn seq<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_seq).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, Vec<String>> {
        let found = recipes(&bosh_manifest::parse(text.as_bytes()).unwrap(), false)?;
        let shown = found.iter().flat_map(|found| {
            (found.images.named.iter())
                .map(|(service, image)| format!("{}: {service} {image}", found.place))
        });
        Ok(shown.collect())
    }

    #[test]
    fn reads_recipes_that_are_texts_and_recipes_that_are_maps() {
        let images = read(
            "instance_groups:\n\
             - name: one\n  jobs:\n  - name: docker\n    properties:\n      variables: {TAG: 7}\n      recipe: |\n        services:\n          a: {image: 'redis:${TAG}'}\n  - name: other\n    properties: {recipe: x}\n\
             - name: two\n  jobs:\n  - name: docker\n    properties: {recipe: {services: {b: {image: nginx}}}}\n\
             - {name: three, jobs: [{name: docker}]}\n\
             addons:\n- name: more\n  jobs: [{name: docker, properties: {recipe: {services: {c: {image: vault}}}}}]\n",
        );
        assert_eq!(
            images.unwrap(),
            [
                "instance group `one`: a redis:7",
                "instance group `two`: b nginx",
                "addon `more`: c vault"
            ]
        );
    }

    #[test]
    fn says_where_something_is_wrong() {
        let problems = read(
            "instance_groups:\n- {name: one, jobs: [{name: docker, properties: {recipe: ((recipe))}}]}\n\
             - {name: two, jobs: [{name: docker, properties: {recipe: {services: {a: {image: 'x:((tag))'}}}}}]}\n",
        )
        .unwrap_err();
        assert!(
            problems[0].starts_with("instance group `one`: the recipe is the variable ((recipe))"),
            "{problems:?}"
        );
        assert!(
            problems[1].starts_with("instance group `two`: service `a`"),
            "{problems:?}"
        );
        assert_eq!(
            read("instance_groups: []").unwrap_err(),
            ["no job `docker` in it has a recipe"]
        );
    }
}
