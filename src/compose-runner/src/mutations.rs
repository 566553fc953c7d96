//! Mutations of a valid recipe and of what Compose writes of it, through everything here that reads them: what is said of them is
//! of their own services and properties, and enough of them must get past the first step to reach the rest.

use std::{collections::BTreeMap, path::Path};

use job_properties::JobConfig;
use recipe::Recipe;
use serde_json::{Value, json};

use crate::{
    model::{Model, tests::CONFIG},
    mounts::{Outside, RecipeFiles, Texts},
    ports,
    preflight::{message, service_in},
    volume_options,
};

const ROUNDS: usize = 10_000;

/// Something odd of each kind.
fn odd(random: &mut fastrand::Rng) -> Value {
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(65_536),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!("$$"),
        json!("0"),
        json!("../../x"),
        json!("/"),
        json!("8000-"),
        json!("-"),
        json!("99999-1"),
        json!("1-65535"),
        json!("::"),
        json!("\u{0}\u{7f}é"),
        json!([]),
        json!({}),
        json!([[[]]]),
        json!({"": ""}),
        json!([null, "a", {"source": "c1"}]),
        json!("x".repeat(5000)),
    ];
    values[random.usize(..values.len())].clone()
}

/// Changes one place of a document: another value, gone, doubled, or moved under another name.
fn mutate(value: &mut Value, random: &mut fastrand::Rng) {
    match value {
        Value::Object(map) if !map.is_empty() && random.u8(..) > 16 => {
            let key = map.keys().nth(random.usize(..map.len())).unwrap().clone();
            match random.u8(..12) {
                0 => drop(map.remove(&key)),
                1 => {
                    let moved = map.remove(&key).unwrap();
                    map.insert(format!("{key}$"), moved);
                }
                2 => drop(map.insert(key, odd(random))),
                _ => mutate(map.get_mut(&key).unwrap(), random),
            }
        }
        Value::Array(list) if !list.is_empty() && random.u8(..) > 16 => {
            let at = random.usize(..list.len());
            match random.u8(..12) {
                0 => drop(list.remove(at)),
                1 => list.push(list[at].clone()),
                2 => list[at] = odd(random),
                _ => mutate(&mut list[at], random),
            }
        }
        other => *other = odd(random),
    }
}

/// Changes one byte, cuts the text short, or doubles a part of it.
fn damage(text: &mut Vec<u8>, random: &mut fastrand::Rng) {
    let at = random.usize(..text.len());
    match random.u8(..4) {
        0 => text.truncate(at),
        1 => text[at] = random.u8(..),
        2 => text.insert(at, b"{}[]\",:$\\"[random.usize(..9)]),
        _ => {
            let part = text[at..(at + 20).min(text.len())].to_vec();
            text.splice(at..at, part);
        }
    }
}

#[test]
fn whatever_compose_writes_the_checks_speak_of_its_own_services() {
    let mut random = fastrand::Rng::with_seed(7);
    let directory = tempfile::tempdir().unwrap();
    let paths = bosh_job::Paths::new(directory.path().join("vcap"));
    std::fs::create_dir_all(paths.compose_dir()).unwrap();
    let files = RecipeFiles {
        directory: directory.path(),
        written: BTreeMap::from([(Path::new("files/a"), String::new())]),
        outside: Outside {
            root: paths.root(),
            socket: paths.socket(),
        },
        texts: Texts {
            paths: &paths,
            environment: &[],
        },
    };
    let text = CONFIG.replace("/srv/running", directory.path().to_str().unwrap());
    let original: Value = serde_json::from_str(&text).unwrap();
    let mut read = 0;
    for round in 0..ROUNDS {
        let mutated = if round % 2 == 0 {
            let mut value = original.clone();
            for _ in 0..random.usize(1..4) {
                mutate(&mut value, &mut random);
            }
            value.to_string().into_bytes()
        } else {
            let mut bytes = text.clone().into_bytes();
            damage(&mut bytes, &mut random);
            bytes
        };
        let Ok(model) = Model::parse(&mutated) else {
            continue;
        };
        read += 1;
        let mut errors = files.missing(&model);
        // A source that is not there is an error.
        if let Ok(overrides) = files.override_file(&model, &BTreeMap::new()) {
            let services = overrides["services"].as_object();
            let mut names = services.into_iter().flat_map(|services| services.keys());
            assert!(names.all(|name| model.services.contains_key(name)));
        }
        if round % 20 == 0 {
            assert!(volume_options::check(&model, &[]).is_empty());
            let holders = ports::Holders {
                containers: &[],
                projects: &["running"],
                engine: None,
            };
            errors.extend(ports::check(&model, &holders));
        }
        for error in errors {
            let service = error.service.as_deref();
            let is_known = |name: &str| model.services.contains_key(name);
            assert!(
                !error.what.is_empty() && service.is_none_or(is_known),
                "{error:?}"
            );
        }
    }
    assert!(
        read >= ROUNDS / 3,
        "only {read} of {ROUNDS} were read at all"
    );
}

