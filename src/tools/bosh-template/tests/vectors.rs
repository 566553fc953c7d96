//! Every case of `tests/vectors`: contexts, templates, and what the Director's own code makes of them under Ruby 3.1.

use std::fs;
use std::path::Path;

use bosh_template::{RenderError, Renderer};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    context: serde_json::Value,
    template: String,
    output: Option<String>,
    error: Option<String>,
    error_class: Option<String>,
}

#[test]
fn renders_every_vector_as_the_director_does() {
    let renderer = Renderer::new().unwrap();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let case: Case = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        count += 1;
        if let Err(difference) = check(&renderer, &case) {
            wrong.push(format!(
                "{}: {difference}",
                path.file_name().unwrap().display()
            ));
        }
    }
    assert!(count >= 100, "only {count} vectors were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(renderer: &Renderer, case: &Case) -> Result<(), String> {
    let answer = renderer.render(&case.context, &[("case.erb", &case.template)]);
    match (&case.output, answer) {
        (Some(expected), Ok(outputs)) if outputs == [expected.as_str()] => Ok(()),
        (None, Err(RenderError::Templates(errors))) => {
            let [error] = errors.as_slice() else {
                return Err(format!("several errors: {errors:?}"));
            };
            let message = in_any_ruby(&error.message);
            let expected = in_any_ruby(case.error.as_deref().unwrap_or_default());
            if message == expected && Some(&error.class) == case.error_class.as_ref() {
                return Ok(());
            }
            Err(format!("{error:?}"))
        }
        (_, other) => Err(format!("{other:?}")),
    }
}

/// The first line, in which Rubies differ by quotes and by naming nil's class; Ruby 3.1 shows its own source below.
fn in_any_ruby(message: &str) -> String {
    message
        .lines()
        .next()
        .unwrap_or_default()
        .replace(" for nil:NilClass", " for nil")
        .replace('\'', "`")
}
