//! `verify`: whether the release is whole.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::release::{Access, Error, Problem, Verdict, megabytes};
use anyhow::Result;

use super::open;
use crate::global::Global;
use crate::{output, report};

/// Prints every problem; the exit code tells whether there is one.
pub fn run(global: &Global) -> Result<ExitCode> {
    let verdict = match open(global, Access::Read) {
        Ok(release) => release.verify(),
        // A file that cannot even be read is what this command looks for.
        Err(error) => match error.downcast::<Error>()? {
            Error::Invalid { path, why } => Verdict {
                problems: vec![Problem {
                    hint: Error::Invalid {
                        path: path.clone(),
                        why: why.clone(),
                    }
                    .hint(),
                    file: path.display().to_string(),
                    problem: why,
                }],
                ..Verdict::default()
            },
            other => return Err(other.into()),
        },
    };
    if global.is_json() {
        output::json(&verdict)?;
    } else {
        output::text(&describe(&verdict))?;
    }
    Ok(if verdict.problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(report::DAMAGED)
    })
}

fn describe(verdict: &Verdict) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for problem in &verdict.problems {
        let _ = writeln!(text, "{}: {}", problem.file, problem.problem);
        if let Some(hint) = &problem.hint {
            let _ = writeln!(text, "  hint: {hint}");
        }
    }
    let looked_at = format!(
        "{} images, {} layers, {}",
        verdict.images,
        verdict.layers,
        megabytes(verdict.bytes)
    );
    let _ = match verdict.problems.len() {
        0 => writeln!(text, "{looked_at}: no problems found"),
        1 => writeln!(text, "{looked_at}: 1 problem"),
        count => writeln!(text, "{looked_at}: {count} problems"),
    };
    text
}
