//! The variables that a text of the recipe names, as compose-go's `template` reads it: `$NAME`, `${NAME}`, and `${NAME:-default}`
//! and its kin. `$$` is a dollar sign.

/// A variable that is named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Its name.
    pub name: String,
    /// Whether the text says what comes when it is not set: a default, another text, or an error.
    pub provides: bool,
}

/// All that a text names, also within defaults.
pub fn references(text: &str) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('$') {
        rest = after;
        if let Some(escaped) = rest.strip_prefix('$') {
            rest = escaped;
        } else if let Some(inside) = rest.strip_prefix('{') {
            let name = name_at(inside);
            let operation = &inside[name.len()..];
            if name.is_empty() {
                continue;
            }
            let provides = operation.starts_with([':', '-', '?', '+']);
            found.push(Reference {
                name: name.to_owned(),
                provides,
            });
            // what stands in a default is read as any text
            rest = operation;
        } else {
            let name = name_at(rest);
            if !name.is_empty() {
                found.push(Reference {
                    name: name.to_owned(),
                    provides: false,
                });
            }
            rest = &rest[name.len()..];
        }
    }
    found
}

fn name_at(text: &str) -> &str {
    let is_in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = text.find(|c| !is_in_name(c)).unwrap_or(text.len());
    let name = &text[..end];
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        ""
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, bool)> {
        references(text)
            .into_iter()
            .map(|reference| (reference.name, reference.provides))
            .collect()
    }

    #[test]
    fn finds_every_form_and_no_dollar_sign() {
        for (text, expected) in [
            (
                "$A-${B}/${_c1}",
                &[("A", false), ("B", false), ("_c1", false)][..],
            ),
            ("$$A $${B} $$$C", &[("C", false)]),
            (
                "${A:-x} ${B-} ${C:?no} ${D?no} ${E:+y} ${F+y}",
                &[
                    ("A", true),
                    ("B", true),
                    ("C", true),
                    ("D", true),
                    ("E", true),
                    ("F", true),
                ],
            ),
            ("${A:-${B:-$C}}", &[("A", true), ("B", true), ("C", false)]),
            ("100$ $1 ${} ${1} ${ A} $(x) $", &[]),
            ("$Aü", &[("A", false)]),
        ] {
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, provides)| ((*name).to_owned(), *provides))
                .collect();
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
