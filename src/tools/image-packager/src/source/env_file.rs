//! `.env` files, as Compose reads them (compose-go, `dotenv/parser.go`).

use super::variables::{Variables, substitute};

/// Puts the variables of a file that lies at `place` into `into`. What is wrong is kept there, with its line and without
/// its value, since such files hold secrets: it matters only if an image's name needs it.
pub fn read(text: &str, place: &str, into: &mut Variables) {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let mut rest = text.as_str();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return;
        }
        if rest.starts_with('#') {
            rest = after_line(rest);
            continue;
        }
        let line = 1 + text[..text.len() - rest.len()].matches('\n').count();
        match entry(rest) {
            Ok((None, more)) => rest = more,
            Ok((Some((name, value)), more)) => {
                // Earlier lines and the environment, which wins, are known to later ones.
                let value = match value {
                    Value::Literal(value) => Ok(value),
                    Value::Template(template) => substitute(&template, into)
                        .map_err(|why| format!("{place}, line {line}: {why}")),
                };
                into.file(name.to_owned(), value);
                rest = more;
            }
            Err(why) => {
                into.unread(format!("{place}, where line {line} {why}"));
                return;
            }
        }
    }
}

enum Value {
    /// It is what it is.
    Literal(String),
    /// It may name variables.
    Template(String),
}

/// The first name and its value, and what follows them. A name alone passes the environment's value on, and that counts
/// anyway.
#[expect(clippy::type_complexity, reason = "both are taken apart at once")]
fn entry(text: &str) -> Result<(Option<(&str, Value)>, &str), &'static str> {
    const NO_ENTRY: &str = "is not NAME=VALUE";
    let text = match text.strip_prefix("export") {
        Some(more) if more.starts_with(char::is_whitespace) => more.trim_start_matches(is_blank),
        _ => text,
    };
    let mut end = text.len();
    let mut stop = '\n';
    for (place, letter) in text.char_indices() {
        match letter {
            // As in YAML, with a colon.
            '=' | ':' | '\n' => {
                (end, stop) = (place, letter);
                break;
            }
            '_' | '.' | '-' | '[' | ']' => {}
            _ if is_blank(letter) || letter.is_alphanumeric() => {}
            _ => return Err(NO_ENTRY),
        }
    }
    let name = text[..end].trim_end();
    if name.contains(' ') {
        return Err(NO_ENTRY);
    }
    let rest = text.get(end + 1..).unwrap_or_default();
    if stop == '\n' {
        return Ok((None, rest));
    }
    let (value, rest) = value(rest.trim_start_matches(is_blank))?;
    Ok((Some((name, value)), rest))
}

/// A value, and what follows it.
fn value(text: &str) -> Result<(Value, &str), &'static str> {
    let Some(quote) = text.chars().next().filter(|first| "'\"".contains(*first)) else {
        let line = text.split('\n').next().unwrap_or_default();
        let plain = line.split(" #").next().unwrap_or_default().trim_end();
        return Ok((Value::Template(plain.to_owned()), after_line(text)));
    };
    let mut inside = String::new();
    let mut escaped = false;
    for (place, letter) in text.char_indices().skip(1) {
        if letter == quote && !escaped {
            let value = match quote {
                '"' => Value::Template(unescaped(&inside)),
                _ => Value::Literal(inside),
            };
            return Ok((value, &text[place + 1..]));
        }
        if letter == '\\' && !escaped {
            escaped = true;
            continue;
        }
        if escaped && letter != quote {
            inside.push('\\');
        }
        escaped = false;
        inside.push(letter);
    }
    Err("has a quotation mark that is not closed")
}

/// What a shell's escapes stand for; others stay.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('a') => out.push('\u{7}'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('v') => out.push('\u{b}'),
            // `$$` is what the substitution after this makes a dollar of.
            Some('$') => out.push_str("$$"),
            Some(same @ ('"' | '\\')) => out.push(same),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

/// White space within a line.
fn is_blank(letter: char) -> bool {
    letter != '\n' && letter.is_whitespace()
}

fn after_line(text: &str) -> &str {
    text.find('\n').map_or("", |end| &text[end + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(texts: &[&str]) -> Variables {
        let mut into: Variables = [("SET".to_owned(), "environment".to_owned())].into();
        for text in texts {
            read(text, ".env", &mut into);
        }
        into
    }

    #[test]
    fn reads_what_compose_reads() {
        let all = variables(&[
            "# comment\n\nA=1\r\nB = two words # comment\nexport C='$A # \\' kept'\nD=\"$A\\n\\$x \\d ${NO:-d}\" # c\n\
             SET=file\nE=\nF=a#b\n  G=${A}${SET}\nH=\"two\nlines\"\nALONE\nI: yaml\nJ= # c\nK=x\t# c\n=ignored\nexport\tL=l\n\
             M=pa$ x$1$(date)$\nN=$$1\nO.p-q[0]=1\nA=again\nP=$A\nI2=last",
        ]);
        for (name, value) in [
            ("A", "again"),
            ("B", "two words"),
            ("C", "$A # ' kept"),
            ("D", "1\n$x \\d d"),
            ("SET", "environment"),
            ("E", ""),
            ("F", "a#b"),
            ("G", "1environment"),
            ("H", "two\nlines"),
            ("I", "yaml"),
            ("J", "# c"),
            ("K", "x\t# c"),
            ("L", "l"),
            ("M", "pa$ x$1$(date)$"),
            ("N", "$1"),
            ("O.p-q[0]", "1"),
            ("P", "again"),
            ("I2", "last"),
        ] {
            assert_eq!(all.get(name), Ok(Some(value)), "{name}");
        }
        assert_eq!(all.get("ALONE"), Ok(None));
    }

    #[test]
    fn a_later_file_wins_and_knows_the_earlier_one() {
        let all = variables(&["A=1\nB=1\n", "B=2\nC=$A\n"]);
        for (name, value) in [("A", "1"), ("B", "2"), ("C", "1")] {
            assert_eq!(all.get(name), Ok(Some(value)), "{name}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_told_is_named_only_when_it_is_needed() {
        let all = variables(&["A=1\nB=hunter2$NO\nC=${A\nD=${NO:?not $A}\nE=${B:-x}\nF=2\n"]);
        assert_eq!((all.get("A"), all.get("F")), (Ok(Some("1")), Ok(Some("2"))));
        for (name, expected) in [
            (
                "B",
                "variable B has no usable value: .env, line 2: variable NO has no value",
            ),
            (
                "C",
                "variable C has no usable value: .env, line 3: a `${` is not closed",
            ),
            (
                "D",
                "variable D has no usable value: .env, line 4: variable NO is required: not 1",
            ),
        ] {
            assert_eq!(all.get(name), Err(expected.to_owned()), "{name}");
        }
        assert!(all.get("E").unwrap_err().contains(".env, line 2: "));
    }

    #[test]
    fn a_bad_line_is_named_without_its_value_and_only_when_the_file_is_needed() {
        for text in ["A=1\nB C=hunter2\nD=1", "A=1\nB='hunter2", "A=1\n!=hunter2"] {
            let all = variables(&[text]);
            assert_eq!(all.get("SET"), Ok(Some("environment")));
            for name in ["A", "D", "NO"] {
                let why = all.get(name).unwrap_err();
                assert!(why.contains(".env, where line 2 "), "{why}");
                assert!(!why.contains("hunter2"), "{why}");
            }
        }
    }
}
