//! `.env` files, as Compose reads them (compose-spec, `.env` file syntax).

use super::variables::{Variables, substitute};

/// Adds the file's variables to `into`, except those that are there already: the environment wins.
///
/// # Errors
/// The line and what is wrong with it, without its value: such files hold secrets.
pub fn read(text: &str, into: &mut Variables) -> Result<(), String> {
    let mut own = Variables::new();
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let line = 1 + text[..text.len() - rest.len()].matches('\n').count();
        let entry = rest.trim_start_matches([' ', '\t']);
        if entry.starts_with('#') || entry.starts_with('\n') || entry.is_empty() {
            rest = after_line(entry);
            continue;
        }
        let entry = entry.strip_prefix("export ").unwrap_or(entry);
        let end = entry.find(['=', '\n']).unwrap_or(entry.len());
        let name = entry[..end].trim();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(format!("line {line} is not NAME=VALUE"));
        }
        let Some(value) = entry[end..].strip_prefix('=') else {
            // A name alone passes the environment's value on, and that counts anyway.
            rest = after_line(&entry[end..]);
            continue;
        };
        // Earlier lines and the environment, which wins, are known to later ones.
        let known: Variables = own
            .iter()
            .chain(into.iter())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let (value, more) =
            self::value(value, &known).map_err(|why| format!("line {line}, {name}: {why}"))?;
        own.insert(name.to_owned(), value);
        rest = more;
    }
    for (name, value) in own {
        into.entry(name).or_insert(value);
    }
    Ok(())
}

/// A value, and what follows its line.
fn value<'t>(text: &'t str, known: &Variables) -> Result<(String, &'t str), String> {
    let text = text.trim_start_matches([' ', '\t']);
    let quoted = |quote: char| -> Result<Option<(&'t str, &'t str)>, String> {
        let Some(inside) = text.strip_prefix(quote) else {
            return Ok(None);
        };
        let mut escaped = false;
        for (place, letter) in inside.char_indices() {
            match letter {
                '\\' if !escaped => escaped = true,
                _ if letter == quote && !escaped => {
                    return Ok(Some((&inside[..place], after_line(&inside[place + 1..]))));
                }
                _ => escaped = false,
            }
        }
        Err("its quotation mark is not closed".to_owned())
    };
    if let Some((inside, rest)) = quoted('\'')? {
        return Ok((inside.replace("\\'", "'"), rest));
    }
    if let Some((inside, rest)) = quoted('"')? {
        return Ok((substitute(&unescaped(inside), known)?, rest));
    }
    let line = text.split('\n').next().unwrap_or_default();
    let comment = line.find(" #").or_else(|| line.find("\t#"));
    let plain = if line.starts_with('#') {
        ""
    } else {
        &line[..comment.unwrap_or(line.len())]
    };
    Ok((substitute(plain.trim_end(), known)?, after_line(text)))
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('t') => out.push('\t'),
                // `$$` is what the substitution after this makes a dollar of.
                Some('$') => out.push_str("$$"),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            other => out.push(other),
        }
    }
    out
}

fn after_line(text: &str) -> &str {
    text.find('\n').map_or("", |end| &text[end + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(text: &str) -> Variables {
        let mut into: Variables = [("SET".to_owned(), "environment".to_owned())].into();
        read(text, &mut into).unwrap();
        into
    }

    #[test]
    fn reads_what_compose_reads() {
        let all = variables(
            "# comment\n\nA=1\r\nB = two words # comment\nexport C='$A # \\' kept'\nD=\"$A\\n\\$x ${NO:-d}\" # c\n\
             SET=file\nE=\nF=a#b\n  G=${A}${SET}\nH=\"two\nlines\"\nI=last",
        );
        for (name, value) in [
            ("A", "1"),
            ("B", "two words"),
            ("C", "$A # ' kept"),
            ("D", "1\n$x d"),
            ("SET", "environment"),
            ("E", ""),
            ("F", "a#b"),
            ("G", "1environment"),
            ("H", "two\nlines"),
            ("I", "last"),
        ] {
            assert_eq!(all[name], value, "{name}");
        }
    }

    #[test]
    fn a_bad_line_is_named_without_its_value() {
        for text in ["A=1\nB C=hunter2", "A=1\nB='hunter2", "A=1\n=hunter2"] {
            let error = read(text, &mut Variables::new()).unwrap_err();
            assert!(error.starts_with("line 2"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
