//! The file `.env` beside the recipe: Compose takes variables from it as from its environment, which outweighs it.

use std::iter::Peekable;
use std::str::Chars;

/// Where Compose looks for it.
pub const FILE_NAME: &str = ".env";

/// Names and values, as compose-go's `dotenv` reads them; a value in double quotes without its escapes resolved.
#[must_use]
pub fn entries(text: &str) -> Vec<(String, String)> {
    let mut entries = Vec::new();
    let mut characters = text.trim_start_matches('\u{feff}').chars().peekable();
    while characters.peek().is_some() {
        if let Some(entry) = entry(&mut characters) {
            entries.push(entry);
        }
    }
    entries
}

/// The entry in the next line, if it has one.
fn entry(characters: &mut Peekable<Chars<'_>>) -> Option<(String, String)> {
    let mut name = String::new();
    loop {
        match characters.peek() {
            None | Some('\n') => {
                characters.next();
                return None;
            }
            Some('=' | ':') => break,
            Some(_) => name.extend(characters.next()),
        }
    }
    characters.next();
    if name.trim_start().starts_with('#') {
        rest_of_line(characters);
        return None;
    }
    let name = name.trim().trim_start_matches("export ").trim().to_owned();
    while characters.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
    let value = match characters.next_if(|c| matches!(c, '\'' | '"')) {
        Some(quote) => quoted(characters, quote),
        None => unquoted(&rest_of_line(characters)),
    };
    Some((name, value))
}

fn rest_of_line(characters: &mut Peekable<Chars<'_>>) -> String {
    characters.by_ref().take_while(|c| *c != '\n').collect()
}

/// Up to the closing quote, which may stand in another line.
fn quoted(characters: &mut Peekable<Chars<'_>>, quote: char) -> String {
    let mut value = String::new();
    while let Some(c) = characters.next() {
        if c == quote {
            rest_of_line(characters);
            break;
        }
        value.push(c);
        if c == '\\' {
            value.extend(characters.next());
        }
    }
    value
}

/// Up to a comment.
fn unquoted(line: &str) -> String {
    let end = line.find(" #").unwrap_or(line.len());
    line[..end].trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_and_values_as_compose_does() {
        let text = "# comment=1\nA=1\r\nexport B = two words # comment\nC='it is #3'\nD=\"a\nb\\\"c\" # x\n\nE=\nF: 6\nnothing\nG=x#y";
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "it is #3"),
            ("D", "a\nb\\\"c"),
            ("E", ""),
            ("F", "6"),
            ("G", "x#y"),
        ];
        assert_eq!(
            entries(text),
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert!(entries("").is_empty());
        assert_eq!(entries("A='open"), [("A".to_owned(), "open".to_owned())]);
    }
}
