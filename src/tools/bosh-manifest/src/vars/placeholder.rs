//! `((name))` in a string: the CLI's `\(\( ?(!?[-/\.\w\pL]+) ?\)\)`.

/// The names that a string mentions, in order, without `!`.
pub(super) fn names(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("((") {
        match placeholder(&rest[at..]) {
            Some((name, length)) => {
                names.push(name);
                rest = &rest[at + length..];
            }
            None => rest = &rest[at + 1..],
        }
    }
    names
}

/// Whether the whole string is one placeholder.
pub(super) fn is_whole(text: &str) -> bool {
    placeholder(text).is_some_and(|(_, length)| length == text.len())
}

/// The name of the placeholder that `text` starts with, and its whole length in bytes.
fn placeholder(text: &str) -> Option<(&str, usize)> {
    let inner = text.strip_prefix("((")?;
    let inner = inner.strip_prefix(' ').unwrap_or(inner);
    let inner = inner.strip_prefix('!').unwrap_or(inner);
    let end = inner
        .find(|character| !is_name(character))
        .filter(|end| *end > 0)?;
    let (name, rest) = inner.split_at(end);
    let rest = rest.strip_prefix(' ').unwrap_or(rest).strip_prefix("))")?;
    Some((name, text.len() - rest.len()))
}

fn is_name(character: char) -> bool {
    matches!(character, '-' | '/' | '.' | '_')
        || character.is_ascii_alphanumeric()
        || (!character.is_ascii() && character.is_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::{is_whole, names};

    #[test]
    fn finds_all_names_of_a_string() {
        assert_eq!(
            names("http://((a)):((!b-c))/(( d.e/f ))((((ä))"),
            ["a", "b-c", "d.e/f", "ä"]
        );
        assert_eq!(
            names("((a b)) (()) ((!)) ((  x)) (x) ((x)"),
            [] as [&str; 0]
        );
    }

    #[test]
    fn takes_arithmetic_of_a_shell_for_a_placeholder_and_not_its_substitution_of_commands() {
        // as docs/recipes.md says
        assert_eq!(names("echo $$((n)) $$(( n ))"), ["n", "n"]);
        assert_eq!(
            names("echo $$(expr $$n + 1) $$(( (n) + 1 ))"),
            [] as [&str; 0]
        );
    }

    #[test]
    fn tells_a_string_that_is_one_placeholder() {
        assert!(
            is_whole("((a))")
                && is_whole("(( !a ))")
                && !is_whole("((a))b")
                && !is_whole("((a))((b))")
        );
    }
}
