//! Variables in a Compose file, substituted as Compose does (compose-spec, `12-interpolation.md`) — except that an image
//! whose name hangs on a variable without value is an error, where Compose warns and takes nothing.

use std::collections::BTreeMap;

/// `${A:-${B:-${C}}}`: deeper than anybody nests.
const DEEPEST: usize = 20;

/// Names and values. What is wrong with a value, or with a file of them, matters when an image's name needs it.
#[derive(Clone, Default)]
pub struct Variables {
    /// These win.
    environment: BTreeMap<String, String>,
    /// From files of variables; an error says what is wrong with the value.
    filed: BTreeMap<String, Result<String, String>>,
    /// What is wrong with files that cannot be read: any variable may be in them.
    unread: Vec<String>,
}

impl Variables {
    /// The value of a variable, if it has one.
    ///
    /// # Errors
    /// Why it cannot be told, without the value, which may be secret.
    pub fn get(&self, name: &str) -> Result<Option<&str>, String> {
        if let Some(value) = self.environment.get(name) {
            return Ok(Some(value));
        }
        if let Some(why) = self.unread.first() {
            return Err(format!(
                "variable {name} has no value but may have one in {why}"
            ));
        }
        match self.filed.get(name) {
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(why)) => Err(format!("variable {name} has no usable value: {why}")),
            None => Ok(None),
        }
    }

    /// Puts in a variable of a file. The environment wins over files, and a later file over an earlier one.
    pub fn file(&mut self, name: String, value: Result<String, String>) {
        self.filed.insert(name, value);
    }

    /// Notes that a file cannot be read.
    pub fn unread(&mut self, why: String) {
        self.unread.push(why);
    }
}

impl FromIterator<(String, String)> for Variables {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        Self {
            environment: variables.into_iter().collect(),
            ..Self::default()
        }
    }
}

impl<const N: usize> From<[(String, String); N]> for Variables {
    fn from(variables: [(String, String); N]) -> Self {
        variables.into_iter().collect()
    }
}

/// Replaces `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:?message}`, `${NAME?message}`,
/// `${NAME:+other}`, `${NAME+other}`, nested ones too, and `$$` by `$`.
///
/// # Errors
/// What is wrong, without the text itself, which may be secret.
pub fn substitute(text: &str, variables: &Variables) -> Result<String, String> {
    substitute_at(text, variables, 0)
}

fn substitute_at(text: &str, variables: &Variables, depth: usize) -> Result<String, String> {
    if depth > DEEPEST {
        return Err(format!("variables are nested deeper than {DEEPEST} times"));
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        rest = if let Some(more) = after.strip_prefix('$') {
            out.push('$');
            more
        } else if let Some(inside) = after.strip_prefix('{') {
            let end = closing(inside).ok_or("a `${` is not closed")?;
            out.push_str(&braced(&inside[..end], variables, depth)?);
            &inside[end + 1..]
        } else {
            let length = name_length(after);
            // One that stands alone stays.
            out.push_str(match length {
                0 => "$",
                _ => value(&after[..length], variables)?,
            });
            &after[length..]
        };
    }
    out.push_str(rest);
    Ok(out)
}

/// Where the brace that was opened before `text` is closed.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    let bytes = text.as_bytes();
    for (place, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if place > 0 && bytes[place - 1] == b'$' => open += 1,
            b'}' if open == 0 => return Some(place),
            b'}' => open -= 1,
            _ => {}
        }
    }
    None
}

/// The value of what stands between the braces.
fn braced(inside: &str, variables: &Variables, depth: usize) -> Result<String, String> {
    let (name, rest) = inside.split_at(name_length(inside));
    if name.is_empty() {
        return Err("a `${…}` names no variable".to_owned());
    }
    let set = variables.get(name)?;
    let filled = set.filter(|value| !value.is_empty());
    let other = |text: &str| substitute_at(text, variables, depth + 1);
    let required = |text: &str| -> Result<String, String> {
        let message = other(text)?;
        let why = if message.is_empty() {
            "it has no value"
        } else {
            &message
        };
        Err(format!("variable {name} is required: {why}"))
    };
    // The two-character operators count an empty value as none.
    for (operator, known) in [(":", filled), ("", set)] {
        let Some(operation) = rest.strip_prefix(operator) else {
            continue;
        };
        if let Some(default) = operation.strip_prefix('-') {
            return known.map_or_else(|| other(default), |value| Ok(value.to_owned()));
        }
        if let Some(message) = operation.strip_prefix('?') {
            return known.map_or_else(|| required(message), |value| Ok(value.to_owned()));
        }
        if let Some(replacement) = operation.strip_prefix('+') {
            return known.map_or_else(|| Ok(String::new()), |_| other(replacement));
        }
    }
    if !rest.is_empty() {
        return Err(format!(
            "what follows {name} in `${{{name}…}}` is nothing that Compose knows"
        ));
    }
    value(name, variables).map(str::to_owned)
}

fn value<'a>(name: &str, variables: &'a Variables) -> Result<&'a str, String> {
    (variables.get(name)?).ok_or_else(|| format!("variable {name} has no value"))
}

/// How many bytes of `text` belong to a variable's name.
fn name_length(text: &str) -> usize {
    let first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let bytes = text.as_bytes();
    if !bytes.first().is_some_and(|byte| first(*byte)) {
        return 0;
    }
    bytes
        .iter()
        .take_while(|byte| first(**byte) || byte.is_ascii_digit())
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Result<String, String> {
        let variables = [("A", "a"), ("EMPTY", ""), ("B2_", "b")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        substitute(text, &variables.into())
    }

    #[test]
    fn substitutes_as_compose_does() {
        for (text, expected) in [
            ("redis", "redis"),
            ("x/$A:1", "x/a:1"),
            ("$A.$B2_-", "a.b-"),
            ("${A}${B2_}", "ab"),
            ("${NO:-7}", "7"),
            ("${NO-7}", "7"),
            ("${EMPTY:-7}", "7"),
            ("${EMPTY-7}", ""),
            ("${A:-7}", "a"),
            ("${NO:-}", ""),
            ("${NO:-${ALSO_NO:-x${A}y}}z", "xayz"),
            ("${NO:-registry:5000/x}", "registry:5000/x"),
            ("${A:+b}${NO:+c}${EMPTY:+d}${EMPTY+e}", "be"),
            ("${A:?gone}${EMPTY?gone}", "a"),
            ("$$A$${A}", "$A${A}"),
            ("$", "$"),
            ("a$ b$1$(c)$", "a$ b$1$(c)$"),
        ] {
            assert_eq!(with(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn says_which_variable_is_missing() {
        for (text, expected) in [
            ("$NO", "variable NO has no value"),
            ("${NO}", "variable NO has no value"),
            ("${NO:-$ALSO}", "variable ALSO has no value"),
            ("${NO:?set it}", "variable NO is required: set it"),
            ("${EMPTY:?}", "variable EMPTY is required: it has no value"),
        ] {
            assert_eq!(with(text), Err(expected.to_owned()));
        }
    }

    #[test]
    fn refuses_what_compose_refuses() {
        for text in ["${", "${A", "${}", "${-x}", "${A!x}", "${1}", "${A:}"] {
            assert!(with(text).is_err(), "{text}");
        }
        let deep = "${N:-".repeat(1000) + &"}".repeat(1000);
        assert!(with(&deep).is_err());
    }
}
