//! Places in a list: go-patch's `array_index.go` and `array_insertion.go`.

use super::error::OpError;
use super::pointer::{Modifier, Pointer};
use crate::Value;

/// The item that an index and its modifiers mean; a negative index counts from the end.
pub(super) fn item_index(
    index: i64,
    modifiers: &[Modifier],
    length: usize,
    path: &Pointer,
) -> Result<usize, OpError> {
    let mut index = index;
    for modifier in modifiers {
        index = match modifier {
            Modifier::Prev => index.saturating_sub(1),
            Modifier::Next => index.saturating_add(1),
            Modifier::Before | Modifier::After => {
                return Err(OpError::Modifier(format!(
                    "Expected to find one of the following modifiers: 'prev', 'next', but found modifier '{}'",
                    modifier.go_type()
                )));
            }
        };
    }
    let found = match usize::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => usize::try_from(index.unsigned_abs())
            .ok()
            .and_then(|back| length.checked_sub(back)),
    };
    match found {
        Some(found) if found < length => Ok(found),
        _ => Err(OpError::MissingIndex {
            index,
            length,
            path: path.clone(),
        }),
    }
}

/// Where a value goes in a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Insertion {
    at: usize,
    /// Before what is there, instead of in its place.
    shifts: bool,
}

impl Insertion {
    /// What an index and its modifiers, `:before` and `:after` among them, mean for `replace`.
    pub(super) fn new(
        index: i64,
        modifiers: &[Modifier],
        length: usize,
        path: &Pointer,
    ) -> Result<Self, OpError> {
        let mut side = None;
        let mut steps = Vec::new();
        for modifier in modifiers {
            if let Some(side) = side {
                let side = if side == Modifier::Before {
                    "before"
                } else {
                    "after"
                };
                return Err(OpError::Modifier(format!(
                    "Expected to not find any modifiers after '{side}' modifier, but found modifier '{}'",
                    modifier.go_type()
                )));
            }
            match modifier {
                Modifier::Before | Modifier::After => side = Some(*modifier),
                Modifier::Prev | Modifier::Next => steps.push(*modifier),
            }
        }
        let at = item_index(index, &steps, length, path)?;
        Ok(Self {
            at: at + usize::from(side == Some(Modifier::After)),
            shifts: side.is_some(),
        })
    }

    pub(super) fn put(self, items: &mut Vec<Value>, value: Value) {
        if self.shifts {
            items.insert(self.at, value);
        } else {
            items[self.at] = value;
        }
    }
}
