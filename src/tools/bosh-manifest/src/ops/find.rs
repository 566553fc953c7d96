//! Looks up what a path leads to, and tests it: go-patch's `find_op.go` and `test_op.go`.

use super::error::OpError;
use super::index::item_index;
use super::matching::{items, matching, one_match};
use super::pointer::{Pointer, Token};
use crate::{Map, Value};

/// What a path leads to.
pub fn find(document: &Value, path: &Pointer) -> Result<Value, OpError> {
    let mut found = document.clone();
    for (place, token) in path.0.iter().enumerate() {
        let here = || path.up_to(place + 1);
        let last = place + 1 == path.0.len();
        found = match token {
            Token::Index { index, modifiers } => {
                let items = items(&found, &here)?;
                items[item_index(*index, modifiers, items.len(), &here())?].clone()
            }
            Token::Append => return Err(OpError::AppendInFind(path.clone())),
            Token::Match {
                key,
                value,
                optional,
                modifiers,
            } => {
                let items = items(&found, &here)?;
                match matching(items, key, value).as_slice() {
                    [] if *optional => Value::Map(Map::from_iter([(
                        key.as_str().into(),
                        value.as_str().into(),
                    )])),
                    matches => items[one_match(matches, modifiers, items.len(), &here())?].clone(),
                }
            }
            Token::Key { key, optional } => {
                let map = found
                    .as_map()
                    .ok_or_else(|| OpError::not_a_map(here(), &found))?;
                match map.get(&Value::from(key.as_str())) {
                    Some(value) => value.clone(),
                    None if !*optional => return Err(OpError::missing_key(key, here(), map)),
                    None if last => Value::Null,
                    None => match &path.0[place + 1] {
                        Token::Match { .. } => Value::Seq(Vec::new()),
                        Token::Key { .. } => Value::Map(Map::new()),
                        Token::Index { .. } | Token::Append => {
                            let wanted = "key or matching index token";
                            return Err(OpError::UnclearMissing {
                                wanted,
                                path: path.up_to(place + 2),
                            });
                        }
                    },
                }
            }
        };
    }
    Ok(found)
}

/// Fails unless a path leads to `expected`.
pub(super) fn test_value(
    document: &Value,
    path: &Pointer,
    expected: &Value,
) -> Result<(), OpError> {
    if find(document, path)? == *expected {
        Ok(())
    } else {
        Err(OpError::TestMismatch)
    }
}

/// Fails when a path leads somewhere; that it breaks off before its last part is a failure too.
pub(super) fn test_absent(document: &Value, path: &Pointer) -> Result<(), OpError> {
    match find(document, path) {
        Ok(_) => Err(OpError::TestPresent(path.clone())),
        Err(
            OpError::MissingIndex { path: missing, .. } | OpError::MissingKey { path: missing, .. },
        ) if missing.to_string() == path.to_string() => Ok(()),
        Err(error) => Err(error),
    }
}
