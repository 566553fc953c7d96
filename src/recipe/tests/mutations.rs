//! Recipes broken at random: what is taken stays in its directory and is the YAML that was meant, what is refused is named.

use job_properties::RecipeConfig;
use recipe::{FilePath, Recipe};
use serde_json::{Map, Value, json};

const MUTATIONS: u64 = 10_000;

fn valid() -> Map<String, Value> {
    let map = json!({
        "recipe": {"services": {"web": {"image": "busybox:1", "ports": ["80:80"], "environment": {"PW": "${PW}"}}}},
        "project_name": "running",
        "profiles": ["debug"],
        "variables": {"PW": "a$b", "N": 3, "B": true},
        "files": [{"conf/app.yml": {"aa": [1, 2]}, "key": {"content": "x", "owner": "999:999", "mode": "0600"}}, {"plain": "text"}],
        "on_duplicate_files": "raise-error",
        "prep": "#!/bin/sh\nexit 0\n",
    });
    map.as_object().cloned().unwrap_or_default()
}

fn words() -> Vec<Value> {
    let names = [
        "",
        "..",
        "../x",
        "/etc/passwd",
        "a/b",
        "a",
        "conf",
        "conf/app.yml",
        "0600",
        "999:999",
        "root",
        "\0",
        "\n",
        "é",
        "override",
        "#!/bin/sh",
        "{}",
    ];
    let mut words: Vec<Value> = names.into_iter().map(Value::from).collect();
    words.extend([
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(384),
        json!(u64::MAX),
        json!(1e300),
        json!([]),
        json!({}),
        json!({"content": "x"}),
        json!({"content": null, "mode": 1}),
    ]);
    words.push(json!("x".repeat(5000)));
    words
}

/// Changes one thing somewhere in the value: a scalar, a key, an entry gone or doubled.
fn mutate(value: &mut Value, random: &mut fastrand::Rng, words: &[Value]) {
    let descend = random.f32() < 0.75;
    match value {
        Value::Object(map) if descend && !map.is_empty() => {
            let key = map
                .keys()
                .nth(random.usize(..map.len()))
                .cloned()
                .unwrap_or_default();
            match random.u8(..6) {
                0 => {
                    map.remove(&key);
                }
                1 => {
                    let moved = map.remove(&key).unwrap_or_default();
                    let name = words[random.usize(..words.len())]
                        .as_str()
                        .unwrap_or("other")
                        .to_owned();
                    map.insert(name, moved);
                }
                _ => mutate(map.get_mut(&key).unwrap_or(&mut Value::Null), random, words),
            }
        }
        Value::Array(list) if descend && !list.is_empty() => {
            let position = random.usize(..list.len());
            if random.u8(..5) == 0 {
                let doubled = list[position].clone();
                list.push(doubled);
            } else {
                mutate(&mut list[position], random, words);
            }
        }
        Value::String(text) if random.bool() => {
            let position = random.usize(..=text.chars().count());
            let at = text
                .char_indices()
                .nth(position)
                .map_or(text.len(), |(at, _)| at);
            text.insert(
                at,
                random
                    .choice(['/', '.', ':', '\0', '$', '-', 'A', '9', 'é'])
                    .unwrap_or('x'),
            );
        }
        _ => *value = words[random.usize(..words.len())].clone(),
    }
}

#[test]
fn ten_thousand_broken_recipes_are_taken_or_refused_by_name() {
    let seed = std::env::var("CONTAINERS_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(20_261_121);
    let mut random = fastrand::Rng::with_seed(seed);
    let words = words();
    let (mut shaped, mut taken) = (0, 0);
    for round in 0..MUTATIONS {
        let mut map = valid();
        for _ in 0..random.u8(1..4) {
            let name = map.keys().nth(random.usize(..map.len())).cloned().unwrap();
            mutate(map.get_mut(&name).unwrap(), &mut random, &words);
        }
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
        shaped += u64::from(config.files.is_array() || config.files.is_object());
        match Recipe::parse(&config) {
            Ok(Some(recipe)) => {
                taken += 1;
                for file in &recipe.files {
                    assert!(
                        FilePath::new(file.path.as_str()).is_ok(),
                        "seed {seed}, round {round}"
                    );
                    assert!(file.mode <= 0o777, "seed {seed}, round {round}");
                }
                if config.recipe.is_object() {
                    let text = recipe.compose_yaml.reveal();
                    let read: Value = serde_yaml::from_str(text).unwrap();
                    assert_eq!(read, config.recipe, "seed {seed}, round {round}");
                }
            }
            Ok(None) => taken += 1,
            Err(problems) => {
                for problem in &problems {
                    let name = problem.property.split(['.', '[']).next();
                    let is_known = name.is_some_and(|name| valid().contains_key(name));
                    let line = problem.to_string();
                    assert!(
                        is_known && !line.contains(char::is_control),
                        "seed {seed}, round {round}: {line:?}"
                    );
                }
            }
        }
    }
    assert!(
        shaped * 3 >= MUTATIONS,
        "only {shaped} of {MUTATIONS} got past the first step"
    );
    assert!(
        taken > 0 && taken < MUTATIONS,
        "{taken} of {MUTATIONS} were taken"
    );
}
