//! Every case of `tests/vectors`: the words given to the real CLI, its files, and what it printed.

#![allow(
    clippy::unwrap_used,
    reason = "a helper that cannot go on fails the test"
)]

use std::fs;
use std::path::Path;

use bosh_manifest::{InterpolateOptions, interpolate, parse, printed};

#[test]
fn interpolates_every_vector_as_the_cli_does() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let case = entry.unwrap().path();
        count += 1;
        if let Err(difference) = check(&case) {
            wrong.push(format!(
                "{}: {difference}",
                case.file_name().unwrap().display()
            ));
        }
    }
    assert!(count >= 200, "only {count} vectors were found");
    wrong.sort();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(case: &Path) -> Result<(), String> {
    let options = options(case);
    let answer = interpolate(&options);
    if let Ok(expected) = fs::read_to_string(case.join("expected.yml")) {
        let answer = printed(&answer.map_err(|error| error.to_string())?, &options);
        let same_value = parse(answer.as_bytes()) == parse(expected.as_bytes());
        return if same_value && answer == expected {
            Ok(())
        } else {
            Err(format!("printed\n{answer}"))
        };
    }
    let expected = fs::read_to_string(case.join("expected.err")).unwrap();
    let expected = expected
        .trim_end()
        .trim_end_matches("Exit code 1")
        .trim_end();
    let Err(error) = answer else {
        return Err("there was no error".to_owned());
    };
    // Files are named as they were given, which is within the case's directory for the CLI.
    let error = error
        .to_string()
        .replace(&format!("{}/", case.display()), "");
    if without_values(&error) == without_values(expected) {
        Ok(())
    } else {
        Err(format!("the error was\n{error}"))
    }
}

/// Values are not shown here, since they may be secrets.
fn without_values(message: &str) -> String {
    match (message.find("for value '"), message.find("and variable")) {
        (Some(start), Some(end)) => format!("{}{}", &message[..start], &message[end..]),
        _ => message.to_owned(),
    }
}

fn options(case: &Path) -> InterpolateOptions {
    let words = words(&fs::read_to_string(case.join("args")).unwrap());
    let mut words = words.into_iter();
    assert_eq!(words.next().as_deref(), Some("int"));
    let mut options = InterpolateOptions::default();
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap();
        match word.as_str() {
            "-o" => options.ops_files.push(case.join(value())),
            "-l" => options.vars_files.push(case.join(value())),
            "-v" => options.vars.push(value()),
            "--var-file" => {
                let argument = value();
                let in_case =
                    |(name, file): (&str, &str)| format!("{name}={}", case.join(file).display());
                options
                    .var_files
                    .push(argument.split_once('=').map_or(argument.clone(), in_case));
            }
            "--path" => options.path = Some(value()),
            "--var-errs" => options.var_errs = true,
            "--var-errs-unused" => options.var_errs_unused = true,
            manifest => options.manifest = case.join(manifest),
        }
    }
    options
}

/// Words between blanks; `'…'` keeps them.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for character in line.trim_end().chars() {
        match character {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}
