//! Items of a list by index and by what they hold.

use super::error::OpError;
use super::index::item_index;
use super::pointer::{Modifier, Pointer};
use crate::Value;

/// The items of a list; `path` is where it stands.
pub(super) fn items<'v>(
    value: &'v Value,
    path: &dyn Fn() -> Pointer,
) -> Result<&'v [Value], OpError> {
    value
        .as_seq()
        .ok_or_else(|| OpError::not_a_list(path(), value))
}

/// The places of the maps whose `key` is the string `wanted`.
pub(super) fn matching(items: &[Value], key: &str, wanted: &str) -> Vec<usize> {
    let fits = |item: &Value| item.get(key).and_then(Value::as_str) == Some(wanted);
    items
        .iter()
        .enumerate()
        .filter(|(_, item)| fits(item))
        .map(|(index, _)| index)
        .collect()
}

/// The index of the only item that matches.
pub(super) fn only_match(matches: &[usize], path: &Pointer) -> Result<i64, OpError> {
    match matches {
        [index] => Ok(i64::try_from(*index).unwrap_or(i64::MAX)),
        _ => Err(OpError::NotOneMatch {
            path: path.clone(),
            count: matches.len(),
        }),
    }
}

/// The index of the only item that matches, or of its neighbour that modifiers name.
pub(super) fn one_match(
    matches: &[usize],
    modifiers: &[Modifier],
    length: usize,
    path: &Pointer,
) -> Result<usize, OpError> {
    item_index(only_match(matches, path)?, modifiers, length, path)
}
