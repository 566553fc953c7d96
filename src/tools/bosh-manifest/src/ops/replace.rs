//! Puts a value somewhere: go-patch's `replace_op.go`.

use super::error::OpError;
use super::index::{Insertion, item_index};
use super::matching::{items, matching, one_match, only_match};
use super::place::{Place, Step};
use super::pointer::{Pointer, Token};
use crate::{Map, Value};

/// Puts `value` where a path leads to.
pub(super) fn replace(document: &mut Value, path: &Pointer, value: Value) -> Result<(), OpError> {
    let Some(last_place) = path.0.len().checked_sub(1) else {
        *document = value;
        return Ok(());
    };
    // Where the walk is, and where a list that is recreated is put: go-patch keeps the two apart, and leaves the second
    // behind after an item that was matched.
    let mut at = Place::default();
    let mut slot = Place::default();
    for (place, token) in path.0.iter().enumerate() {
        let here = || path.up_to(place + 1);
        let last = place == last_place;
        match token {
            Token::Index { index, modifiers } => {
                let items = items(at.get(document), &here)?;
                if last {
                    let insertion = Insertion::new(*index, modifiers, items.len(), &here())?;
                    let mut items = items.to_vec();
                    insertion.put(&mut items, value);
                    slot.set(document, Value::Seq(items));
                    return Ok(());
                }
                at = at.down(Step::Item(item_index(
                    *index,
                    modifiers,
                    items.len(),
                    &here(),
                )?));
                slot = at.clone();
            }
            Token::Append => {
                let mut items = items(at.get(document), &here)?.to_vec();
                if !last {
                    return Err(OpError::AppendNotLast(path.clone()));
                }
                items.push(value);
                slot.set(document, Value::Seq(items));
                return Ok(());
            }
            Token::Match {
                key,
                value: wanted,
                optional,
                modifiers,
            } => {
                let mut items = items(at.get(document), &here)?.to_vec();
                let matches = matching(&items, key, wanted);
                if matches.is_empty() && *optional {
                    let made = Value::Map(Map::from_iter([(
                        key.as_str().into(),
                        wanted.as_str().into(),
                    )]));
                    let item = Step::Item(items.len());
                    items.push(if last { value.clone() } else { made });
                    slot.set(document, Value::Seq(items));
                    if last {
                        return Ok(());
                    }
                    at = slot.down(item);
                } else if last {
                    let index = only_match(&matches, &here())?;
                    Insertion::new(index, modifiers, items.len(), &here())?.put(&mut items, value);
                    slot.set(document, Value::Seq(items));
                    return Ok(());
                } else {
                    at = at.down(Step::Item(one_match(
                        &matches,
                        modifiers,
                        items.len(),
                        &here(),
                    )?));
                }
            }
            Token::Key { key, optional } => {
                let found = at.get(document);
                let map = found
                    .as_map()
                    .ok_or_else(|| OpError::not_a_map(here(), found))?;
                let present = map.contains_key(&Value::from(key.as_str()));
                if !present && !*optional {
                    return Err(OpError::missing_key(key, here(), map));
                }
                at = at.down(Step::Key(key.clone()));
                slot = at.clone();
                if last {
                    slot.set(document, value);
                    return Ok(());
                }
                if !present {
                    let made = container_for(&path.0[place + 1], path, place)?;
                    slot.set(document, made);
                }
            }
        }
    }
    Ok(())
}

/// What a missing key gets, so that the next part of the path can go into it.
fn container_for(next: &Token, path: &Pointer, place: usize) -> Result<Value, OpError> {
    match next {
        Token::Append | Token::Match { .. } => Ok(Value::Seq(Vec::new())),
        Token::Key { .. } => Ok(Value::Map(Map::new())),
        Token::Index { .. } => {
            let wanted = "key, matching index or after last index token";
            Err(OpError::UnclearMissing {
                wanted,
                path: path.up_to(place + 2),
            })
        }
    }
}
