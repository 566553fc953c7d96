//! Where a recipe stops being YAML. Compose tells another line than the one at fault, if it tells any.

use serde::{Deserialize, de::IgnoredAny};

/// A place in the recipe's text, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

/// Where a text stops being YAML; nothing if it is YAML. What it says there is for nobody to know: recipes hold secrets.
pub(crate) fn yaml_error(text: &str) -> Option<Position> {
    serde_yaml::Deserializer::from_str(text).find_map(|document| {
        let location = IgnoredAny::deserialize(document).err()?.location()?;
        Some(Position {
            line: location.line(),
            column: location.column(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_line_at_fault() {
        for (text, line) in [
            ("services:\n  a:\n    image: x\n   bad: 1\n", 4),
            ("services:\n  a: {image: x}\n\tb: {}\n", 3),
            ("services:\n  a:\n    image: x: y\n", 3),
            ("services:\n  a: {image: *nobody}\n", 2),
            ("services:\n  a:\n    command: [a, b\n  b: {image: x}\n", 4),
        ] {
            assert_eq!(yaml_error(text).unwrap().line, line, "{text}");
        }
        for text in [
            "services: {}\n",
            "",
            "a: &x {b: c}\nd: {<<: *x}\n",
            "a: 1\n---\nb: 2\n",
        ] {
            assert_eq!(yaml_error(text), None, "{text}");
        }
    }
}
