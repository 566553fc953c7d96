//! Takes something away: go-patch's `remove_op.go`.

use super::error::OpError;
use super::index::item_index;
use super::matching::{items, matching, one_match};
use super::place::{Place, Step};
use super::pointer::{Pointer, Token};
use crate::Value;

/// Takes away what a path leads to.
pub(crate) fn remove(document: &mut Value, path: &Pointer) -> Result<(), OpError> {
    let Some(last_place) = path.0.len().checked_sub(1) else {
        return Err(OpError::RemoveDocument);
    };
    let mut at = Place::default();
    let mut slot = Place::default();
    for (place, token) in path.0.iter().enumerate() {
        let here = || path.up_to(place + 1);
        let last = place == last_place;
        let index = match token {
            Token::Append => return Err(OpError::UnexpectedAppend(here())),
            Token::Key { key, optional } => {
                let found = at.get(document);
                let map = found
                    .as_map()
                    .ok_or_else(|| OpError::not_a_map(here(), found))?;
                let name = Value::from(key.as_str());
                if !map.contains_key(&name) {
                    return if *optional {
                        Ok(())
                    } else {
                        Err(OpError::missing_key(key, here(), map))
                    };
                }
                if last && let Some(Value::Map(map)) = at.get_mut(document) {
                    map.shift_remove(&name);
                }
                at = at.down(Step::Key(key.clone()));
                slot = at.clone();
                continue;
            }
            Token::Index { index, modifiers } => {
                let items = items(at.get(document), &here)?;
                item_index(*index, modifiers, items.len(), &here())?
            }
            Token::Match {
                key,
                value,
                optional,
                modifiers,
            } => {
                let items = items(at.get(document), &here)?;
                let matches = matching(items, key, value);
                if matches.is_empty() && *optional {
                    return Ok(());
                }
                one_match(&matches, modifiers, items.len(), &here())?
            }
        };
        if last {
            let mut items = items(at.get(document), &here)?.to_vec();
            items.remove(index);
            slot.set(document, Value::Seq(items));
            return Ok(());
        }
        at = at.down(Step::Item(index));
        if matches!(token, Token::Index { .. }) {
            slot = at.clone();
        }
    }
    Ok(())
}
