//! Manifests with random damage: whatever comes of it, the loader ends, soon and with bounded memory.

#![allow(
    clippy::unwrap_used,
    reason = "a helper that cannot go on fails the test"
)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bosh_manifest::ops::read_ops;
use bosh_manifest::{Value, parse, to_json, to_yaml};

const MUTATIONS: usize = 10_000;
const SEED: u64 = 0x0b05;
const PIECES: [&str; 44] = [
    "!",
    "!!str ",
    "!!int ",
    "!a,",
    "!<",
    "&a ",
    "*a",
    "<<: ",
    "- ",
    "? ",
    ": ",
    ":",
    "|",
    "|+",
    "|-",
    ">",
    "|2",
    "[",
    "]",
    "{",
    "}",
    ",",
    "'",
    "\"",
    "\\",
    "\\x4",
    "\n",
    "\n  ",
    "\t",
    "\r",
    "#",
    " #",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "%",
    "@",
    "é",
    "\u{2028}",
    "\u{feff}",
    "\0",
    "0x",
    "((a))",
    "~",
];

#[test]
fn mutated_manifests_neither_panic_nor_hang_nor_grow() {
    let seeds = seeds();
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut parsed = 0;
    for _ in 0..MUTATIONS {
        let text = mutated(random.choice(&seeds).unwrap(), &mut random);
        let started = Instant::now();
        let outcome = parse(&text);
        // Ops files are read into fields, which is another way through the nodes.
        let _ = read_ops("ops.yml", &text);
        if let Ok(value) = outcome {
            parsed += 1;
            assert!(
                nodes(&value) < 100 * (text.len() + 10),
                "{}",
                String::from_utf8_lossy(&text)
            );
            let written = to_yaml(&value);
            assert_eq!(
                to_yaml(&parse(written.as_bytes()).unwrap()),
                written,
                "{}",
                String::from_utf8_lossy(&text)
            );
            let _ = to_json(&value);
        }
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{}",
            String::from_utf8_lossy(&text)
        );
    }
    assert!(
        parsed * 3 >= MUTATIONS,
        "only {parsed} of {MUTATIONS} were YAML"
    );
}

#[test]
fn refuses_a_document_that_aliases_blow_up() {
    let level = |level: usize| {
        format!(
            "a{level}: &a{level} [{}]\n",
            vec![format!("*a{}", level - 1); 10].join(", ")
        )
    };
    let text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned()
        + &(1..12).map(level).collect::<Vec<_>>().concat();
    let error = parse(text.as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "yaml: document contains excessive aliasing"
    );
}

#[test]
fn refuses_what_is_nested_without_end() {
    for text in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
    ] {
        assert!(parse(text.as_bytes()).is_err());
    }
    let level = |level: usize| format!("a{level}: &a{level} [*a{}]\n", level - 1);
    let chain = "a0: &a0 [x]\n".to_owned() + &(1..2_000).map(level).collect::<Vec<_>>().concat();
    assert_eq!(
        parse(chain.as_bytes()).unwrap_err().to_string(),
        "yaml: line 1: nested deeper than 200 levels"
    );
    assert!(parse(b"a: &a {<<: *a}").is_err() && parse(b"a: &a [*a]").is_err());
    assert!(read_ops("ops.yml", b"- &a {<<: *a}").is_err());
}

fn seeds() -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut cases: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    let files = cases
        .iter()
        .flat_map(|case| ["manifest.yml", "ops-1.yml", "vars.yml"].map(|file| case.join(file)));
    files
        .filter_map(|file| fs::read(file).ok())
        .filter(|text| !text.is_empty())
        .collect()
}

fn mutated(seed: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut text = seed.to_vec();
    for _ in 0..random.usize(1..=3) {
        let at = random.usize(0..=text.len());
        match random.u8(0..10) {
            0..4 => {
                let piece = random.choice(PIECES).unwrap_or_default().bytes();
                text.splice(at..at, piece);
            }
            4..6 => {
                let end = text.len().min(at + random.usize(1..8));
                text.drain(at..end);
            }
            6 => text.truncate(at),
            7 => {
                let end = text.len().min(at + random.usize(1..200));
                let copy = text[at..end].to_vec();
                text.splice(at..at, copy);
            }
            _ => {
                let byte = if random.u8(0..10) == 0 {
                    random.u8(..)
                } else {
                    random.u8(b' '..=b'~')
                };
                let end = text.len().min(at + 1);
                text.splice(at..end, [byte]);
            }
        }
    }
    text
}

fn nodes(value: &Value) -> usize {
    match value {
        Value::Seq(items) => 1 + items.iter().map(nodes).sum::<usize>(),
        Value::Map(map) => {
            1 + map
                .iter()
                .map(|(key, value)| nodes(key) + nodes(value))
                .sum::<usize>()
        }
        _ => 1,
    }
}
