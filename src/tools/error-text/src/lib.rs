//! How the tools say that they failed: the error, its causes, and hints where somebody can act on it.

use std::error::Error;

/// The text for standard error: `error:`, then the causes, then the hints that `hint` has for any of these.
pub fn error_text(
    error: &anyhow::Error,
    hint: impl Fn(&(dyn Error + 'static)) -> Option<String>,
) -> String {
    let mut lines = Vec::new();
    let mut hints = Vec::new();
    let mut said = String::new();
    for cause in error.chain() {
        hints.extend(hint(cause).map(|hint| format!("hint: {hint}")));
        let text = cause.to_string();
        // An error that repeats what its parent already said adds nothing.
        if said.ends_with(&text) {
            continue;
        }
        let indented = text.replace('\n', "\n    ");
        lines.push(if lines.is_empty() {
            format!("error: {indented}")
        } else {
            format!("  caused by: {indented}")
        });
        said = text;
    }
    hints.dedup();
    lines.extend(hints);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_or_hint_that_repeats_the_one_before_it_is_left_out() {
        let error = anyhow::anyhow!("no such file\nat all")
            .context("reading x: no such file\nat all")
            .context("deploying");
        assert_eq!(
            error_text(&error, |_| Some("make it".to_owned())),
            "error: deploying\n  caused by: reading x: no such file\n    at all\nhint: make it"
        );
        let without = error_text(&error, |_| None);
        assert!(!without.contains("hint"), "{without}");
    }
}
