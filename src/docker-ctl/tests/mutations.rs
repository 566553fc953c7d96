//! Configurations broken at random: each is taken, or refused with the properties that are wrong, on a line each.

use job_properties::JobConfig;
use recipe::Recipe;
use serde_json::{Value, json};

mod support;

const MUTATIONS: u32 = 10_000;

fn sample() -> Value {
    let mut value = job_fixture::rendered();
    value["links"]["registry"] = json!({
        "address": "q-s0.registry.default.site.bosh", "instances": ["10.0.0.5", "fd00::5"], "port": 5000,
        "ca": include_str!("data/registry-ca.pem"), "upstreams": ["docker.io", "quay.io"], "frozen": true,
    });
    let properties = &mut value["properties"];
    properties["registry_client"] = json!({
        "certificate": include_str!("data/cert.pem"), "private_key": include_str!("data/key.pem"), "host": "r.internal",
    });
    properties["recipe"] = json!({"services": {"web": {"image": "x", "ports": ["80:80"]}}});
    properties["files"] =
        json!([{"a/b": {"content": "c", "owner": "1:2", "mode": "0600"}}, {"d": "e"}]);
    properties["variables"] = json!({"PW": "a$b"});
    properties["bind"] = json!("10.0.0.4:2376");
    properties["tls_cacert"] = json!(include_str!("data/cert.pem"));
    properties["tls_cert"] = json!(include_str!("data/cert.pem"));
    properties["tls_key"] = json!(include_str!("data/key.pem"));
    properties["insecure-registries"] = json!(["r:5000", "10.9.0.0/16", "[fd00::4]:5000"]);
    properties["registries"] = json!([{"address": "r:1", "username": "u", "password": "p"}]);
    properties["registry_mirrors"] = json!(["https://m.example:1/hub"]);
    properties["env"]["http_proxy"] = json!("http://u:p@proxy.example:3128");
    properties["env"]["no_proxy"] = json!("a,.b");
    properties["default_ulimits"] = json!(["nofile=1:2"]);
    properties["log_options"] = json!(["max-size=1m"]);
    properties["daemon"] = json!({"features": {"buildkit": true}});
    properties["image_store"] = json!("containerd");
    properties["bip"] = json!("10.200.0.1/24");
    properties["default_address_pools"] =
        json!([{"base": "10.201.0.0/16", "size": 24}, {"base": "fd00:1::/48", "size": 64}]);
    properties["mtu"] = json!(1400);
    properties["dns_servers"] = json!(["169.254.0.2", "fd00::2"]);
    properties["dns_search"] = json!(["a.example"]);
    properties["dns_options"] = json!(["timeout:2"]);
    value
}

/// Changes one value somewhere.
fn mutate_value(value: &mut Value, random: &mut fastrand::Rng) {
    let deeper = random.u8(..5) > 0;
    match value {
        Value::Object(map) if deeper && !map.is_empty() => {
            let position = random.usize(..map.len());
            if let Some(entry) = map.values_mut().nth(position) {
                mutate_value(entry, random);
            }
        }
        Value::Array(list) if deeper && !list.is_empty() => {
            let position = random.usize(..list.len());
            mutate_value(&mut list[position], random);
        }
        Value::String(text) if deeper => {
            let mut characters: Vec<char> = text.chars().collect();
            let position = random.usize(..=characters.len());
            characters.insert(
                position,
                random
                    .choice(['0', ':', '/', '.', '[', '-', '@', '\0', '\n', 'A', 'é'])
                    .unwrap_or('x'),
            );
            *text = characters.into_iter().collect();
        }
        _ => {
            let others = [
                json!(null),
                json!(true),
                json!(-1),
                json!(0),
                json!(65_536),
                json!(1e300),
                json!(u64::MAX),
                json!(""),
                json!([]),
                json!({}),
                json!([[]]),
                json!({"content": {}}),
            ];
            *value = others[random.usize(..others.len())].clone();
        }
    }
}

/// Changes a few bytes of the text.
fn mutate_text(value: &Value, random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = value.to_string().into_bytes();
    for _ in 0..random.u8(1..4) {
        if bytes.is_empty() {
            break;
        }
        let position = random.usize(..bytes.len());
        match random.u8(..4) {
            0 => bytes.truncate(position.max(1)),
            // something must be left to change
            1 if bytes.len() > 1 => {
                bytes.remove(position);
            }
            2 => bytes.insert(position, random.u8(..)),
            _ => bytes[position] = random.u8(b' '..b'~'),
        }
    }
    bytes
}

#[test]
fn ten_thousand_broken_configurations_are_taken_or_refused() {
    let seed = std::env::var("CONTAINERS_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(20_261_121);
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut json, mut refused) = (0, 0);
    let sample = sample();
    for round in 0..MUTATIONS {
        let bytes = if random.u8(..3) == 0 {
            mutate_text(&sample, &mut random)
        } else {
            let mut value = sample.clone();
            for _ in 0..random.u8(1..4) {
                mutate_value(&mut value, &mut random);
            }
            value.to_string().into_bytes()
        };
        let Ok(value) = serde_json::from_slice::<Value>(&bytes) else {
            continue;
        };
        json += 1;
        let Ok(config) = JobConfig::from_value(value) else {
            refused += 1;
            continue;
        };
        let problems = [
            config.daemon().err(),
            config.supervision().err(),
            config.log_level().err(),
            Recipe::parse(&config.recipe).err(),
        ];
        for problem in problems.iter().flatten().flatten() {
            let name = problem
                .property
                .split(['.', '['])
                .next()
                .unwrap_or_default();
            let line = problem.to_string();
            let is_known = sample["properties"].get(name).is_some()
                || problem.property.contains(" of link `registry`");
            assert!(
                is_known && !problem.what.is_empty(),
                "seed {seed}, round {round}: {line:?}"
            );
            assert!(!line.contains(char::is_control), "{line:?}");
        }
        refused += u32::from(problems.iter().any(Option::is_some));
    }
    assert!(
        json * 3 >= MUTATIONS,
        "only {json} of {MUTATIONS} were JSON"
    );
    assert!(
        refused > 0 && refused < json,
        "{refused} of {json} were refused"
    );
}
