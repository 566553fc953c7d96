//! Refuses `[!tag, item]` before the parser sees it: libyaml-safer 0.3.0 panics there (`scan_tag`).

use libyaml_safer::{Scanner, TokenData};

use super::YamlError;

/// Fails where a tag inside of brackets is followed by a comma without a space between them.
///
/// Only the scanner knows what is a tag and what a part of a string. It gets the text with a space before each comma that
/// may follow a tag, and tells whether a tag ends there.
pub(super) fn refuse_comma_after_tag(text: &str) -> Result<(), YamlError> {
    let (spaced, added) = with_spaces(text);
    if added.is_empty() {
        return Ok(());
    }
    let mut input = spaced.as_bytes();
    let mut scanner = Scanner::new();
    scanner.set_input_string(&mut input);
    let mut brackets = 0_usize;
    loop {
        let token = Scanner::scan(&mut scanner)?;
        match token.data {
            TokenData::StreamEnd => return Ok(()),
            TokenData::FlowSequenceStart | TokenData::FlowMappingStart => brackets += 1,
            TokenData::FlowSequenceEnd | TokenData::FlowMappingEnd => {
                brackets = brackets.saturating_sub(1);
            }
            TokenData::Tag { .. }
                if brackets > 0 && added.binary_search(&token.end_mark.index).is_ok() =>
            {
                return Err(YamlError::Syntax {
                    line: Some(token.end_mark.line + 1),
                    problem: "found a comma right after a tag".to_owned(),
                });
            }
            _ => {}
        }
    }
}

/// The text with a space before each comma of a word with `!`, and where these spaces are, in bytes.
fn with_spaces(text: &str) -> (String, Vec<u64>) {
    let mut spaced = String::with_capacity(text.len());
    let mut added = Vec::new();
    let mut may_be_tag = false;
    for character in text.chars() {
        if character == ',' && may_be_tag {
            added.push(spaced.len() as u64);
            spaced.push(' ');
        }
        may_be_tag = character == '!' || (may_be_tag && !character.is_whitespace());
        spaced.push(character);
    }
    (spaced, added)
}

#[cfg(test)]
mod tests {
    use crate::yaml::parse;

    #[test]
    fn refuses_a_comma_right_after_a_tag() {
        let error = parse(b"a: 1\nb: [!x, y]\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "yaml: line 2: found a comma right after a tag"
        );
    }

    #[test]
    fn leaves_strings_with_exclamation_marks_alone() {
        let text = b"a: [wow !x, y, '!z, w']\nb: Hello!, world\nc: |\n  [!x, y\n";
        let value = parse(text).unwrap();
        assert_eq!(value.get("a").unwrap().as_seq().unwrap().len(), 3);
        assert_eq!(value.get("c").unwrap().as_str(), Some("[!x, y\n"));
    }
}
