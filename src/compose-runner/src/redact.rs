//! Values of `variables` kept out of logs, verdicts and errors: Compose repeats a line of the recipe when it complains
//! of it, and a script may print what it pleases.

/// A shorter value would blot out half of every line, and is no secret worth the name.
const SHORTEST: usize = 4;

const MARK: &str = "[redacted]";

/// Blots secrets out of text.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Longest first, so that a secret which contains another is blotted out whole.
    secrets: Vec<String>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.secrets.len())
    }
}

impl Redactor {
    /// A redactor of these values. A value of several lines is looked for line by line too, since logs have lines.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut secrets = Vec::new();
        for value in values {
            secrets.push(value.trim().to_owned());
            secrets.extend(value.lines().map(|line| line.trim().to_owned()));
            // As Go and YAML write it in a message, and as Compose's `config` does.
            secrets.push(value.trim().escape_default().to_string());
            secrets.push(value.trim().replace('$', "$$"));
        }
        secrets.retain(|secret| secret.chars().count() >= SHORTEST);
        secrets.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        secrets.dedup();
        Self { secrets }
    }

    /// The text without the secrets.
    pub fn clean(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for secret in &self.secrets {
            if clean.contains(secret) {
                clean = clean.replace(secret, MARK);
            }
        }
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blots_out_every_value_of_four_characters_and_more() {
        let redactor = Redactor::new(["hunter2", "abc", "pass"]);
        assert_eq!(
            redactor.clean("x hunter2 abc password"),
            "x [redacted] abc [redacted]word"
        );
    }

    #[test]
    fn a_value_that_contains_another_is_blotted_out_whole() {
        assert_eq!(
            Redactor::new(["pass", "my pass phrase"]).clean("<my pass phrase>"),
            "<[redacted]>"
        );
    }

    #[test]
    fn finds_lines_and_escaped_forms_of_a_value() {
        let redactor = Redactor::new(["first line\nsecond line", "a$b$c", "tab\there"]);
        assert_eq!(
            redactor.clean("second line a$$b$$c tab\\there"),
            "[redacted] [redacted] [redacted]"
        );
    }

    #[test]
    fn does_not_show_the_secrets_when_printed() {
        assert!(!format!("{:?}", Redactor::new(["hunter2"])).contains("hunter"));
    }
}
