//! What Compose has against a recipe, in words that lead to the place.

use bosh_job::ErrorReport;
use recipe::Position;

use super::{message, service_in};
use crate::failure::error;

/// What Compose has against the recipe. Its last lines are the reason; lines of its log before them are warnings. It tells the
/// wrong line of what is no YAML, so that of the recipe takes its place.
pub fn refused_by_compose(stderr: &[String], place: Option<Position>) -> ErrorReport {
    let is_logged = |line: &&String| line.trim_start().starts_with("time=");
    let reasons: Vec<&str> = stderr
        .iter()
        .filter(|line| !is_logged(line))
        .map(|line| line.trim())
        .filter(|line| !line.is_empty())
        .collect();
    let mut causes: Vec<String> = stderr
        .iter()
        .filter(is_logged)
        .map(|line| message(line).to_owned())
        .collect();
    let reason = match reasons.as_slice() {
        [] => causes
            .pop()
            .unwrap_or_else(|| "Compose does not say why".to_owned()),
        reasons => in_one_line(reasons),
    };
    let reason = match place {
        Some(Position { line, column }) => format!(
            "{} (line {line}, column {column} of the recipe)",
            without_line(&reason)
        ),
        None => reason,
    };
    let mut found = error(format!("property `recipe`: Compose refuses it: {reason}"));
    found.causes = causes;
    found.property = Some("recipe".to_owned());
    found.service = service_in(&reason);
    let hint = "fix the recipe; `docker compose config` says the same on a workstation";
    found.hint = Some(hint.to_owned());
    found
}

/// The lines of one message. Of a `$` too many the place is told and not the value, which may be a secret.
fn in_one_line(lines: &[&str]) -> String {
    const INTERPOLATION: &str = "invalid interpolation format for ";
    // newer ones tell it in one line, with the value in the middle
    let of_place = |line: &&str| {
        let (_, place) = line.split_once(INTERPOLATION)?;
        let place = place.split_whitespace().next()?;
        let place = place.trim_end_matches(['.', ':']);
        Some(format!(
            "{INTERPOLATION}{place}: a `$` that stands for itself is written `$$`"
        ))
    };
    if let Some(told) = lines.iter().find_map(of_place) {
        return told;
    }
    let told = |line: &&str| line.trim_end_matches('.').to_owned();
    lines.iter().map(told).collect::<Vec<_>>().join("; ")
}

/// `yaml: line 1: did not …` without the line.
fn without_line(reason: &str) -> String {
    let Some((before, rest)) = reason.split_once("line ") else {
        return reason.to_owned();
    };
    let number = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    match number.strip_prefix(": ") {
        Some(after) if number.len() < rest.len() => format!("{before}{after}"),
        _ => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(lines: &[&str], place: Option<Position>) -> ErrorReport {
        let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
        refused_by_compose(&lines, place)
    }

    #[test]
    fn a_refusal_names_the_property_and_keeps_composes_words() {
        let found = refused(
            &[
                "time=\"2026\" level=warning msg=\"x is obsolete\"",
                "services.web Additional property imag is not allowed",
            ],
            None,
        );
        assert_eq!(
            found.what,
            "property `recipe`: Compose refuses it: services.web Additional property imag is not allowed"
        );
        assert_eq!(found.causes, ["x is obsolete"]);
        assert_eq!(
            (found.property.as_deref(), found.service.as_deref()),
            (Some("recipe"), Some("web"))
        );
        assert!(refused(&[], None).what.ends_with("does not say why"));
    }

    #[test]
    fn the_recipe_s_own_line_takes_the_place_of_composes() {
        let place = Some(Position { line: 4, column: 4 });
        for (line, expected) in [
            (
                "yaml: line 1: did not find expected key",
                "yaml: did not find expected key (line 4, column 4 of the recipe)",
            ),
            (
                "yaml: unknown anchor 'x' referenced",
                "yaml: unknown anchor 'x' referenced (line 4, column 4 of the recipe)",
            ),
        ] {
            let what = refused(&[line], place).what;
            assert!(what.ends_with(expected), "{what}");
        }
    }

    #[test]
    fn all_lines_of_a_reason_are_told_but_not_the_value_at_fault() {
        let found = refused(
            &[
                "yaml: unmarshal errors:",
                "  line 3: mapping key \"a\" already defined at line 2",
            ],
            None,
        );
        assert!(
            found.what.ends_with(
                "yaml: unmarshal errors:; line 3: mapping key \"a\" already defined at line 2"
            ),
            "{}",
            found.what
        );
        let found = refused(
            &[
                "invalid interpolation format for services.web.environment.[].",
                "You may need to escape any $ with another $.",
                "PASSWORD=hunter2${",
            ],
            None,
        );
        assert_eq!(found.service.as_deref(), Some("web"));
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
        let found = refused(
            &[
                "error while interpolating services.web.environment.A: invalid interpolation format for services.web.environment.A: \"hunter2${\". You may need to escape any $ with another $",
            ],
            None,
        );
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
    }
}
