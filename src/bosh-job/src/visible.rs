//! Text of others, made fit for a terminal: what a container, Compose or the engine wrote may clear the reader's screen,
//! set its title, or show words in another order than they stand in.

use std::borrow::Cow;

/// The text with control and format characters written out (`\u{1b}[2J`). Line breaks and tabs stay.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    escape(text, |c| is_unsafe(c) && !matches!(c, '\n' | '\t'))
}

/// The same as one line: line breaks and tabs are written out, too.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    escape(text, is_unsafe)
}

/// C0, DEL and C1; separators of lines; marks that turn the direction of writing (Unicode, UAX #9); characters that show
/// nothing and can hide text.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

fn escape(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_escaped(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let text =
            "\u{1b}[2J\u{1b}]0;title\u{7} a\rb\u{8}c\0 \u{9b}31m \u{202e}drow\u{2066}\u{feff}";
        assert_eq!(
            visible(text),
            "\\u{1b}[2J\\u{1b}]0;title\\u{7} a\\rb\\u{8}c\\u{0} \\u{9b}31m \\u{202e}drow\\u{2066}\\u{feff}"
        );
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        let text = "Größe: 日本 \u{1f600}\n\ttab \\u{1b} \"quoted\"";
        assert!(matches!(visible(text), Cow::Borrowed(same) if same == text));
        assert_eq!(one_line("a\n\tb\\n"), "a\\n\\tb\\n");
    }
}
