//! How much `variables` may hold: the kernel hands an environment over to a program within bounds, and says no more than
//! "Argument list too long" of what lies beyond.

use bosh_job::{Problem, Problems};

use crate::Variables;

/// Bytes of `NAME=value` and its NUL (Linux, `MAX_ARG_STRLEN`: 32 pages).
const LONGEST: usize = 128 << 10;
/// Bytes of the whole environment and the arguments: a quarter of a stack of 8 MiB (Linux, `fs/exec.c`), less what the job's
/// own values and arguments take.
const WHOLE: usize = (2 << 20) - (64 << 10);
/// Bytes of a pointer to each of them.
const POINTER: usize = 8;

const HINT: &str = "put the content into `files`, and mount it, or name it as `env_file`, `file:` of a config or of a secret";

/// Says which values are too large.
pub(crate) fn check(variables: &Variables) -> Result<(), Problems> {
    let mut problems = Problems::default();
    let size = |name: &str, value: &str| name.len() + value.len() + 2;
    let mut sizes: Vec<(usize, &str)> = variables
        .iter()
        .map(|(name, value)| (size(name, value.reveal()), name))
        .collect();
    for (size, name) in sizes.iter().filter(|(size, _)| *size > LONGEST) {
        let what = format!(
            "has {size} bytes with its name, and an environment carries at most {LONGEST} of one variable"
        );
        problems.push(Problem::new(format!("variables.{name}"), what).hint(HINT));
    }
    let whole: usize = sizes.iter().map(|(size, _)| size + POINTER).sum();
    if problems.iter().next().is_none() && whole > WHOLE {
        sizes.sort_by(|one, other| other.cmp(one));
        let largest: Vec<&str> = sizes.iter().take(5).map(|(_, name)| *name).collect();
        let what = format!(
            "have {whole} bytes together, and an environment carries at most {WHOLE}; the largest are {}",
            largest.join(", ")
        );
        problems.push(Problem::new("variables", what).hint(HINT));
    }
    problems.into_result(Some(()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(variables: &serde_json::Value) -> Vec<String> {
        let found = Variables::parse(variables).map(drop);
        found
            .err()
            .iter()
            .flat_map(Problems::iter)
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn what_the_kernel_takes_is_taken_and_what_it_refuses_is_named() {
        let just = "x".repeat(LONGEST - "BIG=".len() - 1);
        for (value, fits) in [(just.clone(), true), (format!("{just}x"), false)] {
            let started = std::process::Command::new("/bin/true")
                .env_clear()
                .env("BIG", &value)
                .status()
                .is_ok();
            assert_eq!(started, fits);
            let found = problems(&json!({"BIG": value, "SMALL": "x"}));
            assert_eq!(found.is_empty(), fits, "{found:?}");
            assert!(
                found
                    .iter()
                    .all(|one| one.starts_with("property `variables.BIG`: has 131073 bytes"))
            );
        }
    }

    #[test]
    fn together_they_have_a_bound_too() {
        let value = "x".repeat(100_000);
        let many: serde_json::Map<_, _> = (0..30)
            .map(|number| (format!("V{number}"), json!(value)))
            .collect();
        let found = problems(&many.into());
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("property `variables`: have 30"),
            "{}",
            found[0]
        );
    }
}
