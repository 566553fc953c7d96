//! Paths of operations, such as `/instance_groups/name=docker/jobs/0?`: go-patch's `pointer.go`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// One part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// `/2`, `/-1:before`.
    Index {
        index: i64,
        modifiers: Vec<Modifier>,
    },
    /// `/-` at the end.
    Append,
    /// `/name=value`, `/name=value?`.
    Match {
        key: String,
        value: String,
        optional: bool,
        modifiers: Vec<Modifier>,
    },
    /// `/key`, `/key?`.
    Key { key: String, optional: bool },
}

/// What follows a colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Modifier {
    Prev,
    Next,
    Before,
    After,
}

impl Modifier {
    fn name(self) -> &'static str {
        match self {
            Self::Prev => "prev",
            Self::Next => "next",
            Self::Before => "before",
            Self::After => "after",
        }
    }

    /// Its name in messages, which are written in Go.
    pub(super) fn go_type(self) -> &'static str {
        match self {
            Self::Prev => "patch.PrevModifier",
            Self::Next => "patch.NextModifier",
            Self::Before => "patch.BeforeModifier",
            Self::After => "patch.AfterModifier",
        }
    }
}

/// A path into a document; the empty one is the document itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointer(pub(crate) Vec<Token>);

/// Why a text is not a path.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PointerError {
    /// It does not begin with a slash.
    #[error("Expected to start with '/'")]
    NoSlash,
    /// After a colon comes something else than a modifier.
    #[error(
        "Expected to find one of the following modifiers: 'prev', 'next', 'before', or 'after' but found '{0}'"
    )]
    UnknownModifier(String),
    /// `-` with a modifier.
    #[error("Expected not to find any modifiers with after last index token")]
    ModifiedAppend,
    /// A key with a modifier.
    #[error("Expected not to find any modifiers with key token")]
    ModifiedKey,
}

impl Pointer {
    /// The first `count` parts.
    pub(super) fn up_to(&self, count: usize) -> Self {
        Self(self.0[..count.min(self.0.len())].to_vec())
    }
}

impl FromStr for Pointer {
    type Err = PointerError;

    fn from_str(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let parts: Vec<&str> = text
            .strip_prefix('/')
            .ok_or(PointerError::NoSlash)?
            .split('/')
            .collect();
        // Once a part is optional, all that follow are.
        let mut optional = false;
        let mut tokens = Vec::with_capacity(parts.len());
        for (place, part) in parts.iter().enumerate() {
            tokens.push(parse_token(part, place + 1 == parts.len(), &mut optional)?);
        }
        Ok(Self(tokens))
    }
}

fn parse_token(part: &str, last: bool, optional: &mut bool) -> Result<Token, PointerError> {
    let mut pieces = part.split(':');
    let text = unescape(pieces.next().unwrap_or_default());
    let modifiers = parse_modifiers(&pieces.collect::<Vec<_>>())?;
    if last && text == "-" {
        return if modifiers.is_empty() {
            Ok(Token::Append)
        } else {
            Err(PointerError::ModifiedAppend)
        };
    }
    if let Ok(index) = text.parse() {
        return Ok(Token::Index { index, modifiers });
    }
    *optional |= text.ends_with('?');
    let without_mark = |text: &str| text.strip_suffix('?').unwrap_or(text).to_owned();
    if let Some((key, value)) = text.split_once('=') {
        let (key, value) = (key.to_owned(), without_mark(value));
        return Ok(Token::Match {
            key,
            value,
            optional: *optional,
            modifiers,
        });
    }
    if !modifiers.is_empty() {
        return Err(PointerError::ModifiedKey);
    }
    Ok(Token::Key {
        key: without_mark(&text),
        optional: *optional,
    })
}

fn parse_modifiers(names: &[&str]) -> Result<Vec<Modifier>, PointerError> {
    // go-patch names the first of them, whichever is wrong.
    let first = names.first().copied().unwrap_or_default().to_owned();
    let modifier = |name: &&str| match *name {
        "prev" => Ok(Modifier::Prev),
        "next" => Ok(Modifier::Next),
        "before" => Ok(Modifier::Before),
        "after" => Ok(Modifier::After),
        _ => Err(PointerError::UnknownModifier(first.clone())),
    };
    names.iter().map(modifier).collect()
}

/// `~1` is a slash, `~7` a colon, `~0` a tilde.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('~') {
        let (before, escape) = rest.split_at(at);
        plain.push_str(before);
        let character = match escape.as_bytes().get(1) {
            Some(b'0') => '~',
            Some(b'1') => '/',
            Some(b'7') => ':',
            _ => {
                plain.push('~');
                rest = &escape[1..];
                continue;
            }
        };
        plain.push(character);
        rest = &escape[2..];
    }
    plain + rest
}

fn escape(text: &str) -> String {
    text.replace('~', "~0")
        .replace('/', "~1")
        .replace(':', "~7")
}

impl fmt::Display for Pointer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only the first optional part carries the mark.
        let mut marked = false;
        let mut mark = |optional: bool| {
            let first = optional && !marked;
            marked |= optional;
            if first { "?" } else { "" }
        };
        for token in &self.0 {
            match token {
                Token::Index { index, modifiers } => {
                    write!(formatter, "/{index}{}", modifiers_text(modifiers))?;
                }
                Token::Append => formatter.write_str("/-")?,
                Token::Match {
                    key,
                    value,
                    optional,
                    modifiers,
                } => {
                    let (key, value) = (escape(key), escape(value));
                    write!(
                        formatter,
                        "/{key}={value}{}{}",
                        mark(*optional),
                        modifiers_text(modifiers)
                    )?;
                }
                Token::Key { key, optional } => {
                    write!(formatter, "/{}{}", escape(key), mark(*optional))?;
                }
            }
        }
        Ok(())
    }
}

fn modifiers_text(modifiers: &[Modifier]) -> String {
    modifiers
        .iter()
        .flat_map(|modifier| [":", modifier.name()])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Modifier, Pointer, PointerError, Token};

    fn parse(text: &str) -> Pointer {
        text.parse().unwrap()
    }

    #[test]
    fn writes_a_path_as_it_was_read() {
        for text in [
            "",
            "/",
            "/a/b?/c",
            "/0/-1:prev/-",
            "/a~1b~0c~7d",
            "/name=x?:after",
            "/a?/name=b/c",
        ] {
            assert_eq!(parse(text).to_string(), text);
        }
    }

    #[test]
    fn takes_the_first_part_that_is_optional_for_all_that_follow() {
        let Token::Key { optional, .. } = &parse("/a?/b").0[1] else {
            panic!("a key is expected")
        };
        assert!(optional);
    }

    #[test]
    fn tells_what_is_wrong_with_a_path() {
        assert_eq!("a".parse::<Pointer>(), Err(PointerError::NoSlash));
        assert_eq!("/a:next".parse::<Pointer>(), Err(PointerError::ModifiedKey));
        assert_eq!(
            "/-:prev".parse::<Pointer>(),
            Err(PointerError::ModifiedAppend)
        );
        assert_eq!(
            "/0:prev:x".parse::<Pointer>(),
            Err(PointerError::UnknownModifier("prev".into()))
        );
    }

    #[test]
    fn reads_several_modifiers() {
        let expected = Token::Index {
            index: 1,
            modifiers: vec![Modifier::Next, Modifier::Before],
        };
        assert_eq!(parse("/1:next:before").0, [expected]);
    }
}