#[test]
fn whatever_the_properties_are_each_problem_names_one() {
    let mut random = fastrand::Rng::with_seed(11);
    let map = json!({
        "services": {"web": {"image": "busybox:1", "ports": ["80:80"], "environment": {"A": "${PW}"}, "volumes": ["./x:/x"]}},
        "volumes": {"data": {}}, "configs": {"c": {"file": "./x"}},
    });
    let string = json!(
        "services:\n  web:\n    image: busybox:1\n    ports: ['80:80']\nvolumes:\n  data: {}\n"
    );
    let properties = |recipe: &Value| {
        let mut properties = job_fixture::rendered()["properties"].take();
        properties["recipe"] = recipe.clone();
        properties["variables"] = json!({"PW": "a$b", "N": 7});
        properties["files"] =
            json!({"x": "y", "conf/z": {"content": "1", "owner": "root", "mode": "0600"}});
        properties["prep"] = "#!/bin/sh\ntrue\n".into();
        properties
    };
    let maps = [properties(&map), properties(&string)];
    let mut rendered = job_fixture::rendered();
    let mut read = 0;
    for round in 0..ROUNDS {
        let mut changed = maps[round % 2].clone();
        if round % 4 == 1 {
            // The string form, a byte of it changed.
            let mut bytes = changed["recipe"].as_str().unwrap().as_bytes().to_vec();
            damage(&mut bytes, &mut random);
            changed["recipe"] = String::from_utf8_lossy(&bytes).into_owned().into();
        } else {
            mutate(&mut changed, &mut random);
        }
        rendered["properties"] = changed;
        let Ok(config) = JobConfig::from_value(rendered.clone()) else {
            continue;
        };
        let problems = match Recipe::parse(&config.recipe) {
            Ok(Some(_)) => {
                read += 1;
                None
            }
            Ok(None) => None,
            Err(problems) => Some(problems),
        };
        let of_supervision = config.supervision().err();
        for problem in problems.iter().chain(&of_supervision).flatten() {
            let name = problem.property.split(['.', '[']).next().unwrap();
            assert!(maps[0].get(name).is_some(), "{problem}");
        }
    }
    assert!(
        read >= ROUNDS / 3,
        "only {read} of {ROUNDS} were read at all"
    );
}

#[test]
fn a_service_that_is_found_in_words_of_compose_stands_there() {
    let mut random = fastrand::Rng::with_seed(13);
    let lines = [
        "time=\"2026-11-20T16:03:31Z\" level=warning msg=\"The \\\"NOPE\\\" variable is not set\"",
        "validating /x/docker-compose.yml: services.web Additional property imag is not allowed",
        "service \"web\" depends on undefined service \"nope\": invalid compose project",
    ];
    for round in 0..ROUNDS {
        let mut bytes = lines[round % lines.len()].as_bytes().to_vec();
        damage(&mut bytes, &mut random);
        let line = String::from_utf8_lossy(&bytes);
        let message = message(&line);
        assert!(line.contains(message));
        if let Some(service) = service_in(message) {
            let named = ["service \"", "services."].map(|word| format!("{word}{service}"));
            assert!(named.iter().any(|named| message.contains(named)), "{line}");
        }
    }
}
